"""The nouns of an archive that is read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from model_archiver.archive_format import ArchiveFormat
from model_archiver.issue import Issue
from model_archiver.model_archiver_error import ModelArchiverError
from model_archiver.planning.findings import Findings
from model_archiver.progress import Progress
from model_archiver.reading.allowance import Allowance
from model_archiver.report import Entry

AGAIN = "get the archive again, or package the model again"
"""What to do about an archive that is not as it was made."""


class DamageError(ModelArchiverError):
    """A member, or a part of the archive, that cannot be read as it stands there."""

    def __init__(self, code: str, message: str, hint: str = "", *, path: str = "") -> None:
        super().__init__(issues=[Issue("error", code, message, hint, path)])


@dataclass(frozen=True)
class Reading:
    """One reading of an archive.

    Attributes:
        findings: takes what is wrong.
        allowance: how much it may unpack.
        progress: is told of each stretch of the archive.
    """

    findings: Findings
    allowance: Allowance
    progress: Progress


@dataclass
class FoundMember:
    """A file that was met in an archive.

    Attributes:
        name: as it is written there.
        path: where that lies in the model's folder.
        executable: whether its owner may execute it.
        content: its bytes, to be read to their end before the next member is asked for; raises `DamageError`.
        packed: the bytes it takes in the archive, right when the content was read; None where they cannot be told.
    """

    name: str
    path: PurePosixPath
    executable: bool
    content: Iterator[bytes]
    packed: int | None = None


@dataclass
class Content:
    """What an archive holds.

    Attributes:
        entries: the files, in the order in which they stand there.
        texts: the bytes of the files of MAR-INF that tell of the others, by path.
        is_complete: nothing kept the reading from its end.
    """

    entries: list[Entry] = field(default_factory=list)
    texts: dict[PurePosixPath, bytes] = field(default_factory=dict)
    is_complete: bool = True


class Archive(Protocol):
    """An archive of one format, open for reading."""

    @property
    def path(self) -> Path:
        """Where it lies."""

    @property
    def archive_format(self) -> ArchiveFormat:
        """Its form."""

    @property
    def size(self) -> int:
        """Its size in bytes; of a folder, that of its files."""

    def members(self, reading: Reading) -> Iterator[FoundMember]:
        """The files, front to back; what is wrong with the archive's structure goes to the findings.

        Raises:
            TooLargeError: it unpacks to more than it may.
        """

    def glance(self, reading: Reading) -> Content | None:
        """What can be known without reading every file, whose sums are then None; None where nothing can.

        Raises:
            TooLargeError: as `members`.
        """
