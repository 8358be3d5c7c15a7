"""The file of Python packages that TorchServe installs for a model."""

from __future__ import annotations

from collections.abc import Iterator

from model_archiver.checks.package import Package
from model_archiver.checks.wording import fewer
from model_archiver.issue import Issue


def check_requirements(package: Package) -> Iterator[Issue]:
    """``requirements-invalid`` and ``requirements-local``.

    Warnings, since it is read only by a server that has ``install_py_dep_per_model=true``.
    TorchServe: org/pytorch/serve/wlm/ModelManager.java, `setupModelDependencies`, which runs pip in the model's folder.
    """
    member = package.named_file("requirementsFile")
    if member is not None and package.server == "torchserve" and package.runs_python3:
        from model_archiver.checks.pip_files.requirement_files import RequirementFiles  # noqa: PLC0415 - few have one

        yield from fewer(RequirementFiles(package).judge(member))
