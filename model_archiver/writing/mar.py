"""The ``.mar`` file: a zip whose entries are stored, or deflated where that saves enough; sizes in bytes.

The records are those of PKWARE's APPNOTE 6.3. TorchServe reads an archive from front to back and ignores the central
directory, so a local header holds the real sizes. It rejects data descriptors (``only DEFLATED entries can have EXT
descriptor``, ``invalid entry size``).
"""

from __future__ import annotations

import stat
import struct
from pathlib import PurePosixPath

from model_archiver.core import entries as spec
from model_archiver.core.entries import mode
from model_archiver.core.plan import FileSource, Plan
from model_archiver.core.record import Record
from model_archiver.core.report import ArchiveEntry
from model_archiver.core.sums import crc32, sha256
from model_archiver.writing.deflate import WORTH, DeflateStream, Workers, deflate_whole, sampled_share
from model_archiver.writing.destination import FileDestination, copy
from model_archiver.writing.staging import StagingDirectory

_UNIX = 3 << 8


class ZipEntry(Record):
    """An entry as its headers describe it."""

    name: str  # its path, with slashes
    executable: bool  # whether its owner may execute it
    method: int  # STORED or DEFLATED
    size: int  # of its content, uncompressed
    compressed_size: int  # of its data in the archive
    crc32: int  # of its content
    offset: int  # where its local header begins
    zip64: bool  # whether the local header has room for sizes of 4 GiB and more


class MarDestination(FileDestination):
    """A zip file."""

    def __init__(self, plan: Plan, staging: StagingDirectory, workers: Workers) -> None:
        super().__init__(plan, staging, workers)
        self._directory: list[bytes] = []  # the central header of each entry

    def add_bytes(self, path: PurePosixPath, data: bytes, *, executable: bool = False) -> ArchiveEntry:
        """Write a small file."""
        deflate, method, content = self.plan.deflate, spec.STORED, data
        if deflate != "never":
            compressed = deflate_whole(data)
            if deflate == "always" or (data and len(compressed) / len(data) <= WORTH):
                method, content = spec.DEFLATED, compressed
        offset, size = self.output.tell(), len(data)
        entry = ZipEntry(str(path), executable, method, size, len(content), crc32(data), offset, needs_zip64(size))
        self.output.write(local_header(entry) + content)
        self._directory.append(central_header(entry))
        return ArchiveEntry(path, size, len(content), sha256(data))

    def add_large(self, path: PurePosixPath, source: FileSource) -> ArchiveEntry:
        """Write a file block by block."""
        deflate, file, size = self.plan.deflate, self.output, source.size
        is_deflated = deflate == "always" or (deflate == "auto" and sampled_share(source) <= WORTH)
        method = spec.DEFLATED if is_deflated else spec.STORED
        # The header is written again when all its numbers are known.
        entry = ZipEntry(str(path), source.executable, method, size, 0, 0, file.tell(), needs_zip64(size))
        self.output.write(local_header(entry))
        start = file.tell()
        if is_deflated:
            stream = DeflateStream(file.write, self.workers)
            digest = self.pass_on(source, stream.write)
            stream.finish()
            checksum = stream.crc32.value
        else:
            digest, checksum = copy(source, file, self.workers, with_crc32=True)
        end = file.tell()
        entry = entry.replace(compressed_size=end - start, crc32=checksum)
        file.seek(entry.offset)
        file.write(local_header(entry))
        file.seek(end)
        self._directory.append(central_header(entry))
        return ArchiveEntry(path, size, end - start, digest)

    def finish(self) -> None:
        """Write the central directory, and wait until the disk has the whole file."""
        directory = b"".join(self._directory)
        end = end_of_directory(len(self._directory), self.output.tell(), len(directory))
        self.output.write(directory + end)
        super().finish()


def needs_zip64(size: int) -> bool:
    """Return whether the numbers of an entry of this size may need more room than a plain header has.

    Deflating what does not shrink adds 5 bytes to every 64 KiB and a flush to every block.
    """
    return size + (size >> 12) + (1 << 16) >= spec.LIMIT


def local_header(entry: ZipEntry) -> bytes:
    """Return what precedes an entry's data."""
    name = entry.name.encode()
    extra = struct.pack("<2H2Q", 1, 16, entry.size, entry.compressed_size) if entry.zip64 else b""
    start = (b"PK\x03\x04", _version(zip64=entry.zip64), _flags(entry), entry.method, *spec.DOS_STAMP, entry.crc32)
    sizes = (spec.LIMIT, spec.LIMIT) if entry.zip64 else (entry.compressed_size, entry.size)
    return spec.LOCAL.pack(*start, *sizes, len(name), len(extra)) + name + extra


def central_header(entry: ZipEntry) -> bytes:
    """Return an entry of the central directory."""
    name = entry.name.encode()
    wide = [number for number in (entry.size, entry.compressed_size, entry.offset) if number >= spec.LIMIT]
    extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    versions = (_UNIX | _version(zip64=bool(wide)), _version(zip64=entry.zip64 or bool(wide)))
    start = (b"PK\x01\x02", *versions, _flags(entry), entry.method, *spec.DOS_STAMP, entry.crc32)
    sizes = (min(entry.compressed_size, spec.LIMIT), min(entry.size, spec.LIMIT), len(name), len(extra))
    comment = disk = internal = 0
    external = (stat.S_IFREG | mode(executable=entry.executable)) << 16
    rest = (comment, disk, internal, external, min(entry.offset, spec.LIMIT))
    return spec.CENTRAL.pack(*start, *sizes, *rest) + name + extra


def end_of_directory(entries: int, start: int, size: int) -> bytes:
    """Return what follows the central directory, which has so many entries and begins at `start`."""
    records = b""
    if entries >= spec.LIMIT_ENTRIES or start >= spec.LIMIT or size >= spec.LIMIT:
        length = spec.END_64.size - 12  # the record's size does not count its signature and itself
        versions = (_UNIX | _version(zip64=True), _version(zip64=True))
        records = spec.END_64.pack(b"PK\x06\x06", length, *versions, 0, 0, entries, entries, size, start)
        records += spec.LOCATOR.pack(b"PK\x06\x07", 0, start + size, 1)
    counted = min(entries, spec.LIMIT_ENTRIES)
    numbers = (counted, counted, min(size, spec.LIMIT), min(start, spec.LIMIT))
    return records + spec.END.pack(b"PK\x05\x06", 0, 0, *numbers, 0)


def _flags(entry: ZipEntry) -> int:
    return 0 if entry.name.isascii() else spec.UTF8_NAME


def _version(*, zip64: bool) -> int:
    return 45 if zip64 else 20
