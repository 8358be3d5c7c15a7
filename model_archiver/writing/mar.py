"""The ``.mar`` file: a zip whose entries are stored, or deflated where that saves enough."""

from __future__ import annotations

import hashlib

from model_archiver.core.entries import DEFLATED, STORED
from model_archiver.core.report import ArchiveEntry
from model_archiver.core.sums import crc32, sha256
from model_archiver.writing.copying import SMALL, copy, read_blocks
from model_archiver.writing.deflate import DeflateStream, deflate_whole, is_worth_it, sampled_share
from model_archiver.writing.destination import FileDestination
from model_archiver.writing.zip_records import ZipEntry, central_header, end_of_directory, local_header, needs_zip64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from model_archiver.core.plan import FileSource, Plan
    from model_archiver.writing.deflate import Workers
    from model_archiver.writing.staging import StagingDirectory


class MarDestination(FileDestination):
    """A zip file."""

    def __init__(self, plan: Plan, staging: StagingDirectory, workers: Workers) -> None:
        super().__init__(plan, staging, workers)
        self._entries: list[ZipEntry] = []

    def add(self, path: PurePosixPath, source: FileSource) -> ArchiveEntry:
        """Write a file."""
        if source.size <= SMALL:
            return self._add_whole(path, b"".join(read_blocks(source, self.workers)), executable=source.executable)
        is_deflated = self.deflate == "always" or (self.deflate == "auto" and is_worth_it(sampled_share(source)))
        # The header is written again when all its numbers are known.
        entry = self._entry(path, source.size, DEFLATED if is_deflated else STORED, executable=source.executable)
        self.output.write(local_header(entry))
        file = self.output.file
        start = file.tell()
        digest, checksum = self._add_large(source, is_deflated=is_deflated)
        end = file.tell()
        entry = entry.replace(compressed_size=end - start, crc32=checksum)
        file.seek(entry.offset)
        file.write(local_header(entry))
        file.seek(end)
        self._entries.append(entry)
        return ArchiveEntry(path, source.size, end - start, digest)

    def add_text(self, path: PurePosixPath, text: str) -> ArchiveEntry:
        """Write a text as UTF-8."""
        return self._add_whole(path, text.encode(), executable=False)

    def finish(self) -> None:
        """Write the central directory, and wait until the disk has the whole file."""
        start = self.output.file.tell()
        for entry in self._entries:
            self.output.write(central_header(entry))
        size = self.output.file.tell() - start
        self.output.write(end_of_directory(len(self._entries), start, size))
        super().finish()

    def _add_whole(self, path: PurePosixPath, data: bytes, *, executable: bool) -> ArchiveEntry:
        method, content = self._compressed(data)
        entry = self._entry(path, len(data), method, executable=executable)
        entry = entry.replace(compressed_size=len(content), crc32=crc32(data))
        self.output.write(local_header(entry) + content)
        self._entries.append(entry)
        return ArchiveEntry(path, len(data), len(content), sha256(data))

    def _entry(self, path: PurePosixPath, size: int, method: int, *, executable: bool) -> ZipEntry:
        """Return an entry that begins at the end of the file, and whose data is not known yet."""
        return ZipEntry(str(path), executable, method, size, 0, 0, self.output.file.tell(), needs_zip64(size))

    def _compressed(self, data: bytes) -> tuple[int, bytes]:
        """Return a small member's method and its bytes in the archive."""
        if self.deflate != "never":
            compressed = deflate_whole(data)
            if self.deflate == "always" or (data and is_worth_it(len(compressed) / len(data))):
                return DEFLATED, compressed
        return STORED, data

    def _add_large(self, source: FileSource, *, is_deflated: bool) -> tuple[str, int]:
        """Append the data of a large file, and return the file's SHA-256 and CRC-32."""
        if not is_deflated:
            return copy(source, self.output, self.workers, with_crc32=True)
        digest = hashlib.sha256()
        stream = DeflateStream(self.output.write, self.workers)
        for block in read_blocks(source, self.workers):
            self.workers.hash_later(digest.update, block)
            stream.write(block)
        stream.finish()
        return digest.hexdigest(), stream.crc32


class ZipStoreDestination(MarDestination):
    """A zip file whose entries are all stored."""

    fixed_deflate = "never"
