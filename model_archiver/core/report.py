"""What an archive holds: one that was written, or one that was read."""

from __future__ import annotations

from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path, PurePosixPath
    from typing import Any, Literal

    from model_archiver.core.problems import Problem
    from model_archiver.core.request import ArchiveFormat

    Layout = Literal["sagemaker"]


class ArchiveEntry(Record):
    """A file of an archive."""

    path: PurePosixPath  # in the archive
    size: int  # in bytes, uncompressed
    compressed_size: int | None  # the bytes that it takes in the archive; None where they cannot be known (tar.gz)
    sha256: str | None  # of its content, as hexadecimal digits; None where it could not be read to its end


class ArchiveReport(Record):
    """An archive: a finished build, or one that was read."""

    path: Path  # the archive or folder
    archive_format: ArchiveFormat
    size: int  # in bytes; of a folder, that of its files
    digest: str | None  # ``sha256:...``; None for a build in place, and where a file or the manifest is not readable
    manifest: dict[str, Any]  # its fields; empty where it could not be read
    files: tuple[ArchiveEntry, ...]  # in the order of the archive
    excluded: int = 0  # how many files and folders of walked folders were not packed
    problems: tuple[Problem, ...] = ()  # of a build the warnings, of an archive that was read the errors too
    sidecars: tuple[Path, ...] = ()  # the files that a platform needs next to the archive
    checksums_compared: int | None = None  # how many files `verify` compared with their sums; None where not asked
    layout: Layout | None = None  # ``sagemaker`` for a tar without a top folder, which only SageMaker serves
    ignored: int = 0  # how many warnings `--ignore` left out of the problems

    @property
    def is_ok(self) -> bool:
        """Whether it has only warnings, or nothing wrong."""
        return all(problem.level != "error" for problem in self.problems)

    @property
    def unpacked_size(self) -> int:
        """The bytes of all files, uncompressed."""
        return sum(entry.size for entry in self.files)
