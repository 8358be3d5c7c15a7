"""``extract``: unpacking an archive so that nothing can come to lie anywhere else."""

from __future__ import annotations

import os
from itertools import takewhile
from pathlib import Path

from model_archiver.core.entries import check_model_name, fits_windows, mode, portable_key
from model_archiver.core.manifest import model_of
from model_archiver.core.problems import ModelArchiverError, Problem, ProblemList, error_of
from model_archiver.core.record import Record
from model_archiver.core.running import add_total, block_signals, no_progress
from model_archiver.reading.archive import Reading, UnpackLimit
from model_archiver.reading.content import read_content
from model_archiver.reading.opening import check_sums, open_archive, report_of, with_server_errors_as_warnings
from model_archiver.writing.folder import publish_folder
from model_archiver.writing.os_calls import OutputFile, sync_tree
from model_archiver.writing.staging import StagingDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import PurePosixPath

    from model_archiver.core.report import ArchiveEntry, ArchiveReport
    from model_archiver.core.request import StrPath
    from model_archiver.core.running import Progress
    from model_archiver.reading.archive import Archive, Content, FoundMember

_IS_WINDOWS = os.name == "nt"


class Extraction(Record):
    """An archive that was unpacked.

    Attributes:
        folder: the model folder that it became.
        archive: what was unpacked.
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
    """Unpack an archive into a model folder, which is there as a whole or not at all.

    All of the archive is read, and refused, before the first file is written.

    Args:
        archive: a ``.mar``, a ``.tar.gz`` or a model's folder.
        to: the folder; None stands for the model's name, in the working directory.
        force: replace an existing one, as packaging as a folder does.
        max_size: how much it may unpack to, in bytes; None stands for 1 GiB or 100 times its size.
        progress: is told of each stretch of it, twice.

    Raises:
        ModelArchiverError: the archive is damaged, or holds what must not be unpacked; or the folder exists already.
    """
    opened = open_archive(archive)
    add_total(progress, 2 * opened.size)
    problems = ProblemList()
    content = read_content(opened, Reading(problems, UnpackLimit(opened.path, opened.size, max_size), progress))
    report = with_server_errors_as_warnings(report_of(opened, content, tuple(problems)))
    target = _target(to, report)
    _refuse([*report.problems, *_obstacles(report, content), *_in_the_way(target, opened.path, force=force)])
    reading = Reading(ProblemList(), UnpackLimit(opened.path, opened.size, max_size), progress)
    _unpack(opened, report, target, reading, force=force)
    return Extraction(target, report)


def _target(to: StrPath | None, report: ArchiveReport) -> Path:
    """The folder, a link followed to where it leads."""
    if to is not None:
        return Path(os.path.realpath(to))
    problems = ProblemList()
    name = str(model_of(report.manifest).get("modelName") or "")
    if not check_model_name(name, problems):
        hint = "name the folder with --to"
        _refuse(
            [*report.problems, *(problem.replace(hint=hint, path="the model's name") for problem in tuple(problems))]
        )
    return Path(os.path.realpath(name))


def _refuse(problems: list[Problem]) -> None:
    """Refuse the archive if there is an error among what was found.

    Raises:
        ModelArchiverError: with every issue.
    """
    if any(problem.level == "error" for problem in problems):
        raise error_of(problems)


def _obstacles(report: ArchiveReport, content: Content) -> Iterator[Problem]:
    """What serves, and still cannot be unpacked safely everywhere."""
    yield from check_sums(content, report.archive_format)
    for existing, path in _clashes(report.files):
        message = f"and {existing} are one file, or folder, on systems that ignore case"
        yield Problem("error", "path-case-clash", message, "package the model again, under another name", str(path))
    for entry in report.files:
        if _IS_WINDOWS and not fits_windows(entry.path):
            hint = "unpack it on another system, or package the model again, under another name"
            yield Problem("error", "path-invalid", "is no name of a file on Windows", hint, str(entry.path))
    for problem in report.problems:
        if problem.code == "entry-duplicate":
            yield problem.replace(level="error")


def _clashes(entries: Iterable[ArchiveEntry]) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """Paths, of files or of the folders they lie in, that are one where case does not count."""
    met: dict[str, PurePosixPath] = {}
    for entry in entries:
        for path in (entry.path, *takewhile(lambda parent: parent.name, entry.path.parents)):
            key = portable_key(path)
            if met.get(key) == path:  # then all that it lies in was met, too
                break
            existing = met.setdefault(key, path)
            if existing != path:
                yield existing, path


def _in_the_way(target: Path, archive: Path, *, force: bool) -> Iterator[Problem]:
    hint = "name another folder with --to"
    source = Path(os.path.realpath(archive))
    if target == source or target in source.parents or source in target.parents:
        yield Problem(
            "error", "target-in-the-way", "is, or holds, the archive itself, or lies in it", hint, str(target)
        )
    elif not os.path.lexists(target):
        return
    elif not target.is_dir():
        yield Problem("error", "target-in-the-way", "is a file, and the folder goes there", hint, str(target))
    elif not force:
        yield Problem("error", "target-exists", "exists already", f"-f replaces it; or {hint}", str(target))


def _unpack(opened: Archive, report: ArchiveReport, target: Path, reading: Reading, *, force: bool) -> None:
    try:
        with block_signals() as unblocked, StagingDirectory(target, target.name) as staging:
            built = staging.path / target.name
            with unblocked():
                built.mkdir()
                written = read_content(opened, reading, _Writer(built))
                _refuse_changed(report, written)
                sync_tree(built)
                publish_folder(built, target, staging.set_aside, replace=force)
    except OSError as error:
        if isinstance(error, ModelArchiverError):
            raise
        hint = "nothing was unpacked; free some space, or check the path and its rights"
        path = str(error.filename or target)
        problem = Problem("error", "write-failed", error.strerror or str(error), hint, path)
        raise ModelArchiverError(problems=[problem]) from error


def _refuse_changed(report: ArchiveReport, written: Content) -> None:
    if tuple(written.entries) != report.files:
        message = "changed while it was unpacked"
        hint = "unpack it again when nothing writes to it any more"
        raise ModelArchiverError(problems=[Problem("error", "file-changed", message, hint, str(report.path))])


class _Writer:
    """Writes the files of an archive below a folder that nobody else knows of."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def __call__(self, member: FoundMember, blocks: Iterable[bytes]) -> None:
        place = self._root / member.path
        place.parent.mkdir(parents=True, exist_ok=True)
        with OutputFile(place, mode(executable=member.executable)) as output:
            for block in blocks:
                output.write(block)
