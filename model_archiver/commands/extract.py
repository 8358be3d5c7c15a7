"""``extract``: unpack an archive, so that nothing is written outside the target folder."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path, PurePosixPath

from model_archiver.core.entries import check_model_name, fits_windows, portable_key
from model_archiver.core.manifest import model_of
from model_archiver.core.problems import Problem, ProblemList, as_seen, raise_errors
from model_archiver.core.record import Record
from model_archiver.core.running import block_signals, completed, no_progress
from model_archiver.planning.gathering import resolved
from model_archiver.reading.archive import Content, convert_os_errors
from model_archiver.reading.opening import check_sums, read_files
from model_archiver.writing.folder import publish_folder, unpack
from model_archiver.writing.os_calls import convert_write_errors, sync_tree
from model_archiver.writing.staging import StagingDirectory, undoing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from model_archiver.core.report import ArchiveEntry, ArchiveReport
    from model_archiver.core.request import StrPath
    from model_archiver.core.running import Progress

_IS_WINDOWS = os.name == "nt"
_CHOOSE_FOLDER = "name another folder with --to"


class Extraction(Record):
    """An archive that was unpacked.

    Attributes:
        folder: the model folder that was written.
        archive: the report on the archive that was unpacked.
    """

    folder: Path
    archive: ArchiveReport


def extract(
    archive: StrPath,
    to: StrPath | None = None,
    *,
    force: bool = False,
    max_size: int | None = None,
    progress: Progress = no_progress,
) -> Extraction:
    """Unpack an archive into a model folder, completely or not at all.

    The whole archive is read and checked before the first file is written.

    Args:
        archive: a ``.mar``, a ``.tar.gz`` or a model folder.
        to: the folder; None means the model's name, in the current folder.
        force: replace an existing folder, as packaging as a folder does.
        max_size: how much it may unpack to, in bytes; None means 1 GiB or 100 times its size.
        progress: is called with the size of each block that was read; all is read twice.

    Raises:
        ModelArchiverError: the archive is damaged or unsafe to unpack, or the folder already exists.
    """
    opened, content, report = read_files(archive, max_size, progress, times=2)
    with convert_os_errors("the current folder"):  # it may have been removed
        target = _target(to, report)
    found = [
        problem.replace(level="error") if problem.code == "entry-duplicate" else problem for problem in report.problems
    ]
    raise_errors([*found, *_obstacles(report, content), *_target_problems(target, opened.path, force=force)])
    writing = convert_write_errors(target, _CHOOSE_FOLDER)
    with writing, block_signals() as unblocked, StagingDirectory(target, target.name) as staging:
        with unblocked():
            staging.new.mkdir()
            unpack(opened, report, staging.new, max_size, progress)
            sync_tree(staging.new)
        with undoing() as undo:
            publish_folder(staging, unblocked, undo, replace=force)
        completed[:] = [target]
    return Extraction(target, report)


def _target(to: StrPath | None, report: ArchiveReport) -> Path:
    """Return the folder, with links resolved; if it is a link itself, that one is not followed."""
    name = str(model_of(report.manifest).get("modelName") or "")
    problems = ProblemList()
    if to is None and not check_model_name(name, problems):
        invalid = (problem.replace(hint="name the folder with --to", path=name) for problem in problems)
        raise_errors([*report.problems, *(invalid if report.manifest else ())])
    path = Path(name if to is None else to)
    return resolved(path) if path.name in ("", "..") else resolved(path.parent) / path.name


def _obstacles(report: ArchiveReport, content: Content) -> Iterator[Problem]:
    """Yield what may be served, but cannot be unpacked safely on every platform."""
    yield from check_sums(content, report.archive_format)
    for existing, path in _case_clashes(report.files):
        message = f"is the same path as {existing} on systems that ignore case"
        hint = "rename one of them and package the model again"
        yield Problem("error", "path-case-clash", message, hint, str(path))
    for entry in report.files:
        if _IS_WINDOWS and not fits_windows(entry.path):
            hint = "unpack it on another system, or rename the file and package the model again"
            yield Problem("error", "path-invalid", "is not a valid file name on Windows", hint, str(entry.path))


def _case_clashes(entries: Iterable[ArchiveEntry]) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """Yield paths, of files or of their folders, that are the same if case is ignored."""
    # Sorted so that all paths below one folder are neighbors, with one depth of folders in memory, however many.
    paths = sorted((entry.path for entry in entries), key=lambda path: portable_key(str(path)).replace("/", "\0"))
    reported = set()
    for one, other in pairwise(paths):
        for depth, (part, same) in enumerate(zip(one.parts, other.parts, strict=False), 1):
            if part != same:
                pair = PurePosixPath(*one.parts[:depth]), PurePosixPath(*other.parts[:depth])
                if portable_key(part) == portable_key(same) and frozenset(pair) not in reported:
                    reported.add(frozenset(pair))
                    yield pair
                break


def _target_problems(target: Path, archive: Path, *, force: bool) -> Iterator[Problem]:
    source = Path(os.path.realpath(archive))
    if target == source or target in source.parents or source in target.parents:
        yield Problem("error", "target-in-the-way", "overlaps the archive", _CHOOSE_FOLDER, str(as_seen(target)))
    elif os.path.lexists(target) and not target.is_dir() and not target.is_symlink():
        yield Problem("error", "target-in-the-way", "is a file, not a folder", _CHOOSE_FOLDER, str(as_seen(target)))
    elif os.path.lexists(target) and not force:
        hint = f"use -f to replace it, or {_CHOOSE_FOLDER}"
        yield Problem("error", "target-exists", "already exists", hint, str(as_seen(target)))
