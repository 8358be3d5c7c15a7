"""``extract``: unpacking an archive so that nothing can come to lie anywhere else."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path, PurePosixPath

from model_archiver.formats.kernel import sync_tree
from model_archiver.formats.output import OutputFile
from model_archiver.formats.placement import place_folder
from model_archiver.formats.temporary import TemporaryDirectory
from model_archiver.interruption import uninterrupted
from model_archiver.issue import Issue
from model_archiver.model_archiver_config import StrPath
from model_archiver.model_archiver_error import ModelArchiverError, refusal
from model_archiver.planning.archive_paths import fits_windows, portable_key
from model_archiver.planning.findings import Findings
from model_archiver.planning.names import check_model_name
from model_archiver.progress import Progress, expect, silent
from model_archiver.reading.allowance import Allowance
from model_archiver.reading.archive import Archive, Content, FoundMember, Reading
from model_archiver.reading.content import read_content
from model_archiver.reading.manifest import model_of
from model_archiver.reading.opened import as_files, check_sums, report_of
from model_archiver.reading.opening import open_archive
from model_archiver.report import ArchiveReport, Entry
from model_archiver.reproducible import mode

_IS_WINDOWS = os.name == "nt"


@dataclass(frozen=True)
class Extraction:
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
    progress: Progress = silent,
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
    expect(progress, 2 * opened.size)
    findings = Findings()
    content = read_content(opened, Reading(findings, Allowance(opened.path, opened.size, max_size), progress))
    report = as_files(report_of(opened, content, findings.issues))
    target = _target(to, report)
    _refuse([*report.issues, *_obstacles(report, content), *_in_the_way(target, opened.path, force=force)])
    reading = Reading(Findings(), Allowance(opened.path, opened.size, max_size), progress)
    _unpack(opened, report, target, reading, force=force)
    return Extraction(target, report)


def _target(to: StrPath | None, report: ArchiveReport) -> Path:
    """The folder, a link followed to where it leads."""
    if to is not None:
        return Path(os.path.realpath(to))
    findings = Findings()
    name = str(model_of(report.manifest).get("modelName") or "")
    if not check_model_name(name, findings):
        hint = "name the folder with --to"
        _refuse([*report.issues, *(replace(issue, hint=hint, path="the model's name") for issue in findings.issues)])
    return Path(os.path.realpath(name))


def _refuse(issues: list[Issue]) -> None:
    """Refuse the archive if there is an error among what was found.

    Raises:
        ModelArchiverError: with every issue.
    """
    if any(issue.level == "error" for issue in issues):
        raise refusal(issues)


def _obstacles(report: ArchiveReport, content: Content) -> Iterator[Issue]:
    """What serves, and still cannot be unpacked safely everywhere."""
    yield from check_sums(content, report.archive_format)
    for former, path in _clashes(report.entries):
        message = f"and {former} are one file, or folder, on systems that ignore case"
        yield Issue("error", "path-case-clash", message, "package the model again, under another name", str(path))
    for entry in report.entries:
        if _IS_WINDOWS and not fits_windows(entry.path):
            hint = "unpack it on another system, or package the model again, under another name"
            yield Issue("error", "path-invalid", "is no name of a file on Windows", hint, str(entry.path))
    for issue in report.issues:
        if issue.code == "entry-duplicate":
            yield replace(issue, level="error")


def _clashes(entries: Iterable[Entry]) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """Paths, of files or of the folders they lie in, that are one where case does not count."""
    met: dict[str, PurePosixPath] = {}
    for entry in entries:
        for path in (entry.path, *takewhile(lambda parent: parent.name, entry.path.parents)):
            key = portable_key(path)
            if met.get(key) == path:  # then all that it lies in was met, too
                break
            former = met.setdefault(key, path)
            if former != path:
                yield former, path


def _in_the_way(target: Path, archive: Path, *, force: bool) -> Iterator[Issue]:
    hint = "name another folder with --to"
    source = Path(os.path.realpath(archive))
    if target == source or target in source.parents or source in target.parents:
        yield Issue("error", "target-in-the-way", "is, or holds, the archive itself, or lies in it", hint, str(target))
    elif not os.path.lexists(target):
        return
    elif not target.is_dir():
        yield Issue("error", "target-in-the-way", "is a file, and the folder goes there", hint, str(target))
    elif not force:
        yield Issue("error", "target-exists", "exists already", f"-f replaces it; or {hint}", str(target))


def _unpack(opened: Archive, report: ArchiveReport, target: Path, reading: Reading, *, force: bool) -> None:
    try:
        with uninterrupted() as interruptible, TemporaryDirectory(target, target.name) as temporary:
            built = temporary.path / target.name
            with interruptible():
                built.mkdir()
                written = read_content(opened, reading, _Writer(built))
                _refuse_changed(report, written)
                sync_tree(built)
                place_folder(built, target, temporary.set_aside, replace=force)
    except OSError as error:
        if isinstance(error, ModelArchiverError):
            raise
        hint = "nothing was unpacked; free some space, or check the path and its rights"
        path = str(error.filename or target)
        issue = Issue("error", "write-failed", error.strerror or str(error), hint, path)
        raise ModelArchiverError(issues=[issue]) from error


def _refuse_changed(report: ArchiveReport, written: Content) -> None:
    if tuple(written.entries) != report.entries:
        message = "changed while it was unpacked"
        hint = "unpack it again when nothing writes to it any more"
        raise ModelArchiverError(issues=[Issue("error", "file-changed", message, hint, str(report.path))])


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
