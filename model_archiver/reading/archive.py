"""What all archive formats share: the interface of an archive, access to its file, and the limit on unpacking."""

from __future__ import annotations

import io
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from model_archiver.core.plan import FileSource
from model_archiver.core.problems import ModelArchiverError, Problem, ProblemList, as_error
from model_archiver.core.record import Record
from model_archiver.core.report import ArchiveEntry, Layout
from model_archiver.core.request import ArchiveFormat
from model_archiver.core.running import Progress
from model_archiver.core.text import human_size

BLOCK_SIZE = 1 << 18  # bytes that are read, and unpacked, at a time
FETCH_AGAIN = "download or copy the archive again, or package the model again"
REPACK = "package the model again"

_ALWAYS_ALLOWED = 1 << 30
_MOST_EXPANSION = 100
_MOST_MEMBERS = 500_000  # each takes up to 1 KB of memory
_READ_AHEAD = 1 << 16
_RAW_DEFLATE = -15


class Archive(ABC):
    """An archive of one format. A new format is a new class with these members, and a line in `open_archive`."""

    path: Path
    archive_format: ArchiveFormat
    size: int  # in bytes; of a folder, the sum of its files
    layout: Layout | None = None  # where its paths are not those of TorchServe

    def __init__(self, source: FileSource) -> None:
        self.path = source.path
        self.size = source.size
        self._source = source

    @abstractmethod
    def members(self, context: ReadContext) -> Iterator[FoundMember]:
        """Yield the files, front to back; add what is wrong with the structure to the problems."""

    def read_index(self, context: ReadContext) -> Content | None:  # noqa: ARG002 - most formats have no index
        """Return what is known without reading every file: no checksums; None if nothing is known."""
        return None


class OtherLayoutError(ModelArchiverError):
    """The paths so far are wrong, because the archive has another layout: it must be read again from its start."""


class TooLargeError(ModelArchiverError):
    """The archive unpacks to more than the limit."""


class DamageError(ModelArchiverError):
    """A member, or a part of the archive, cannot be read."""

    def __init__(self, code: str, message: str, hint: str = FETCH_AGAIN, *, path: str = "") -> None:
        super().__init__(problems=[Problem("error", code, message, hint, path)])


class ReadContext:
    """What one reading of an archive uses: what collects its problems, its progress, and what it may unpack to.

    That is 1 GiB or 100 times the archive's size, whichever is more, or what the user allows.
    """

    def __init__(self, archive: Archive, max_size: int | None, progress: Progress) -> None:
        self._archive = archive
        self._limit = max(_ALWAYS_ALLOWED, _MOST_EXPANSION * archive.size) if max_size is None else max_size
        self._progress = progress
        self._reported = 0  # bytes of the archive
        self.restart()

    def restart(self) -> None:
        """Forget what was read."""
        self.problems = ProblemList()
        self._position = 0  # in the archive, in bytes
        self._consumed = 0  # bytes that were unpacked

    def progress(self, count: int) -> None:
        """Report bytes of the archive that were read, but not a second time."""
        self._position += count
        if self._position > self._reported:
            new, self._reported = self._position - self._reported, self._position
            self._progress(new)

    def finish(self) -> None:
        """Report the bytes of the archive that remain: its headers, and what follows damage."""
        self.progress(self._archive.size - self._position)

    def reserve(self, size: int) -> None:
        """Raise TooLargeError if so many more bytes would exceed the limit."""
        total = self._consumed + size
        if total > self._limit:
            message = f"unpacks to {human_size(total)} or more, but the limit is {human_size(self._limit)}"
            raise self._error(message, "if you trust the archive, raise the limit with --max-size")

    def check_members(self, count: int) -> None:
        """Raise TooLargeError if so many files and folders take too much memory."""
        if count > _MOST_MEMBERS:
            message = f"has too many files and folders; the limit is {_MOST_MEMBERS:,}, or fewer if names are long"
            raise self._error(message, "pack many small files as one, such as a zip")

    def _error(self, message: str, hint: str) -> TooLargeError:
        return TooLargeError(problems=[Problem("error", "unpacked-too-large", message, hint, str(self._archive.path))])

    def consume(self, size: int) -> None:
        """Count bytes that were unpacked; raise TooLargeError if they exceed the limit."""
        self.reserve(size)
        self._consumed += size


class FoundMember(Record, frozen=False):
    """A file, or a folder, that was found in an archive."""

    name: str  # as the archive writes it; that of a folder ends with a slash
    path: PurePosixPath  # in the model's folder
    blocks: Iterator[bytes]  # to be read to their end before the next member is requested; may raise DamageError
    executable: bool = False  # by its owner
    compressed_size: int | None = None  # once all blocks were read; None if unknown


class Content(Record, frozen=False):
    """What an archive contains."""

    entries: list[ArchiveEntry]  # the files, in the order of the archive
    metadata: dict[PurePosixPath, bytes]  # the manifest and the sums file, by path
    is_complete: bool = True  # whether everything was read


class ArchiveFile:
    """A file of `size` bytes that is read at several places."""

    def __init__(self, file: io.FileIO, size: int, progress: Progress) -> None:
        self.size = size
        self._file = file
        self._progress = progress
        self._window = b""
        self._window_start = 0

    def read_at(self, offset: int, count: int) -> bytes:
        """Return `count` bytes, or fewer at the end of the file; it reads ahead, for the next call."""
        begin = offset - self._window_start
        if begin < 0 or begin + count > len(self._window):
            self._window = self._read(offset, max(count, _READ_AHEAD))
            self._window_start = offset
            begin = 0
        return self._window[begin : begin + count]

    def iter_range(self, start: int, end: int) -> Iterator[bytes]:
        """Yield the bytes from `start` to `end`, block by block."""
        while start < end:
            block = self._read(start, min(BLOCK_SIZE, end - start))
            if not block:
                return
            start += len(block)
            self._progress(len(block))
            yield block

    def _read(self, offset: int, count: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(count)


@contextmanager
def open_source(source: FileSource, progress: Progress) -> Iterator[ArchiveFile]:
    """Open the file of an archive; raise ModelArchiverError if it cannot be read, or changes before it is closed."""
    with convert_os_errors(source.path), source.open() as file:
        yield ArchiveFile(file, source.size, progress)


@contextmanager
def convert_os_errors(path: object) -> Iterator[None]:
    """Raise an OSError about an archive as a ModelArchiverError."""
    try:
        yield
    except OSError as failure:
        raise as_error(failure, path) from failure


class DeflatedRange:
    """A deflate stream (RFC 1951) that begins at one place of a file and must end before another."""

    def __init__(self, file: ArchiveFile, start: int, limit: int) -> None:
        self.end = start  # where the stream ends, once all of it was read
        self._blocks = file.iter_range(start, limit)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the unpacked bytes; raise DamageError if the stream is damaged or does not end before the limit."""
        inflater = zlib.decompressobj(_RAW_DEFLATE)
        while not inflater.eof:
            data = inflater.unconsumed_tail
            if not data:
                data = next(self._blocks, b"")
                self.end += len(data)
            try:
                unpacked = inflater.decompress(data, BLOCK_SIZE)
            except zlib.error as failure:
                raise DamageError("entry-damaged", f"the compressed data is damaged ({failure})") from None
            if unpacked:
                yield unpacked
            elif not data and not inflater.eof:
                raise DamageError("entry-damaged", "the compressed data is incomplete")
        self.end -= len(inflater.unused_data)
