"""What the headers of a zip say, as Java's ``ZipInputStream`` understands them; sizes in bytes."""

from __future__ import annotations

import struct

from model_archiver.core.entries import CENTRAL, DOS_DATE, DOS_TIME, LIMIT, LOCAL, STORED, UTF8_NAME
from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.reading.archive import ArchiveFile

LOCAL_SIGNATURE = b"PK\x03\x04"
CENTRAL_SIGNATURE = b"PK\x01\x02"
ENCRYPTED = 0x1
DESCRIPTOR = 0x8
"""The flag of an entry whose sizes and checksum follow its data."""

_TOLD_TWICE = ENCRYPTED | DESCRIPTOR | UTF8_NAME
_ZIP64 = 1
_UNICODE_PATH = 0x7075
_BEFORE_PATH = 5  # a version, and the CRC-32 of the plain name


class ZipHeader(Record):
    """What both headers of an entry say.

    Attributes:
        name: as it is written.
        flags: those that tell how the entry is to be read.
        method: of compression.
        crc32: of the unpacked bytes.
        compressed_size: in the archive.
        size: unpacked.
    """

    name: bytes
    flags: int
    method: int
    crc32: int
    compressed_size: int
    size: int

    @property
    def text(self) -> str:
        """The name as text; what is not UTF-8 stays visible as such."""
        return self.name.decode("utf-8", "surrogateescape")

    @property
    def numbers(self) -> tuple[int, int, int]:
        """CRC-32 and both sizes, in the order in which a data descriptor says them."""
        return self.crc32, self.compressed_size, self.size

    @property
    def is_folder(self) -> bool:
        """Whether it stands for a folder."""
        return self.name.endswith(b"/")


class LocalHeader(Record):
    """The header before an entry's data.

    Attributes:
        told: what it says.
        data: where the data begins.
        contradiction: what in it is said in two ways, of which readers take either; None where nothing is.
    """

    told: ZipHeader
    data: int
    contradiction: str | None


class CentralHeader(Record):
    """An entry of the central directory.

    Attributes:
        told: what it says.
        offset: where the local header begins.
        mode: the Unix type and permissions, 0 where there are none.
        is_stamped: it has the time that this package gives to everything, and other tools to nothing.
        contradiction: as that of the local header.
    """

    told: ZipHeader
    offset: int
    mode: int
    is_stamped: bool
    contradiction: str | None

    @property
    def is_plausible(self) -> bool:
        """Whether the sizes are possible: deflate makes at most 1032 bytes of each."""
        told = self.told
        return told.size == told.compressed_size if told.method == STORED else told.size <= 1032 * told.compressed_size


def read_local(file: ArchiveFile, offset: int, limit: int) -> LocalHeader | None:
    """The local header at a place, or None where none ends before the limit."""
    fixed = file.at(offset, LOCAL.size)
    if len(fixed) < LOCAL.size or fixed[:4] != LOCAL_SIGNATURE:
        return None
    _, _, flags, method, _, _, crc32, compressed_size, size, name_length, extra_length = LOCAL.unpack(fixed)
    data = offset + LOCAL.size + name_length + extra_length
    if data > limit:
        return None
    variable = file.at(offset + LOCAL.size, name_length + extra_length)
    plain = (size, compressed_size)
    wide = _zip64(variable[name_length:])
    if len(wide) >= 16:
        size, compressed_size = struct.unpack_from("<2Q", wide)
    differs = any(number not in (LIMIT, told) for number, told in zip(plain, (size, compressed_size), strict=True))
    told = ZipHeader(variable[:name_length], flags & _TOLD_TWICE, method, crc32, compressed_size, size)
    contradiction = _contradiction(told.name, variable[name_length:])
    if differs and not flags & DESCRIPTOR:
        contradiction = contradiction or "its header says two sizes"
    return LocalHeader(told, data, contradiction)


def read_central(file: ArchiveFile, start: int, end: int) -> Iterator[CentralHeader | None]:
    """The headers of a central directory; None, at last, where something else stands in it."""
    while start < end and not _is_signature(file, start, end):
        fixed = file.at(start, CENTRAL.size)
        header = _central(file, start, fixed) if fixed[:4] == CENTRAL_SIGNATURE and len(fixed) == CENTRAL.size else None
        if header is None:
            yield None
            return
        entry, start = header
        yield entry if start <= end else None


def _is_signature(file: ArchiveFile, start: int, end: int) -> bool:
    """Whether what is left of a central directory is its digital signature."""
    record = file.at(start, 6)
    return record[:4] == b"PK\x05\x05" and start + 6 + int.from_bytes(record[4:], "little") == end


def _central(file: ArchiveFile, start: int, fixed: bytes) -> tuple[CentralHeader, int] | None:
    """The header at a place, and where the next one begins."""
    _, _, _, flags, method, time, date, crc32, compressed_size, size, *lengths, _, _, attributes, offset = (
        CENTRAL.unpack(fixed)
    )
    name_length, extra_length, comment_length = lengths
    variable = file.at(start + CENTRAL.size, name_length + extra_length)
    if len(variable) < name_length + extra_length:
        return None
    wide = _zip64(variable[name_length:])
    numbers = iter(struct.unpack(f"<{len(wide) // 8}Q", wide[: len(wide) // 8 * 8]))
    size, compressed_size, offset = (
        next(numbers, LIMIT) if number == LIMIT else number for number in (size, compressed_size, offset)
    )
    told = ZipHeader(variable[:name_length], flags & _TOLD_TWICE, method, crc32, compressed_size, size)
    following = start + CENTRAL.size + name_length + extra_length + comment_length
    is_stamped = (date, time) == (DOS_DATE, DOS_TIME)
    contradiction = _contradiction(told.name, variable[name_length:])
    return CentralHeader(told, offset, attributes >> 16, is_stamped, contradiction), following


def _zip64(extra: bytes) -> bytes:
    """The content of the ZIP64 field among the extra ones, or nothing."""
    return next((content for kind, content in _extra_fields(extra) if kind == _ZIP64), b"")


def _contradiction(name: bytes, extra: bytes) -> str | None:
    """What the extra fields say in two ways."""
    fields = list(_extra_fields(extra))
    if sum(kind == _ZIP64 for kind, _ in fields) > 1:
        return "its header has two ZIP64 fields"
    if any(kind == _UNICODE_PATH and content[_BEFORE_PATH:] != name for kind, content in fields):
        return "its header gives it two names"
    return None


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """The extra fields that are whole, each as its kind and content."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        position += 4
        if position + length <= len(extra):
            yield kind, extra[position : position + length]
        position += length
