"""The YAML file that configures a model on TorchServe."""

from __future__ import annotations

from collections.abc import Iterator

from model_archiver.checks.package import Package
from model_archiver.issue import Issue


def check_config(package: Package) -> Iterator[Issue]:
    """``config-invalid``, ``config-value``, ``config-unknown-key`` and ``config-combination``.

    TorchServe: org/pytorch/serve/archive/model/ModelArchive.java, `getModelConfig`; ts/utils/util.py,
    `get_yaml_config`.
    """
    member = package.named_file("configFile")
    if member is None or package.server != "torchserve" or not package.runs_python3:
        return
    from model_archiver.checks.configs.config_file import judge  # noqa: PLC0415 - PyYAML takes its time to load

    yield from judge(package, member)
