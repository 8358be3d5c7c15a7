"""What the headers of a zip say, as Java's ``ZipInputStream`` understands them; sizes in bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from model_archiver.formats.zip_records import CENTRAL, LIMIT, LOCAL, STORED, UTF8_NAME
from model_archiver.reading.archive_file import ArchiveFile
from model_archiver.reproducible import DOS_DATE, DOS_TIME

LOCAL_SIGNATURE = b"PK\x03\x04"
CENTRAL_SIGNATURE = b"PK\x01\x02"
ENCRYPTED = 0x1
DESCRIPTOR = 0x8
"""The flag of an entry whose sizes and checksum follow its data."""

_TOLD_TWICE = ENCRYPTED | DESCRIPTOR | UTF8_NAME
_ZIP64 = 1


@dataclass(frozen=True)
class ZipHeader:
    """What both headers of an entry say.

    Attributes:
        name: as it is written.
        flags: those that tell how the entry is to be read.
        method: of compression.
        crc32: of the unpacked bytes.
        packed: in the archive.
        size: unpacked.
    """

    name: bytes
    flags: int
    method: int
    crc32: int
    packed: int
    size: int

    @property
    def text(self) -> str:
        """The name as text; what is not UTF-8 stays visible as such."""
        return self.name.decode("utf-8", "surrogateescape")

    @property
    def numbers(self) -> tuple[int, int, int]:
        """CRC-32 and both sizes, in the order in which a data descriptor says them."""
        return self.crc32, self.packed, self.size

    @property
    def is_folder(self) -> bool:
        """Whether it stands for a folder."""
        return self.name.endswith(b"/")


@dataclass(frozen=True)
class LocalHeader:
    """The header before an entry's data.

    Attributes:
        told: what it says.
        data: where the data begins.
        says_two_sizes: a ZIP64 field, which the server believes, contradicts the plain one.
    """

    told: ZipHeader
    data: int
    says_two_sizes: bool


@dataclass(frozen=True)
class CentralHeader:
    """An entry of the central directory.

    Attributes:
        told: what it says.
        offset: where the local header begins.
        mode: the Unix type and permissions, 0 where there are none.
        is_stamped: it has the time that this package gives to everything, and other tools to nothing.
    """

    told: ZipHeader
    offset: int
    mode: int
    is_stamped: bool

    @property
    def is_plausible(self) -> bool:
        """Whether so many bytes can have come out of the packed ones: deflate makes no more than 1032 of each."""
        told = self.told
        return told.size == told.packed if told.method == STORED else told.size <= 1032 * told.packed


def read_local(file: ArchiveFile, offset: int, limit: int) -> LocalHeader | None:
    """The local header at a place, or None where none ends before the limit."""
    fixed = file.at(offset, LOCAL.size)
    if len(fixed) < LOCAL.size or fixed[:4] != LOCAL_SIGNATURE:
        return None
    _, _, flags, method, _, _, crc32, packed, size, name_length, extra_length = LOCAL.unpack(fixed)
    data = offset + LOCAL.size + name_length + extra_length
    if data > limit:
        return None
    variable = file.at(offset + LOCAL.size, name_length + extra_length)
    plain = (size, packed)
    wide = _zip64(variable[name_length:])
    if len(wide) >= 16:
        size, packed = struct.unpack_from("<2Q", wide)
    differs = any(number not in (LIMIT, told) for number, told in zip(plain, (size, packed), strict=True))
    told = ZipHeader(variable[:name_length], flags & _TOLD_TWICE, method, crc32, packed, size)
    return LocalHeader(told, data, says_two_sizes=differs and not flags & DESCRIPTOR)


def read_central(file: ArchiveFile, start: int, end: int) -> Iterator[CentralHeader | None]:
    """The headers of a central directory; None, at last, where something else stands in it."""
    while start < end:
        fixed = file.at(start, CENTRAL.size)
        header = _central(file, start, fixed) if fixed[:4] == CENTRAL_SIGNATURE and len(fixed) == CENTRAL.size else None
        if header is None:
            yield None
            return
        entry, start = header
        yield entry if start <= end else None


def _central(file: ArchiveFile, start: int, fixed: bytes) -> tuple[CentralHeader, int] | None:
    """The header at a place, and where the next one begins."""
    _, _, _, flags, method, time, date, crc32, packed, size, *lengths, _, _, attributes, offset = CENTRAL.unpack(fixed)
    name_length, extra_length, comment_length = lengths
    variable = file.at(start + CENTRAL.size, name_length + extra_length)
    if len(variable) < name_length + extra_length:
        return None
    wide = _zip64(variable[name_length:])
    numbers = iter(struct.unpack(f"<{len(wide) // 8}Q", wide[: len(wide) // 8 * 8]))
    size, packed, offset = (next(numbers, LIMIT) if number == LIMIT else number for number in (size, packed, offset))
    told = ZipHeader(variable[:name_length], flags & _TOLD_TWICE, method, crc32, packed, size)
    following = start + CENTRAL.size + name_length + extra_length + comment_length
    return CentralHeader(told, offset, attributes >> 16, (date, time) == (DOS_DATE, DOS_TIME)), following


def _zip64(extra: bytes) -> bytes:
    """The content of the ZIP64 field among the extra ones, or nothing."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        position += 4
        if kind == _ZIP64 and position + length <= len(extra):
            return extra[position : position + length]
        position += length
    return b""
