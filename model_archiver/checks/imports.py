"""What handler and model file import and the archive does not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.package import CheckContext
    from model_archiver.core.problems import Problem


def check_imports(package: CheckContext) -> Iterator[Problem]:
    """``import-not-packed`` and ``import-relative``, for handler and model file and all that they import."""
    if package.runs_python3 and (package.handler.member is not None or package.text_field("modelFile")):
        from model_archiver.checks.sources.import_walk import imported_modules  # noqa: PLC0415 - not for a built-in one

        yield from imported_modules(package)
