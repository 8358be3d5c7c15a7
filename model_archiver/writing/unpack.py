"""Writing the files of an archive to a private folder."""

from __future__ import annotations

from functools import partial

from model_archiver.core.entries import mode
from model_archiver.core.problems import error
from model_archiver.reading.archive import ReadContext
from model_archiver.reading.content import read_content
from model_archiver.writing.os_calls import OutputFile, make_folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from model_archiver.core.report import ArchiveReport
    from model_archiver.core.running import Progress
    from model_archiver.reading.archive import Archive, FoundMember


def unpack(archive: Archive, report: ArchiveReport, folder: Path, max_size: int | None, progress: Progress) -> None:
    """Unpack an archive that was read and checked before, as the report says; of two files with one path, the last.

    Raises:
        ModelArchiverError: it has changed since.
        OSError: a file cannot be written.
    """
    written = read_content(archive, ReadContext(archive, max_size, progress), partial(_write, folder))
    if tuple(written.entries) != report.files:
        hint = "try again when nothing writes to it any more"
        raise error("file-changed", "changed while it was unpacked", hint, report.path)


def _write(folder: Path, member: FoundMember, blocks: Iterable[bytes]) -> None:
    target = folder / member.path
    make_folders(target.parent)
    target.unlink(missing_ok=True)
    with OutputFile(target, mode(executable=member.executable)) as output:
        for block in blocks:
            output.write(block)
