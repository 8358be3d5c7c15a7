"""The YAML file that configures a model on TorchServe."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.package import CheckContext
    from model_archiver.core.problems import Problem


def check_config(package: CheckContext) -> Iterator[Problem]:
    """``config-invalid``, ``config-value``, ``config-unknown-key`` and ``config-combination``.

    TorchServe: org/pytorch/serve/archive/model/ModelArchive.java, `getModelConfig`; ts/utils/util.py,
    `get_yaml_config`.
    """
    member = package.named_file("configFile")
    if member is None or package.server != "torchserve" or not package.runs_python3:
        return
    from model_archiver.checks.configs.config_file import judge  # noqa: PLC0415 - PyYAML takes its time to load

    yield from judge(package, member)
