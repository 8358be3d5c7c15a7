"""The nouns of an archive that is read, its file, and the limit of what it may unpack to."""

from __future__ import annotations

import zlib
from contextlib import contextmanager

from model_archiver.core.problems import ModelArchiverError, Problem
from model_archiver.core.record import Record
from model_archiver.core.text import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path, PurePosixPath
    from typing import BinaryIO, Protocol

    from model_archiver.core.plan import FileSource
    from model_archiver.core.problems import ProblemList
    from model_archiver.core.report import ArchiveEntry
    from model_archiver.core.request import ArchiveFormat
    from model_archiver.core.running import Progress

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

        def read_index(self, reading: Reading) -> Content | None:
            """What can be known without reading every file, whose sums are then None; None where nothing can.

            Raises:
                TooLargeError: as `members`.
            """


_HARMLESS = 1 << 30
_RATIO = 100


class TooLargeError(ModelArchiverError):
    """The archive unpacks to more than it may."""


class UnpackLimit:
    """What one reading may unpack: 1 GiB or 100 times the archive's size, whichever is more, or what the user allows."""

    def __init__(self, path: Path, compressed_size: int, max_size: int | None) -> None:
        """Make it.

        Args:
            path: of the archive.
            compressed_size: its size, in bytes.
            max_size: what the user allows, in bytes; None where nothing was said.
        """
        self._limit = max(_HARMLESS, _RATIO * compressed_size) if max_size is None else max_size
        self._path = path
        self._packed = compressed_size
        self._consumed = 0

    def reserve(self, size: int) -> None:
        """What the archive says is still to come, in bytes.

        Raises:
            TooLargeError: with what was unpacked so far, that is too much.
        """
        if self._consumed + size > self._limit:
            raise TooLargeError(problems=[self._problem(self._consumed + size)])

    def consume(self, size: int) -> None:
        """What was unpacked, in bytes.

        Raises:
            TooLargeError: as `claim`.
        """
        self.reserve(size)
        self._consumed += size

    def _problem(self, size: int) -> Problem:
        message = f"unpacks to {human_size(size)} or more, of {human_size(self._packed)}"
        hint = f"if you trust it, allow more than {human_size(self._limit)} with --max-size"
        return Problem("error", "unpacked-too-large", message, hint, str(self._path))


AGAIN = "get the archive again, or package the model again"
"""What to do about an archive that is not as it was made."""


class DamageError(ModelArchiverError):
    """A member, or a part of the archive, that cannot be read as it stands there."""

    def __init__(self, code: str, message: str, hint: str = "", *, path: str = "") -> None:
        super().__init__(problems=[Problem("error", code, message, hint, path)])


class Reading(Record):
    """One reading of an archive.

    Attributes:
        problems: takes what is wrong.
        limit: how much it may unpack.
        progress: is told of each stretch of the archive.
    """

    problems: ProblemList
    limit: UnpackLimit
    progress: Progress


class FoundMember(Record, frozen=False):
    """A file that was met in an archive.

    Attributes:
        name: as it is written there.
        path: where that lies in the model's folder.
        executable: whether its owner may execute it.
        content: its bytes, to be read to their end before the next member is asked for; raises `DamageError`.
        compressed_size: the bytes it takes in the archive, once the content was read; None where unknown.
    """

    name: str
    path: PurePosixPath
    executable: bool
    content: Iterator[bytes]
    compressed_size: int | None = None


class Content:
    """What an archive holds.

    Attributes:
        entries: the files, in the order in which they stand there.
        texts: the bytes of the files of MAR-INF that tell of the others, by path.
        is_complete: nothing kept the reading from its end.
    """

    def __init__(
        self,
        entries: Iterable[ArchiveEntry] = (),
        texts: Mapping[PurePosixPath, bytes] | None = None,
        *,
        is_complete: bool = True,
    ) -> None:
        self.entries = list(entries)
        self.texts = dict(texts or {})
        self.is_complete = is_complete


BLOCK = 1 << 18
"""Bytes that are read, and unpacked, at a time."""

_AHEAD = 1 << 16


class ArchiveFile:
    """A file of which stretches are read.

    Attributes:
        size: in bytes.
    """

    def __init__(self, file: BinaryIO, size: int, progress: Progress) -> None:
        self.size = size
        self._file = file
        self._progress = progress
        self._window = b""
        self._window_start = 0

    def at(self, offset: int, count: int) -> bytes:
        """Some bytes, as many of them as there are; what follows them is likely asked for next."""
        begin = offset - self._window_start
        if begin < 0 or begin + count > len(self._window):
            self._window = self._read(offset, max(count, _AHEAD))
            self._window_start = offset
            begin = 0
        return self._window[begin : begin + count]

    def iter_range(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes from one place to another, block by block."""
        while start < end:
            block = self._read(start, min(BLOCK, end - start))
            if not block:
                return
            start += len(block)
            self._progress(len(block))
            yield block

    def _read(self, offset: int, count: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(count)


@contextmanager
def opened(source: FileSource, progress: Progress) -> Iterator[ArchiveFile]:
    """The file of an archive, which must stay as it is while it is read; as `FileSource.open`.

    Raises:
        ModelArchiverError: the system cannot read it, too.
    """
    with system_errors_told(source.path), source.open() as file:
        yield ArchiveFile(file, source.size, progress)


@contextmanager
def system_errors_told(path: Path) -> Iterator[None]:
    """Tell what the system says about an archive that cannot be read as this package tells its errors."""
    try:
        yield
    except OSError as error:
        if isinstance(error, ModelArchiverError):
            raise
        message = error.strerror or str(error)
        problem = Problem("error", "file-unreadable", message, "check the path and its rights", str(path))
        raise ModelArchiverError(problems=[problem]) from error


_RAW = -15


class DeflatedRange:
    """A deflate stream that begins at one place of a file and ends before another.

    Attributes:
        end: where it ended; right when all of it was read.
    """

    def __init__(self, file: ArchiveFile, start: int, limit: int) -> None:
        self.end = start
        self._start = start
        self._blocks = file.iter_range(start, limit)

    def __iter__(self) -> Iterator[bytes]:
        """What it unpacks to.

        Raises:
            DamageError: it is none, or goes on beyond its limit.
        """
        inflater = zlib.decompressobj(_RAW)
        taken, data, is_full = 0, b"", False
        while not inflater.eof:
            if not data and not is_full:
                data = next(self._blocks, b"")
                taken += len(data)
                if not data:
                    raise DamageError("entry-damaged", "its compressed data does not end where it must", AGAIN)
            try:
                unpacked = inflater.decompress(data, BLOCK)
            except zlib.error as error:
                raise DamageError("entry-damaged", f"its compressed data is damaged ({error})", AGAIN) from None
            data, is_full = inflater.unconsumed_tail, len(unpacked) == BLOCK
            # At the end, what is left is in both of them, or in the first only.
            self.end = self._start + taken - len(inflater.unused_data if inflater.eof else data)
            if unpacked:
                yield unpacked
