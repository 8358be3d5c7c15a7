"""The ``.mar`` file: a zip whose entries are stored, or deflated where that is worth it."""

from __future__ import annotations

import hashlib

from model_archiver.core.entries import DEFLATED, STORED
from model_archiver.core.report import ArchiveEntry
from model_archiver.core.sums import crc32, sha256
from model_archiver.writing.copying import SMALL, copy, file_crc32, read_blocks, read_whole
from model_archiver.writing.deflate import DeflateStream, deflate_whole, is_worth_it, sampled_share
from model_archiver.writing.destination import ArchiveWriter
from model_archiver.writing.os_calls import OutputFile
from model_archiver.writing.zip_records import (
    ZipEntry,
    central_header,
    end_of_directory,
    local_header,
    needs_zip64,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path, PurePosixPath

    from model_archiver.core.plan import FileSource
    from model_archiver.core.request import Deflate
    from model_archiver.writing.deflate import Workers


class MarWriter(ArchiveWriter):
    """Writes a zip file."""

    def __init__(self, path: Path, deflate: Deflate, workers: Workers) -> None:
        """Make an empty archive.

        Args:
            path: of a file that does not exist yet.
            deflate: which entries are deflated.
            workers: deflate and hash.
        """
        self._output = OutputFile(path)
        self._deflate = deflate
        self._workers = workers
        self._entries: list[ZipEntry] = []

    def add(self, path: PurePosixPath, source: FileSource) -> ArchiveEntry:
        """Write a file."""
        if source.size <= SMALL:
            data = read_whole(source)
            self._workers.progress(len(data))
            return self._add_whole(path, data, executable=source.executable)
        deflated = self._is_deflated(source)
        entry = self._begin(path, source, DEFLATED if deflated else STORED)
        compressed_size, checksum, digest = self._deflate_large(source) if deflated else self._store_large(source)
        self._complete(entry.replace(compressed_size=compressed_size, crc32=checksum))
        return ArchiveEntry(path, source.size, compressed_size, digest)

    def add_text(self, path: PurePosixPath, text: str) -> ArchiveEntry:
        """Write a text, as UTF-8."""
        return self._add_whole(path, text.encode(), executable=False)

    def finish(self) -> None:
        """Write the central directory."""
        start = self._output.file.tell()
        for entry in self._entries:
            self._output.write(central_header(entry))
        size = self._output.file.tell() - start
        self._output.write(end_of_directory(len(self._entries), start, size))
        self._output.sync()

    def close(self) -> None:
        """Let go of the file."""
        self._output.close()

    def _add_whole(self, path: PurePosixPath, data: bytes, *, executable: bool) -> ArchiveEntry:
        method, content = self._compressed(data)
        entry = ZipEntry(
            name=str(path),
            executable=executable,
            method=method,
            size=len(data),
            compressed_size=len(content),
            crc32=crc32(data),
            offset=self._output.file.tell(),
            zip64=needs_zip64(len(data)),
        )
        self._output.write(local_header(entry))
        self._output.write(content)
        self._entries.append(entry)
        return ArchiveEntry(path, len(data), len(content), sha256(data))

    def _compressed(self, data: bytes) -> tuple[int, bytes]:
        """A small member's method, and its bytes in the archive."""
        if self._deflate != "never":
            compressed_size = deflate_whole(data)
            if self._deflate == "always" or (data and is_worth_it(len(compressed_size) / len(data))):
                return DEFLATED, compressed_size
        return STORED, data

    def _is_deflated(self, source: FileSource) -> bool:
        if self._deflate != "auto":
            return self._deflate == "always"
        return is_worth_it(sampled_share(source))

    def _begin(self, path: PurePosixPath, source: FileSource, method: int) -> ZipEntry:
        """Leave room for a header whose numbers are known when the data is written."""
        entry = ZipEntry(
            name=str(path),
            executable=source.executable,
            method=method,
            size=source.size,
            compressed_size=0,
            crc32=0,
            offset=self._output.file.tell(),
            zip64=needs_zip64(source.size),
        )
        self._output.write(local_header(entry))
        return entry

    def _complete(self, entry: ZipEntry) -> None:
        file = self._output.file
        end = file.tell()
        file.seek(entry.offset)
        file.write(local_header(entry))
        file.seek(end)
        self._entries.append(entry)

    def _store_large(self, source: FileSource) -> tuple[int, int, str]:
        """Copy a file; its size in the archive, CRC-32 and SHA-256."""
        checksum = self._workers.deflating.submit(file_crc32, source, self._workers)
        with self._workers.settling(checksum):
            digest = copy(source, self._output, self._workers)
            return source.size, self._workers.result(checksum), digest

    def _deflate_large(self, source: FileSource) -> tuple[int, int, str]:
        """Deflate a file; its size in the archive, CRC-32 and SHA-256."""
        digest = hashlib.sha256()
        stream = DeflateStream(self._output.write, self._workers)
        for block in read_blocks(source, self._workers):
            self._workers.hash_later(digest.update, block)
            stream.write(block)
        stream.finish()
        return stream.compressed_size, stream.crc32, digest.hexdigest()
