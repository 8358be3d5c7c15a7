"""``inspect``: what an archive is, and what it holds."""

from __future__ import annotations

from model_archiver.model_archiver_config import StrPath
from model_archiver.planning.findings import Findings
from model_archiver.progress import Progress, expect, silent
from model_archiver.reading.allowance import Allowance
from model_archiver.reading.archive import Reading
from model_archiver.reading.content import are_well_named, read_content
from model_archiver.reading.opened import report_of, with_recorded_sums
from model_archiver.reading.opening import open_archive
from model_archiver.report import ArchiveReport


def inspect(archive: StrPath, *, max_size: int | None = None, progress: Progress = silent) -> ArchiveReport:
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


def inspected(
    archive: StrPath, max_size: int | None, progress: Progress, *, believes_sums: bool = True
) -> ArchiveReport:
    """As `inspect`; recorded sums are believed only where that is said."""
    opened = open_archive(archive)
    findings = Findings()
    reading = Reading(findings, Allowance(opened.path, opened.size, max_size), progress)
    listed = opened.glance(reading) if believes_sums else None
    content = with_recorded_sums(listed) if listed is not None and are_well_named(listed) else None
    if content is None:
        expect(progress, opened.size)
        content = read_content(opened, reading)
    return report_of(opened, content, findings.issues)
