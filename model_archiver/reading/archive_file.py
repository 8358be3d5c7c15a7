"""The one file that an archive is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from model_archiver.issue import Issue
from model_archiver.model_archiver_error import ModelArchiverError
from model_archiver.planning.source import FileSource
from model_archiver.progress import Progress

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

    def stretch(self, start: int, end: int) -> Iterator[bytes]:
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
        issue = Issue("error", "file-unreadable", message, "check the path and its rights", str(path))
        raise ModelArchiverError(issues=[issue]) from error
