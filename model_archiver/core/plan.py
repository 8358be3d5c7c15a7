"""The data types of a planned build: data only, so that it can be printed, checked or written."""

from __future__ import annotations

import errno
import io
import json
import os
import stat
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path, PurePosixPath

from model_archiver.core.manifest import SAMPLES_PATH
from model_archiver.core.problems import FILE_MISSING, ModelArchiverError, error
from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from model_archiver.core.request import ArchiveFormat, Deflate, Server


class FileSource(Record):
    """A regular file, as it was found when the build was planned."""

    path: Path
    size: int  # in bytes
    modified: int  # time of the last change, in nanoseconds
    identity: tuple[int, int]  # device and inode
    executable: bool  # whether its owner may execute it

    @classmethod
    def from_stat(cls, path: Path, status: os.stat_result) -> FileSource:
        """Return the source at a path whose status, links followed, is known."""
        executable = bool(status.st_mode & stat.S_IXUSR)
        return cls(path, status.st_size, status.st_mtime_ns, (status.st_dev, status.st_ino), executable)

    @contextmanager
    def open(self) -> Iterator[io.FileIO]:
        """Open the file for reading; whoever reads it reads all of it before the context ends.

        Raise an error if it no longer exists, or if it changed since the build was planned, or while it was read.
        """
        try:
            file = open(self.path, "rb", buffering=0, opener=_open_without_waiting)  # noqa: SIM115 - Path has no opener
        except FileNotFoundError:
            raise self._error(FILE_MISSING, "disappeared while it was read") from None
        try:
            with file:
                self._check_unchanged(file)
                yield file
                self._check_unchanged(file)
        except OSError as failure:
            if failure.errno in (errno.EIO, errno.ESTALE):  # of reading: what is written fails when it is flushed
                failure.filename = failure.filename or str(self.path)
            raise

    def truncated(self) -> ModelArchiverError:
        """Return the error of a reader that reached the end of the file before its size."""
        return self._error("file-changed", "became shorter while it was read")

    def _check_unchanged(self, file: io.FileIO) -> None:
        # Without the permission to execute: Windows derives it from the name, which an open file does not have.
        status = os.fstat(file.fileno())
        found = (status.st_size, status.st_mtime_ns, (status.st_dev, status.st_ino))
        if found != (self.size, self.modified, self.identity):
            raise self._error("file-changed", "changed while it was read")

    def _error(self, code: str, message: str) -> ModelArchiverError:
        return error(code, message, "try again when nothing writes to it any more", self.path)


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; if a named pipe has replaced it, do not wait for a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


class Member(Record):
    """One file of the archive to be written."""

    path: PurePosixPath  # in the archive
    source: FileSource
    flag: str  # that named it

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.source.size

    @property
    def display_path(self) -> str:
        """Its source, as the user named it."""
        return str(self.source.path)

    def open(self) -> AbstractContextManager[io.FileIO]:
        """Open its source, as `FileSource.open` does."""
        return self.source.open()


class Target(Record):
    """Where the output goes."""

    path: Path  # of the finished file or folder
    force: bool  # whether it may replace existing output
    in_place: bool = False  # whether it is the model folder itself: only its manifest is written


class Plan(Record):
    """Everything that will be written."""

    name: str  # the model's name
    server: Server
    archive_format: ArchiveFormat
    target: Target
    members: tuple[Member, ...]  # sorted by path
    cases: bytes  # the content of ``MAR-INF/samples.json``; empty without samples
    samples: tuple[Member, ...]  # below ``MAR-INF/samples``, sorted by path
    manifest: str  # the text of ``MAR-INF/MANIFEST.json``
    deflate: Deflate  # which members are deflated; the format may have decided it
    link: bool  # make hard links instead of copies
    jobs: int  # how many cores to use
    notes: tuple[str, ...]  # what was decided because the user did not say, a sentence each
    excluded: int  # how many files and folders of walked folders are not packed
    top: str  # the folder in a tar that holds everything; empty where the platform needs none
    sidecars: tuple[Path, ...]  # the server's configuration, in which the model is entered; at most one
    settings: Mapping[str, int]  # of the model in that configuration

    @cached_property
    def fields(self) -> dict[str, Any]:
        """The manifest's fields."""
        fields: dict[str, Any] = json.loads(self.manifest)
        return fields

    def listing(self) -> Iterator[tuple[PurePosixPath, int, str]]:
        """Yield path in the archive, size in bytes, and flag and source of each file to be packed."""
        for member in (*self.members, *self.samples):
            yield member.path, member.size, f"{member.flag} {member.source.path}"
        if self.cases:  # which are made from the user's file
            yield PurePosixPath(SAMPLES_PATH), len(self.cases), "--samples"

    @property
    def size(self) -> int:
        """The bytes of all members and samples, uncompressed."""
        return sum(member.source.size for member in (*self.members, *self.samples))
