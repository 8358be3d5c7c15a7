"""What is kept of an archive's files while it is read front to back, for the checks to look at afterwards."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

from model_archiver.checks.subject import LARGEST_TEXT, NotKeptError
from model_archiver.reading.archive import FoundMember
from model_archiver.report import Entry

_TEXTS = {".py", ".json", ".yaml", ".yml", ".txt"}
_END = 1 << 20
_ALL = 1 << 26


@dataclass(frozen=True)
class _Kept:
    """The first and the last bytes of a file.

    Attributes:
        head: its first bytes.
        tail: its last ones; empty where `head` is all of it.
        size: of the whole file.
    """

    head: bytes
    tail: bytes
    size: int

    def at(self, offset: int, count: int) -> bytes:
        """A stretch.

        Raises:
            NotKeptError: it was let go.
        """
        end = min(offset + count, self.size)
        if end <= len(self.head):
            return self.head[offset:end]
        start = offset - (self.size - len(self.tail))
        if start < 0:
            raise NotKeptError
        return self.tail[start : start + count]


class Excerpts:
    """A sink that keeps the texts, and both ends of every other file at the root, where weights lie.

    What is kept is bounded, whatever the archive holds: files that come later are then not kept.
    """

    def __init__(self) -> None:
        self._kept: dict[PurePosixPath, _Kept] = {}
        self._left = _ALL

    def __call__(self, member: FoundMember, blocks: Iterable[bytes]) -> None:
        """Keep of a file what is worth it."""
        self._kept.pop(member.path, None)  # of two files at one path the last one is served
        is_text = member.path.suffix in _TEXTS
        most = min(self._left, LARGEST_TEXT if is_text else _END if len(member.path.parts) == 1 else 0)
        head, tail, size = bytearray(), bytearray(), 0
        for block in blocks:
            size += len(block)
            taken = max(0, most - len(head))
            head += block[:taken]
            tail += block[taken:]
            del tail[: max(0, len(tail) - (0 if is_text else most))]
        self._kept[member.path] = _Kept(bytes(head), bytes(tail), size)
        self._left = max(0, self._left - len(head) - len(tail))

    def file(self, entry: Entry) -> KeptFile:
        """A file of the archive, as the checks want it."""
        return KeptFile(entry, self._kept.get(entry.path, _Kept(b"", b"", entry.size)))


@dataclass(frozen=True)
class KeptFile:
    """A file of an archive of which parts were kept.

    Attributes:
        entry: what the archive says of it.
        kept: the parts.
    """

    entry: Entry
    kept: _Kept
    origin: None = None

    @property
    def path(self) -> PurePosixPath:
        """Where it lies inside the archive."""
        return self.entry.path

    @property
    def size(self) -> int:
        """In bytes."""
        return self.entry.size

    @property
    def where(self) -> str:
        """How a person knows it: there is nothing but the archive."""
        return str(self.entry.path)

    def open(self) -> AbstractContextManager[BinaryIO]:
        """What was kept, open for reading from any place."""
        return cast(BinaryIO, _Excerpt(self.kept))


class _Excerpt(io.RawIOBase):
    """The file of which parts were kept."""

    def __init__(self, kept: _Kept) -> None:
        super().__init__()
        self._kept = kept
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._kept.size}[whence]
        if position < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))  # as a file does
        self._position = position
        return self._position

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        stretch = self._kept.at(self._position, len(buffer))
        buffer[: len(stretch)] = stretch
        self._position += len(stretch)
        return len(stretch)
