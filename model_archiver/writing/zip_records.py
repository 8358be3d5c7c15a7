"""The records of a zip file, as PKWARE's APPNOTE 6.3 defines them; sizes in bytes.

TorchServe reads an archive from front to back and ignores the central directory, so a local header holds the real
sizes. It rejects data descriptors (``only DEFLATED entries can have EXT descriptor``, ``invalid entry size``).
"""

from __future__ import annotations

import stat
import struct

from model_archiver.core.entries import (
    CENTRAL,
    DOS_DATE,
    DOS_TIME,
    END,
    END_64,
    LIMIT,
    LIMIT_ENTRIES,
    LOCAL,
    LOCATOR_64,
    UTF8_NAME,
    mode,
)
from model_archiver.core.record import Record

_UNIX = 3 << 8


class ZipEntry(Record):
    """An entry as its headers describe it.

    Attributes:
        name: its path, with slashes.
        executable: whether its owner may execute it.
        method: `STORED` or `DEFLATED`.
        size: of its content, uncompressed.
        compressed_size: of its data in the archive.
        crc32: of its content.
        offset: where its local header begins.
        zip64: whether the local header has room for sizes of 4 GiB and more.
    """

    name: str
    executable: bool
    method: int
    size: int
    compressed_size: int
    crc32: int
    offset: int
    zip64: bool


def needs_zip64(size: int) -> bool:
    """Return whether the numbers of an entry of this size may need more room than a plain header has.

    Deflating what does not shrink adds 5 bytes to every 64 KiB and a flush to every block.
    """
    return size + (size >> 12) + (1 << 16) >= LIMIT


def local_header(entry: ZipEntry) -> bytes:
    """Return what precedes an entry's data."""
    name = entry.name.encode()
    extra = struct.pack("<2H2Q", 1, 16, entry.size, entry.compressed_size) if entry.zip64 else b""
    start = (b"PK\x03\x04", _version(zip64=entry.zip64), _flags(entry), entry.method, DOS_TIME, DOS_DATE, entry.crc32)
    sizes = (LIMIT, LIMIT) if entry.zip64 else (entry.compressed_size, entry.size)
    return LOCAL.pack(*start, *sizes, len(name), len(extra)) + name + extra


def central_header(entry: ZipEntry) -> bytes:
    """Return an entry of the central directory."""
    name = entry.name.encode()
    wide = [number for number in (entry.size, entry.compressed_size, entry.offset) if number >= LIMIT]
    extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    versions = (_UNIX | _version(zip64=bool(wide)), _version(zip64=entry.zip64 or bool(wide)))
    start = (b"PK\x01\x02", *versions, _flags(entry), entry.method, DOS_TIME, DOS_DATE, entry.crc32)
    sizes = (min(entry.compressed_size, LIMIT), min(entry.size, LIMIT), len(name), len(extra))
    comment = disk = internal = 0
    external = (stat.S_IFREG | mode(executable=entry.executable)) << 16
    rest = (comment, disk, internal, external, min(entry.offset, LIMIT))
    return CENTRAL.pack(*start, *sizes, *rest) + name + extra


def end_of_directory(entries: int, start: int, size: int) -> bytes:
    """Return what follows the central directory, which has so many entries and begins at `start`."""
    records = b""
    if entries >= LIMIT_ENTRIES or start >= LIMIT or size >= LIMIT:
        length = END_64.size - 12  # the record's size does not count its signature and itself
        version = _version(zip64=True)
        records += END_64.pack(b"PK\x06\x06", length, _UNIX | version, version, 0, 0, entries, entries, size, start)
        records += LOCATOR_64.pack(b"PK\x06\x07", 0, start + size, 1)
    counted = min(entries, LIMIT_ENTRIES)
    return records + END.pack(b"PK\x05\x06", 0, 0, counted, counted, min(size, LIMIT), min(start, LIMIT), 0)


def _flags(entry: ZipEntry) -> int:
    return 0 if entry.name.isascii() else UTF8_NAME


def _version(*, zip64: bool) -> int:
    return 45 if zip64 else 20
