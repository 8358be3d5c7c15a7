"""The folder: the archive's files as they are, for servers and platforms that take one."""

from __future__ import annotations

import errno
import os
from pathlib import Path, PurePosixPath

from model_archiver.formats.copying import copy
from model_archiver.formats.digests import file_sha256, sha256
from model_archiver.formats.kernel import sync_tree
from model_archiver.formats.output import OutputFile
from model_archiver.formats.workers import Workers
from model_archiver.formats.writer import ArchiveWriter
from model_archiver.issue import Issue
from model_archiver.model_archiver_error import ModelArchiverError
from model_archiver.planning.source import FileSource
from model_archiver.report import Entry
from model_archiver.reproducible import mode

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

    def add(self, path: PurePosixPath, source: FileSource) -> Entry:
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
        return Entry(path, source.size, source.size, digest)

    def add_text(self, path: PurePosixPath, text: str) -> Entry:
        """Write a text, as UTF-8."""
        data = text.encode()
        self._place(path).write_bytes(data)
        return Entry(path, len(data), len(data), sha256(data))

    def _make_link(self, path: PurePosixPath, source: FileSource) -> None:
        try:
            os.link(os.path.realpath(source.path), self._place(path))
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            message = f"no hard link to it can be made from there: {error.strerror}"
            issue = Issue("error", "link-impossible", message, "leave out --link", str(source.path))
            raise ModelArchiverError(issues=[issue]) from error

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
