"""What an archive holds: one that was written, or one that was read."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from model_archiver.archive_format import ArchiveFormat
from model_archiver.issue import Issue


@dataclass(frozen=True)
class Entry:
    """A file of an archive.

    Attributes:
        path: where it lies in the archive.
        size: in bytes, unpacked.
        packed: the bytes it takes in the archive; None where they cannot be told apart (tar.gz).
        sha256: of its content, as hexadecimal digits; None where it could not be read to its end.
        crc32: what the archive says of its content, where `sha256` is only what the archive says too; else None.
    """

    path: PurePosixPath
    size: int
    packed: int | None
    sha256: str | None
    crc32: int | None = field(default=None, compare=False)

    @classmethod
    def of_text(cls, path: PurePosixPath, text: str) -> Entry:
        """The entry of a text that is stored as UTF-8."""
        data = text.encode()
        return cls(path, len(data), len(data), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True)
class ArchiveReport:
    """An archive: a finished build, or one that was read.

    Attributes:
        path: the archive or folder.
        archive_format: its form.
        size: its size in bytes; of a folder, that of its files.
        digest: the identity of the content, ``sha256:...``; None for a build in place, which reads no file, and for
            an archive with a file, or a manifest, that could not be read.
        manifest: the manifest's fields; empty where it could not be read.
        entries: the files, in the order in which they stand in the archive.
        left_out: how many files of walked folders were not packed.
        issues: what was found: of a build the warnings, of an archive that was read the errors too.
        companions: what a platform wants beside the archive, and was written there.
    """

    path: Path
    archive_format: ArchiveFormat
    size: int
    digest: str | None
    manifest: dict[str, Any]
    entries: tuple[Entry, ...]
    left_out: int = 0
    issues: tuple[Issue, ...] = ()
    companions: tuple[Path, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether nothing worse than warnings was found."""
        return all(issue.level != "error" for issue in self.issues)

    @property
    def unpacked(self) -> int:
        """The bytes of all files."""
        return sum(entry.size for entry in self.entries)
