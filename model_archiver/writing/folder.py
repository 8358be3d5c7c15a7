"""The folder: the archive's files as they are, for servers and platforms that take one."""

from __future__ import annotations

import errno
import os

from model_archiver.core.entries import mode
from model_archiver.core.problems import ModelArchiverError, Problem
from model_archiver.core.report import ArchiveEntry
from model_archiver.core.sums import sha256
from model_archiver.writing.copying import copy, file_sha256
from model_archiver.writing.destination import ArchiveWriter
from model_archiver.writing.os_calls import OutputFile, sync_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path, PurePosixPath

    from model_archiver.core.plan import FileSource
    from model_archiver.writing.deflate import Workers

_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}
"""Another file system, somebody else's file, too many links, or a file system without them."""


class FolderWriter(ArchiveWriter):
    """Writes a folder."""

    def __init__(self, path: Path, workers: Workers, *, link: bool) -> None:
        """Make an empty folder.

        Args:
            path: of the folder, which does not exist yet.
            workers: hash.
            link: make hard links to the sources instead of copies.
        """
        path.mkdir()
        self._root = path
        self._folders: set[PurePosixPath] = set()
        self._link = link
        self._workers = workers

    def add(self, path: PurePosixPath, source: FileSource) -> ArchiveEntry:
        """Write a file."""
        if self._link:
            self._make_link(path, source)
            work = self._workers.hashing.submit(file_sha256, source, self._workers)
            with self._workers.settling(work):
                digest = self._workers.result(work)
            self._workers.progress(source.size)
        else:
            with OutputFile(self._place(path), mode(executable=source.executable)) as output:
                digest = copy(source, output, self._workers)
        return ArchiveEntry(path, source.size, source.size, digest)

    def add_text(self, path: PurePosixPath, text: str) -> ArchiveEntry:
        """Write a text, as UTF-8."""
        data = text.encode()
        self._place(path).write_bytes(data)
        return ArchiveEntry(path, len(data), len(data), sha256(data))

    def _make_link(self, path: PurePosixPath, source: FileSource) -> None:
        try:
            os.link(os.path.realpath(source.path), self._place(path))
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            message = f"no hard link to it can be made from there: {error.strerror}"
            problem = Problem("error", "link-impossible", message, "leave out --link", str(source.path))
            raise ModelArchiverError(problems=[problem]) from error

    def finish(self) -> None:
        """Flush the tree."""
        sync_tree(self._root)

    def close(self) -> None:
        """Do nothing: each file is closed when it is written."""

    def _place(self, path: PurePosixPath) -> Path:
        if path.parent not in self._folders:
            (self._root / path.parent).mkdir(parents=True, exist_ok=True)
            self._folders.add(path.parent)
        return self._root / path
