"""Two sources for one path, and paths that may not be."""

from __future__ import annotations

import filecmp
from pathlib import PurePosixPath

from model_archiver.core.entries import is_reserved, path_problem
from model_archiver.core.manifest import MAR_INF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from model_archiver.core.plan import Member
    from model_archiver.core.problems import ProblemList


def resolve_collisions(members: Iterable[Member], problems: ProblemList) -> tuple[Member, ...]:
    """The members, one for each path, sorted by path; what cannot be settled is a finding."""
    settled: dict[PurePosixPath, Member] = {}
    told: set[PurePosixPath] = set()
    for member in members:
        _check_path(member, told, problems)
        existing = settled.setdefault(member.path, member)
        if not _same(existing, member):
            _report_clash(existing, member, problems)
    for folder, member in _folders(settled.values()):
        if folder in settled:
            _report_clash(settled[folder], member, problems)
    return tuple(sorted(settled.values(), key=lambda member: str(member.path)))


def _folders(members: Iterable[Member]) -> Iterator[tuple[PurePosixPath, Member]]:
    """Every folder that the members need, each with the first member that needs it."""
    seen = {PurePosixPath()}
    for member in members:
        folder = member.path.parent
        while folder not in seen:
            seen.add(folder)
            yield folder, member
            folder = folder.parent


def _check_path(member: Member, told: set[PurePosixPath], problems: ProblemList) -> None:
    """What is wrong with a path, told once for the folder that it is wrong with."""
    if is_reserved(member.path):
        if PurePosixPath(MAR_INF) not in told:
            message = f"would land in MAR-INF, which is the archive's own ({member.flag})"
            problems.error("path-reserved", message, "pack it under another name", path=member.source.path)
        told.add(PurePosixPath(MAR_INF))
        return
    if path_problem(member.path) is None:
        return
    wrong = next(path for path in [*reversed(member.path.parents), member.path] if path_problem(path))
    if wrong not in told:
        message = f"the name {path_problem(wrong)} ({member.flag})"
        problems.error("path-invalid", message, "rename it", path=member.source.path)
    told.add(wrong)


def _same(one: Member, other: Member) -> bool:
    if one is other or one.source.identity == other.source.identity:
        return True
    try:
        return one.source.size == other.source.size and filecmp.cmp(one.source.path, other.source.path, shallow=False)
    except OSError:
        return False


def _report_clash(one: Member, other: Member, problems: ProblemList) -> None:
    if one.path == other.path:
        message = f"and {_told(one)} both go to {one.path}"
    else:
        message = f"goes to {other.path}, and {_told(one)} is a file there called {one.path}"
    hint = "rename one, or pack its folder under its own name with --include"
    problems.error("path-clash", message, hint, path=_told(other))


def _told(member: Member) -> str:
    return f"{member.source.path} ({member.flag})"
