"""Where a member's bytes come from: a file that must stay as it is while it is read."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from model_archiver.issue import FILE_MISSING, Issue
from model_archiver.model_archiver_error import MissingInputError, ModelArchiverError


@dataclass(frozen=True)
class FileSource:
    """A regular file, as it was found when the build was planned.

    Attributes:
        path: where it lies.
        size: in bytes.
        modified: time of the last change, in nanoseconds.
        identity: device and inode.
        executable: whether its owner may execute it.
    """

    path: Path
    size: int
    modified: int
    identity: tuple[int, int]
    executable: bool

    @classmethod
    def from_stat(cls, path: Path, status: os.stat_result) -> FileSource:
        """The source at a path whose status, links followed, is known."""
        executable = bool(status.st_mode & stat.S_IXUSR)
        return cls(path, status.st_size, status.st_mtime_ns, (status.st_dev, status.st_ino), executable)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The file, open for reading; whoever reads it reads all of it before the block ends.

        Raises:
            MissingInputError: it is gone.
            ModelArchiverError: it is not what it was when the build was planned, or it changed while it was read.
        """
        try:
            file = open(self.path, "rb", buffering=0, opener=_open_at_once)  # noqa: SIM115 - Path has no opener
        except FileNotFoundError:
            raise MissingInputError(issues=[self._issue(FILE_MISSING, "vanished while it was read")]) from None
        with file:
            self._check_unchanged(file)
            yield file
            self._check_unchanged(file)

    def _check_unchanged(self, file: BinaryIO) -> None:
        # The right to execute does not count: Windows tells it by the name, and knows none of an open file.
        if replace(FileSource.from_stat(self.path, os.fstat(file.fileno())), executable=self.executable) != self:
            raise ModelArchiverError(issues=[self._issue("file-changed", "changed while it was read")])

    def cut_short(self) -> ModelArchiverError:
        """The error of a reader that met the end of the file before its size."""
        return ModelArchiverError(issues=[self._issue("file-changed", "became shorter while it was read")])

    def _issue(self, code: str, message: str) -> Issue:
        return Issue("error", code, message, "try again when nothing writes to it any more", str(self.path))


def _open_at_once(path: str, flags: int) -> int:
    """Open without waiting, as would be done for a pipe that took the file's place."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
