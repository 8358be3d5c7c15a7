"""The file of Python packages that TorchServe installs for a model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_archiver.checks.wording import fewer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.package import CheckContext
    from model_archiver.core.problems import Problem


def check_requirements(package: CheckContext) -> Iterator[Problem]:
    """``requirements-invalid`` and ``requirements-local``.

    Warnings, since it is read only by a server that has ``install_py_dep_per_model=true``.
    TorchServe: org/pytorch/serve/wlm/ModelManager.java, `setupModelDependencies`, which runs pip in the model's folder.
    """
    member = package.named_file("requirementsFile")
    if member is not None and package.server == "torchserve" and package.runs_python3:
        from model_archiver.checks.pip_files.requirement_files import RequirementFiles  # noqa: PLC0415 - few have one

        yield from fewer(RequirementFiles(package).judge(member))
