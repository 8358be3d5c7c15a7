"""The YAML file that configures a model on TorchServe."""

from __future__ import annotations

from collections.abc import Iterator

from model_archiver.checks.package import Package, read_text
from model_archiver.checks.subject import NotKeptError
from model_archiver.issue import Issue

_LARGEST = 1 << 17
"""Bytes; the largest file that is judged, since reading YAML takes its time."""


def check_config(package: Package) -> Iterator[Issue]:
    """``config-invalid``, ``config-value``, ``config-unknown-key`` and ``config-combination``.

    TorchServe: org/pytorch/serve/archive/model/ModelArchive.java, `getModelConfig`; ts/utils/util.py,
    `get_yaml_config`.
    """
    member = package.named_file("configFile")
    if member is None or package.server != "torchserve" or not package.runs_python3 or member.size > _LARGEST:
        return
    from model_archiver.checks.configs.config_file import judge  # noqa: PLC0415 - PyYAML takes its time to load

    try:
        raw = read_text(member)
    except NotKeptError:
        return
    yield from judge(raw, member.where, package)
