"""The ``.tar.gz`` file: a tar with everything below one folder, in one gzip member.

TorchServe drops everything up to the first slash of a member's name, and takes the second of several gzip members for
the end of a truncated archive.
"""

from __future__ import annotations

import hashlib
import struct
import tarfile
from pathlib import PurePosixPath

from model_archiver.core.entries import TIME, mode
from model_archiver.core.report import ArchiveEntry
from model_archiver.core.sums import sha256
from model_archiver.writing.copying import SMALL, read_blocks
from model_archiver.writing.deflate import DeflateStream
from model_archiver.writing.destination import ArchiveWriter
from model_archiver.writing.os_calls import OutputFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from model_archiver.core.plan import FileSource
    from model_archiver.writing.deflate import Workers

_GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # deflate, no name, no time, unknown system


class TgzWriter(ArchiveWriter):
    """Writes a gzipped tar file."""

    def __init__(self, path: Path, top: str, workers: Workers) -> None:
        """Make an empty archive.

        Args:
            path: of a file that does not exist yet.
            top: the name of the folder that holds everything; empty for none.
            workers: deflate and hash.
        """
        self._output = OutputFile(path)
        self._output.write(_GZIP_HEADER)
        self._top = PurePosixPath(top)
        self._workers = workers
        self._stream = DeflateStream(self._output.write, workers)
        self._size = 0

    def add(self, path: PurePosixPath, source: FileSource) -> ArchiveEntry:
        """Write a file."""
        digest = hashlib.sha256()
        self._begin(path, source.size, executable=source.executable)
        for block in read_blocks(source, self._workers):
            if source.size <= SMALL:
                digest.update(block)
            else:
                self._workers.hash_later(digest.update, block)
            self._write(block)
        self._pad(tarfile.BLOCKSIZE)
        self._workers.hashed()
        return ArchiveEntry(path, source.size, None, digest.hexdigest())

    def add_text(self, path: PurePosixPath, text: str) -> ArchiveEntry:
        """Write a text, as UTF-8."""
        data = text.encode()
        self._begin(path, len(data), executable=False)
        self._write(data)
        self._pad(tarfile.BLOCKSIZE)
        return ArchiveEntry(path, len(data), None, sha256(data))

    def finish(self) -> None:
        """Write the ends of the tar and of the gzip member."""
        self._write(bytes(2 * tarfile.BLOCKSIZE))
        self._pad(tarfile.RECORDSIZE)
        self._stream.finish()
        self._output.write(struct.pack("<2L", self._stream.crc32, self._size & 0xFFFFFFFF))
        self._output.sync()

    def close(self) -> None:
        """Let go of the file."""
        self._output.close()

    def _begin(self, path: PurePosixPath, size: int, *, executable: bool) -> None:
        info = tarfile.TarInfo(str(self._top / path))
        info.size = size
        info.mtime = TIME
        info.mode = mode(executable=executable)
        self._write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "strict"))

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._size += len(data)

    def _pad(self, unit: int) -> None:
        self._write(bytes(-self._size % unit))
