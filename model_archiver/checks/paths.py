"""The paths inside the archive."""

from __future__ import annotations

from collections.abc import Iterator

from model_archiver.checks.package import Package
from model_archiver.checks.subject import Located
from model_archiver.issue import Issue
from model_archiver.planning.archive_paths import portable_key


def check_case(package: Package) -> Iterator[Issue]:
    """``path-case-clash``: two files that are one where case does not count, as on Windows and most Macs."""
    seen: dict[str, Located] = {}
    for member in package.members:
        former = seen.setdefault(portable_key(member.path), member)
        if former.path != member.path:
            message = f"and {former.path} are one file on systems that ignore case; one of them is lost there"
            yield Issue("warning", "path-case-clash", message, "rename one of them", str(member.path))
