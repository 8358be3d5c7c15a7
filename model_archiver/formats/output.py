"""The file under construction."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from model_archiver.formats.kernel import start_writing_back

_BUFFER = 1 << 20
_STRETCH = 1 << 24


class OutputFile:
    """A new file that the disk is kept busy with while it is written.

    Attributes:
        file: the file, buffered.
    """

    def __init__(self, path: Path, mode: int = 0o644) -> None:
        """Make it.

        Args:
            path: of a file that does not exist yet.
            mode: its permissions; the right to write is given to whom the user's umask does not keep from it.
        """
        descriptor = os.open(path, _NEW, mode | _ALL_MAY_WRITE)
        self.file: BinaryIO = os.fdopen(descriptor, "wb", buffering=_BUFFER)
        self._begun = 0

    def __enter__(self) -> OutputFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        self.file.close()

    def sync(self) -> None:
        """Wait until the disk has everything."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def write(self, data: bytes) -> None:
        """Add some bytes at the end."""
        self.file.write(data)
        self.write_back()

    def write_back(self) -> None:
        """Have the disk begin with what was added since, if that is a good deal."""
        end = self.file.tell()
        if end - self._begun >= _STRETCH:
            self.file.flush()
            start_writing_back(self.file.fileno(), self._begun, end - self._begun)
            self._begun = end


_ALL_MAY_WRITE = 0o022
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
