"""Two sources for one path of the archive, and paths that no archive may have."""

from __future__ import annotations

from pathlib import PurePosixPath

from model_archiver.core.entries import is_reserved, path_problem
from model_archiver.core.manifest import MAR_INF

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from model_archiver.core.plan import Member
    from model_archiver.core.problems import ProblemList


def resolve_collisions(members: Iterable[Member], problems: ProblemList) -> tuple[Member, ...]:
    """Return the members, one for each path, sorted by path; add an error for each real collision."""
    by_path: dict[PurePosixPath, Member] = {}
    reported: set[PurePosixPath] = set()
    for member in members:
        _check_path(member, reported, problems)
        first = by_path.setdefault(member.path, member)
        if not _have_same_content(first, member):
            _report_clash(first, member, problems)
    for folder, member in _folders(by_path.values()):
        if folder in by_path:
            _report_clash(by_path[folder], member, problems)
    return tuple(sorted(by_path.values(), key=lambda member: str(member.path)))


def _folders(members: Iterable[Member]) -> Iterator[tuple[PurePosixPath, Member]]:
    """Yield every folder that the members need, each with the first member that needs it."""
    seen = {PurePosixPath()}
    for member in members:
        folder = member.path.parent
        while folder not in seen:
            seen.add(folder)
            yield folder, member
            folder = folder.parent


def _check_path(member: Member, reported: set[PurePosixPath], problems: ProblemList) -> None:
    """Add an error for an invalid path; once for all members of an invalid folder."""
    if is_reserved(member.path):
        if PurePosixPath(MAR_INF) not in reported:
            message = f"would go to MAR-INF, which the archive itself uses ({member.flag})"
            problems.error("path-reserved", message, "pack it under another name", path=member.source.path)
        reported.add(PurePosixPath(MAR_INF))
        return
    if path_problem(member.path) is None:
        return
    wrong = next(path for path in [*reversed(member.path.parents), member.path] if path_problem(path))
    if wrong not in reported:
        message = f"the name {path_problem(wrong)} ({member.flag})"
        problems.error("path-invalid", message, "rename it", path=member.source.path)
    reported.add(wrong)


def _have_same_content(one: Member, other: Member) -> bool:
    if one is other or one.source.identity == other.source.identity:
        return True
    if one.source.size != other.source.size:
        return False
    import filecmp  # noqa: PLC0415 - collisions are rare

    try:
        return filecmp.cmp(one.source.path, other.source.path, shallow=False)
    except OSError:
        return False


def _report_clash(one: Member, other: Member, problems: ProblemList) -> None:
    if one.path == other.path:
        message = f"and {_named(one)} both go to {one.path}"
    else:
        message = f"goes to {other.path}, but {_named(one)} is a file with the path {one.path}"
    hint = "rename one, or pack its folder under its own name with --include"
    problems.error("path-clash", message, hint, path=_named(other))


def _named(member: Member) -> str:
    return f"{member.source.path} ({member.flag})"
