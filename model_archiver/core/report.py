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
    """A file of an archive.

    Attributes:
        path: its path in the archive.
        size: in bytes, uncompressed.
        compressed_size: the bytes that it takes in the archive; None where they cannot be known (tar.gz).
        sha256: of its content, as hexadecimal digits; None where it could not be read to its end.
    """

    path: PurePosixPath
    size: int
    compressed_size: int | None
    sha256: str | None


class ArchiveReport(Record):
    """An archive: a finished build, or one that was read.

    Attributes:
        path: the archive or folder.
        archive_format: its format.
        size: in bytes; of a folder, that of its files.
        digest: the identity of the content, ``sha256:...``; None for a build in place, which reads no file, and for
            an archive with a file, or a manifest, that could not be read.
        manifest: the manifest's fields; empty where it could not be read.
        files: the entries, in the order of the archive.
        excluded: how many files and folders of walked folders were not packed.
        problems: of a build the warnings, of an archive that was read the errors too.
        sidecars: the files that a platform needs next to the archive.
        layout: ``sagemaker`` for a tar without a top folder, which only SageMaker serves; else None.
        ignored: how many warnings `--ignore` left out of the problems.
        checksums_compared: how many files `verify` compared with MAR-INF/SHA256SUMS; None where it was not asked.
    """

    path: Path
    archive_format: ArchiveFormat
    size: int
    digest: str | None
    manifest: dict[str, Any]
    files: tuple[ArchiveEntry, ...]
    excluded: int = 0
    problems: tuple[Problem, ...] = ()
    sidecars: tuple[Path, ...] = ()
    checksums_compared: int | None = None
    layout: Layout | None = None
    ignored: int = 0

    @property
    def is_ok(self) -> bool:
        """Whether it has only warnings, or nothing wrong."""
        return all(problem.level != "error" for problem in self.problems)

    @property
    def unpacked_size(self) -> int:
        """The bytes of all files, uncompressed."""
        return sum(entry.size for entry in self.files)
