"""The paths inside the archive."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_archiver.core.entries import portable_key
from model_archiver.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.archive import CheckedFile
    from model_archiver.checks.package import CheckContext


def check_case(package: CheckContext) -> Iterator[Problem]:
    """``path-case-clash``: two files that are one where case does not count, as on Windows and most Macs."""
    seen: dict[str, CheckedFile] = {}
    for member in package.members:
        existing = seen.setdefault(portable_key(member.path), member)
        if existing.path != member.path:
            message = f"and {existing.path} are one file on systems that ignore case; one of them is lost there"
            yield Problem("warning", "path-case-clash", message, "rename one of them", str(member.path))
