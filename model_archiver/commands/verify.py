"""``verify``: whether an archive is whole and would serve."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from model_archiver.checks import run_checks
from model_archiver.issue import Issue
from model_archiver.manifest_components.manifest import MANIFEST_PATH
from model_archiver.model_archiver_config import StrPath
from model_archiver.planning.findings import Findings
from model_archiver.planning.names import check_model_name
from model_archiver.progress import Progress, expect, silent
from model_archiver.reading.allowance import Allowance, TooLargeError
from model_archiver.reading.archive import Archive, Content, Reading
from model_archiver.reading.content import read_content
from model_archiver.reading.excerpts import Excerpts
from model_archiver.reading.manifest import missing_files, model_of
from model_archiver.reading.opened import OpenedArchive, check_sums, report_of
from model_archiver.reading.opening import open_archive
from model_archiver.report import ArchiveReport


def verify(
    archive: StrPath, *, strict: bool = False, max_size: int | None = None, progress: Progress = silent
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
    findings = Findings()
    expect(progress, opened.size)
    excerpts = Excerpts()
    content = _read(opened, Reading(findings, Allowance(opened.path, opened.size, max_size), progress), excerpts)
    report = report_of(opened, content, findings.issues)
    issues = [*report.issues, *check_sums(content, opened.archive_format), *_served(report, excerpts)]
    return replace(report, issues=tuple(replace(issue, level="error") if strict else issue for issue in issues))


def _read(opened: Archive, reading: Reading, excerpts: Excerpts) -> Content:
    try:
        return read_content(opened, reading, excerpts)
    except TooLargeError as error:
        reading.findings.extend(error.issues)
        return Content(is_complete=False)


def _served(report: ArchiveReport, excerpts: Excerpts) -> Iterator[Issue]:
    """What the server would stumble over in the content, as far as the manifest can be read."""
    if not report.manifest:
        return
    fields = {**report.manifest, "model": model_of(report.manifest)}
    archive = OpenedArchive(fields, tuple(excerpts.file(entry) for entry in report.entries))
    yield from missing_files(fields, {entry.path for entry in report.entries})
    named = Findings()
    if archive.name:
        check_model_name(archive.name, named)
    for issue in (*named.issues, *run_checks(archive)):
        # A plan's checks name the flag that a value came from, which for an archive is its manifest.
        yield replace(issue, path=MANIFEST_PATH) if issue.path.startswith("--") else issue
