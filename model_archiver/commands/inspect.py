"""``inspect`` and ``verify``: what an archive is, what it contains, and whether it would serve."""

from __future__ import annotations

from pathlib import PurePosixPath

from model_archiver.checks import run_checks
from model_archiver.core.codes import ignored_codes
from model_archiver.core.entries import check_model_name
from model_archiver.core.manifest import MANIFEST_PATH, SUMS_PATH, model_of
from model_archiver.core.problems import Problem, ProblemList
from model_archiver.core.running import add_total, no_progress
from model_archiver.core.sums import read_sums
from model_archiver.reading.archive import Archive, Content, ReadContext, TooLargeError
from model_archiver.reading.content import FileSamples, read_content
from model_archiver.reading.opening import (
    OpenedArchive,
    add_recorded_sums,
    check_sums,
    missing_files,
    open_archive,
    report_of,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from model_archiver.core.report import ArchiveReport
    from model_archiver.core.request import StrPath
    from model_archiver.core.running import Progress


def inspect(archive: StrPath, *, max_size: int | None = None, progress: Progress = no_progress) -> ArchiveReport:
    """Return what an archive is and contains, with the problems that are found while reading as little as possible.

    If its central directory shows a ``.mar`` as this package writes it, its recorded checksums are trusted; `verify`
    checks them.

    Args:
        archive: a ``.mar``, a ``.tar.gz`` or a model folder.
        max_size: how much it may unpack to, in bytes; None means 1 GiB or 100 times its size.
        progress: is called with the size of each block that was read.

    Raises:
        ModelArchiverError: it is not an archive, or it must be unpacked and is larger than the limit.
    """
    opened = open_archive(archive)
    context = ReadContext(opened, max_size, progress)
    content = opened.read_index(context)
    if content is None or not add_recorded_sums(content):
        add_total(progress, opened.size)
        content = read_content(opened, context)
    return report_of(opened, content, context.problems)


def verify(
    archive: StrPath,
    *,
    strict: bool = False,
    ignore: str | Sequence[str] = (),
    max_size: int | None = None,
    progress: Progress = no_progress,
) -> ArchiveReport:
    """Read all of an archive, front to back as servers do, and return what it is and everything that is wrong with it.

    It would serve if none of the problems is an error.

    Args:
        archive: a ``.mar``, a ``.tar.gz`` or a model folder.
        strict: report warnings as errors.
        ignore: codes of warnings to ignore; each string may be a comma-separated list of them.
        max_size: how much it may unpack to, in bytes; None means 1 GiB or 100 times its size.
        progress: is called with the size of each block that was read.

    Raises:
        ModelArchiverError: it cannot be read at all.
    """
    kept = ProblemList(ignored_codes(ignore))
    report, _, _ = read_and_check(archive, max_size, progress)
    kept.extend(report.problems)
    problems = tuple(problem.replace(level="error") if strict else problem for problem in kept)
    return report.replace(problems=problems, ignored=kept.ignored)


def read_and_check(
    archive: StrPath, max_size: int | None, progress: Progress
) -> tuple[ArchiveReport, Archive, OpenedArchive]:
    """Return what `verify` does, the archive, and what the checks see of it."""
    opened = open_archive(archive)
    context = ReadContext(opened, max_size, progress)
    add_total(progress, opened.size)
    samples = FileSamples()
    try:
        content = read_content(opened, context, samples)
    except TooLargeError as too_large:
        context.problems.extend(too_large.problems)
        content = Content([], {}, is_complete=False)
    report = report_of(opened, content, context.problems)
    problems = [*report.problems, *check_sums(content, opened.archive_format)]
    recorded = {line[0] for line in read_sums(content.metadata.get(PurePosixPath(SUMS_PATH), b"")) if line}
    compared = sum(entry.path in recorded for entry in content.entries)
    del recorded  # there may be very many
    fields = {**report.manifest, "model": model_of(report.manifest)}
    checked = OpenedArchive(fields, tuple(samples.file(entry) for entry in report.files))
    problems += _served_problems(checked) if report.manifest else ()
    return report.replace(problems=tuple(problems), checksums_compared=compared), opened, checked


def _served_problems(archive: OpenedArchive) -> Iterator[Problem]:
    """Yield what the manifest and the checks show."""
    yield from missing_files(archive.fields, {member.path for member in archive.members})
    problems = ProblemList()
    if archive.name:
        check_model_name(archive.name, problems)
    for problem in (*problems, *run_checks(archive)):
        # In a plan, problems name the flag that a value came from. In an archive it came from the manifest.
        yield problem.replace(path=MANIFEST_PATH) if problem.path.startswith("--") else problem
