"""What an archive holds: one that was written, or one that was read."""

from __future__ import annotations

from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path, PurePosixPath
    from typing import Any, Literal, TypeAlias

    from model_archiver.core.problems import Problem
    from model_archiver.core.request import ArchiveFormat

Layout: TypeAlias = "Literal['sagemaker']"


class ArchiveEntry(Record):
    """A file of an archive.

    Attributes:
        path: the path in the archive.
        size: the bytes of its content, uncompressed.
        compressed_size: the bytes that it takes in the archive; None where they cannot be known (tar.gz).
        sha256: the SHA-256 of its content, as hexadecimal digits; None where it could not be read to its end.
    """

    path: PurePosixPath
    size: int
    compressed_size: int | None
    sha256: str | None


class ArchiveReport(Record):
    """An archive: a finished build, or one that was read.

    Attributes:
        path: the path of the archive or folder.
        archive_format: the format of the archive.
        size: the bytes of the archive; of a folder, those of its files.
        digest: the digest, ``sha256:...``; None for a build in place, and where a file or the manifest is not readable.
        manifest: the fields of the manifest; empty where it could not be read.
        files: the files, in the order of the archive.
        excluded: how many files and folders of walked folders were not packed.
        problems: the warnings of a build; the errors and warnings of an archive that was read.
        sidecars: the files that a platform needs next to the archive.
        checksums_compared: how many files `verify` compared with their sums; None if nothing was compared.
        layout: ``sagemaker`` for a tar without a top folder, which only SageMaker serves; else None.
        ignored: how many warnings `--ignore` left out of the problems.
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
        """Whether none of the problems is an error."""
        return all(problem.level != "error" for problem in self.problems)

    @property
    def unpacked_size(self) -> int:
        """The bytes of all files, uncompressed."""
        return sum(entry.size for entry in self.files)
