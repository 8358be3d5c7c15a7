"""``inspect`` and ``verify``: what an archive is, what it holds, and whether it would serve."""

from __future__ import annotations

from model_archiver.checks import run_checks
from model_archiver.core.entries import check_model_name
from model_archiver.core.manifest import MANIFEST_PATH, model_of
from model_archiver.core.problems import ProblemList
from model_archiver.core.running import add_total, no_progress
from model_archiver.reading.archive import Content, Reading, TooLargeError, UnpackLimit
from model_archiver.reading.content import FileSamples, are_well_named, read_content
from model_archiver.reading.manifest import missing_files
from model_archiver.reading.opening import OpenedArchive, check_sums, open_archive, report_of, with_recorded_sums

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.core.problems import Problem
    from model_archiver.core.report import ArchiveReport
    from model_archiver.core.request import StrPath
    from model_archiver.core.running import Progress
    from model_archiver.reading.archive import Archive


def inspect(archive: StrPath, *, max_size: int | None = None, progress: Progress = no_progress) -> ArchiveReport:
    """Say what an archive is, and read no more of it than that takes.

    Where a ``.mar`` is as this package left it, as far as its directory tells, the sums that it carries are believed;
    `verify` checks them.

    Args:
        archive: a ``.mar``, a ``.tar.gz`` or a model's folder.
        max_size: how much it may unpack to, in bytes; None stands for 1 GiB or 100 times its size.
        progress: is told of each stretch of it.

    Returns:
        The archive, with what was found wrong by the way.

    Raises:
        ModelArchiverError: it is no archive, or it unpacks to more than it may.
    """
    return inspected(archive, max_size, progress)


def inspected(archive: StrPath, max_size: int | None, progress: Progress, *, trusts_sums: bool = True) -> ArchiveReport:
    """As `inspect`; recorded sums are believed only where that is said."""
    opened = open_archive(archive)
    problems = ProblemList()
    reading = Reading(problems, UnpackLimit(opened.path, opened.size, max_size), progress)
    listed = opened.read_index(reading) if trusts_sums else None
    content = with_recorded_sums(listed) if listed is not None and are_well_named(listed) else None
    if content is None:
        add_total(progress, opened.size)
        content = read_content(opened, reading)
    return report_of(opened, content, tuple(problems))


def verify(
    archive: StrPath, *, strict: bool = False, max_size: int | None = None, progress: Progress = no_progress
) -> ArchiveReport:
    """Read all of an archive, front to back as the server does, and say everything that is wrong with it.

    Args:
        archive: a ``.mar``, a ``.tar.gz`` or a model's folder.
        strict: make an error of every warning.
        max_size: how much it may unpack to, in bytes; None stands for 1 GiB or 100 times its size.
        progress: is told of each stretch of it.

    Returns:
        The archive; it would serve if there is no error among the issues.

    Raises:
        ModelArchiverError: it cannot be read at all.
    """
    opened = open_archive(archive)
    problems = ProblemList()
    add_total(progress, opened.size)
    samples = FileSamples()
    content = _read(opened, Reading(problems, UnpackLimit(opened.path, opened.size, max_size), progress), samples)
    report = report_of(opened, content, tuple(problems))
    found = [*report.problems, *check_sums(content, opened.archive_format), *_served(report, samples)]
    return report.replace(problems=tuple(problem.replace(level="error") if strict else problem for problem in found))


def _read(opened: Archive, reading: Reading, samples: FileSamples) -> Content:
    try:
        return read_content(opened, reading, samples)
    except TooLargeError as error:
        reading.problems.extend(error.problems)
        return Content(is_complete=False)


def _served(report: ArchiveReport, samples: FileSamples) -> Iterator[Problem]:
    """What the server would stumble over in the content, as far as the manifest can be read."""
    if not report.manifest:
        return
    fields = {**report.manifest, "model": model_of(report.manifest)}
    archive = OpenedArchive(fields, tuple(samples.file(entry) for entry in report.files))
    yield from missing_files(fields, {entry.path for entry in report.files})
    named = ProblemList()
    if archive.name:
        check_model_name(archive.name, named)
    for problem in (*named, *run_checks(archive)):
        # A plan's checks name the flag that a value came from, which for an archive is its manifest.
        yield problem.replace(path=MANIFEST_PATH) if problem.path.startswith("--") else problem
