"""The headers of a zip's entries and its central directory, as Java's ``ZipInputStream`` and zip tools read them.

Servers read the local headers only (APPNOTE 4.3.7); every other tool reads the central directory (4.3.12).
"""

from __future__ import annotations

import struct
from bisect import bisect_left, bisect_right

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
    STORED,
    UTF8_NAME,
)
from model_archiver.core.problems import ProblemList
from model_archiver.core.record import Record
from model_archiver.core.text import counted
from model_archiver.reading.archive import FETCH_AGAIN

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.reading.archive import ArchiveFile, ReadContext

    Fields = list[tuple[int, bytes]]
    """Kind and content of each extra field."""

LOCAL_SIGNATURE = b"PK\x03\x04"
ENCRYPTED = 0x1
_DESCRIPTOR = 0x8  # the flag of an entry whose sizes and checksum follow its data
_CENTRAL_SIGNATURE = b"PK\x01\x02"
_SIGNATURE_RECORD = b"PK\x05\x05"
_END_SIGNATURE = b"PK\x05\x06"
_END_64_SIGNATURE = b"PK\x06\x06"
_LOCATOR_64_SIGNATURE = b"PK\x06\x07"
_COMPARED_FLAGS = ENCRYPTED | _DESCRIPTOR | UTF8_NAME
_OTHER_FLAGS = 0xFFFF & ~(_COMPARED_FLAGS | 0x6)  # 0x6: the level of compression
_LATEST_VERSION = 63  # Python rejects what needs a later one
_ZIP64_FIELD = 1
_UNICODE_PATH_FIELD = 0x7075
_BEFORE_PATH = 5  # a version, and the CRC-32 of the plain name
_MOST_INFLATED = 1032  # bytes that one byte of a deflate stream can stand for
_LONGEST_COMMENT = 0xFFFF
_TRUNCATED = "the archive is truncated"


class ZipHeader:
    """What a header says about an entry."""

    __slots__ = ("compressed_size", "contradiction", "crc32", "flags", "method", "name", "size")

    def __init__(self, name: bytes, kind: list[int], numbers: tuple[int, int, int], extra: Fields) -> None:
        version, flags, self.method = kind
        self.name = name  # as it is written
        self.flags = flags & _COMPARED_FLAGS
        self.crc32, self.compressed_size, self.size = numbers
        self.contradiction = _contradiction(name, version, flags, extra)  # what readers read in different ways

    @property
    def text(self) -> str:
        """Return the name as a string; bytes that are not UTF-8 become lone surrogates."""
        return self.name.decode("utf-8", "surrogateescape")

    @property
    def numbers(self) -> tuple[int, int, int]:
        """Return CRC-32, compressed size and size, in the order of a data descriptor."""
        return self.crc32, self.compressed_size, self.size

    @property
    def has_descriptor(self) -> bool:
        """Return whether the sizes and the checksum follow the data."""
        return bool(self.flags & _DESCRIPTOR)


class LocalHeader(ZipHeader):
    """The header before the data of an entry."""

    __slots__ = ("data_start",)
    data_start: int  # where the data begins


class CentralHeader(ZipHeader):
    """An entry of the central directory."""

    __slots__ = ("is_stamped", "mode", "offset")
    offset: int  # where the local header begins
    mode: int  # the Unix type and permissions; 0 if there are none
    is_stamped: bool  # whether it has the fixed time that only this package writes

    @property
    def is_plausible(self) -> bool:
        """Return whether the data can unpack to the size."""
        if self.method == STORED:
            return self.size == self.compressed_size
        return self.size <= _MOST_INFLATED * self.compressed_size


def read_local(file: ArchiveFile, offset: int, limit: int) -> LocalHeader | None:
    """Return the local header at an offset, or None if there is none that ends before the limit."""
    fixed = file.read_at(offset, LOCAL.size)
    if len(fixed) < LOCAL.size or fixed[:4] != LOCAL_SIGNATURE:
        return None
    _, *kind, _, _, crc32, compressed_size, size, name_length, extra_length = LOCAL.unpack(fixed)
    data_start = offset + LOCAL.size + name_length + extra_length
    if data_start > limit:
        return None
    variable = file.read_at(offset + LOCAL.size, name_length + extra_length)
    extra = _extra_fields(variable[name_length:])
    zip64 = _zip64(extra)
    sizes = struct.unpack_from("<2Q", zip64) if len(zip64) >= 16 else (size, compressed_size)
    header = LocalHeader(variable[:name_length], kind, (crc32, sizes[1], sizes[0]), extra)
    header.data_start = data_start
    differs = any(short not in (LIMIT, long) for short, long in zip((size, compressed_size), sizes, strict=True))
    if differs and not header.has_descriptor and header.contradiction is None:
        header.contradiction = "the header has two different sizes"
    return header


def read_central(file: ArchiveFile, start: int, end: int) -> Iterator[CentralHeader | None]:
    """Yield the headers of a central directory; if anything else is in it, yield None and stop."""
    while start < end:
        fixed = file.read_at(start, CENTRAL.size)
        if fixed[:4] == _SIGNATURE_RECORD and start + 6 + int.from_bytes(fixed[4:6], "little") == end:
            return
        header = None
        if fixed[:4] == _CENTRAL_SIGNATURE and len(fixed) == CENTRAL.size:
            name_length, extra_length, comment_length = struct.unpack_from("<3H", fixed, 28)
            variable = file.read_at(start + CENTRAL.size, name_length + extra_length)
            start += CENTRAL.size + name_length + extra_length + comment_length
            if start <= end and len(variable) == name_length + extra_length:
                header = _parse_central(fixed, variable[:name_length], _extra_fields(variable[name_length:]))
        yield header
        if header is None:
            return


def _parse_central(fixed: bytes, name: bytes, extra: Fields) -> CentralHeader:
    _, _, *kind, time, date, crc32, compressed_size, size, _, _, _, _, _, attributes, offset = CENTRAL.unpack(fixed)
    zip64 = _zip64(extra)
    numbers = iter(struct.unpack(f"<{len(zip64) // 8}Q", zip64[: len(zip64) // 8 * 8]))
    size, compressed_size, offset = (
        next(numbers, LIMIT) if number == LIMIT else number for number in (size, compressed_size, offset)
    )
    header = CentralHeader(name, kind, (crc32, compressed_size, size), extra)
    header.offset = offset
    header.mode = attributes >> 16
    header.is_stamped = (date, time) == (DOS_DATE, DOS_TIME)
    return header


def _extra_fields(extra: bytes) -> Fields:
    """Return kind and content of the extra fields that are whole."""
    fields = []
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        position += 4 + length
        if position <= len(extra):
            fields.append((kind, extra[position - length : position]))
    return fields


def _zip64(extra: Fields) -> bytes:
    """Return the content of the first ZIP64 field, or nothing."""
    return next((content for kind, content in extra if kind == _ZIP64_FIELD), b"")


def _contradiction(name: bytes, version: int, flags: int, extra: Fields) -> str | None:
    """Return what readers read in different ways."""
    if version > _LATEST_VERSION or flags & _OTHER_FLAGS:
        return "its flags or version need a feature that some zip readers lack"
    if sum(kind == _ZIP64_FIELD for kind, _ in extra) > 1:
        return "the header has two ZIP64 fields"
    if any(kind == _UNICODE_PATH_FIELD and content[_BEFORE_PATH:] != name for kind, content in extra):
        return "the header has two different names"
    return None


class Directory:
    """A central directory."""

    def __init__(self, entries: list[CentralHeader], start: int, prefix: int = 0, *, is_usable: bool) -> None:
        self.entries = entries  # sorted by the offsets of their local headers
        self.start = start  # the end of the file if there is none
        self.prefix = prefix  # how many bytes precede the zip
        self.is_usable = is_usable  # whether it exists and all of its entries are readable
        self._offsets = [entry.offset for entry in entries]

    def take(self, offset: int) -> CentralHeader | None:
        """Return the entry whose local header begins at an offset, and forget it: there may be very many."""
        index = bisect_left(self._offsets, offset)
        if index == len(self._offsets) or self._offsets[index] != offset:
            return None
        entry, self.entries[index] = self.entries[index], self.entries[0]
        return entry

    def following(self, offset: int) -> int:
        """Return where the first local header after an offset begins, or the directory if there is none."""
        index = bisect_right(self._offsets, offset)
        return self._offsets[index] if index < len(self._offsets) else self.start


class EndRecord(Record):
    """What the records after a central directory say (APPNOTE 4.3.14 and 4.3.16)."""

    position: int  # where these records begin
    entries: int  # the number of entries
    size: int  # of the directory, in bytes
    start: int  # where the directory begins; too small by the number of bytes that precede the zip
    is_plain: bool = True  # whether the zip has one part and the records do not contradict each other


def looks_like_zip(file: ArchiveFile) -> bool:
    """Return whether a file begins, or ends, as zips do."""
    return file.read_at(0, 4) == LOCAL_SIGNATURE or find_end(file, ProblemList()) is not None


def read_directory(file: ArchiveFile, problems: ProblemList, context: ReadContext) -> Directory:
    """Return the central directory, and add what is wrong with it and after it; TooLargeError: it is too long."""
    end = find_end(file, problems)
    if end is None:
        problems.error("archive-cut", f"{_TRUNCATED}: it has no central directory", FETCH_AGAIN)
        return Directory([], file.size, is_usable=False)
    start = end.position - end.size
    prefix = start - end.start
    if start < 0 or prefix < 0:
        message = f"{_TRUNCATED}: the central directory is not where the end record says"
        problems.error("archive-cut", message, FETCH_AGAIN)
        return Directory([], end.position, is_usable=False)
    headers = []
    for header in read_central(file, start, end.position):
        headers.append(header)
        context.check_members(len(headers))
    entries = [header for header in headers if header is not None]
    is_usable = len(headers) == len(entries) == end.entries
    if not is_usable:
        message = f"the central directory has {len(entries):,} entries, but the end record says {end.entries:,}"
        problems.error("headers-differ", message, FETCH_AGAIN)
    return Directory(_placed(entries, prefix, start, problems), start, prefix, is_usable=is_usable)


def _placed(entries: list[CentralHeader], prefix: int, start: int, problems: ProblemList) -> list[CentralHeader]:
    """Return the entries with their true offsets, sorted, and without those whose offset cannot be right."""
    placed: dict[int, CentralHeader] = {}
    for entry in entries:
        entry.offset += prefix
        if entry.offset >= start or entry.offset in placed:
            message = "the central directory gives it an offset that is out of range or belongs to another entry"
            problems.error("headers-differ", message, FETCH_AGAIN, path=entry.text)
        else:
            placed[entry.offset] = entry
    return [placed[offset] for offset in sorted(placed)]


def find_end(file: ArchiveFile, problems: ProblemList) -> EndRecord | None:
    """Return the records at the end, searched from the end as every tool does, and add what is wrong with them."""
    tail_start = max(file.size - END.size - _LONGEST_COMMENT, 0)
    tail = file.read_at(tail_start, file.size - tail_start)
    at = _find_signature(tail)
    if at < 0:
        return None
    _, disk, first_disk, here, entries, size, start, comment = END.unpack_from(tail, at)
    position = tail_start + at
    surplus = file.size - position - END.size - comment
    if surplus > 0:
        problems.error("archive-trailing", f"has {counted(surplus, 'byte')} after its end", FETCH_AGAIN)
    elif surplus < 0:
        problems.error("archive-cut", _TRUNCATED, FETCH_AGAIN)
    if disk or first_disk or here != entries:
        problems.error("headers-differ", "is one part of a split zip", "join the parts")
    end_64 = _find_end_64(file, position)
    if end_64 is not None:
        pairs = ((entries, end_64.entries, LIMIT_ENTRIES), (size, end_64.size, LIMIT), (start, end_64.start, LIMIT))
        if not end_64.is_plain or any(short not in (long, limit) for short, long, limit in pairs):
            problems.error("headers-differ", "the end records contradict each other", FETCH_AGAIN)
        return end_64
    if entries == LIMIT_ENTRIES or LIMIT in (size, start):
        problems.error("headers-differ", "the ZIP64 end record is missing", FETCH_AGAIN)
    return EndRecord(position, entries, size, start)


def _find_signature(tail: bytes) -> int:
    """Return where the end record is: the last one whose comment reaches the end, else the last one, else -1."""
    last = at = tail.rfind(_END_SIGNATURE, 0, max(len(tail) - END.size + 4, 0))
    while at >= 0:
        *_, comment = END.unpack_from(tail, at)
        if at + END.size + comment == len(tail):
            return at
        at = tail.rfind(_END_SIGNATURE, 0, at + 3)
    return last


def _find_end_64(file: ArchiveFile, position: int) -> EndRecord | None:
    """Return the ZIP64 records before the end record, if there are any."""
    locator = file.read_at(position - LOCATOR_64.size, LOCATOR_64.size) if position > LOCATOR_64.size else b""
    if locator[:4] != _LOCATOR_64_SIGNATURE:
        return None
    _, disk, claimed, disks = LOCATOR_64.unpack(locator)
    # The first is right if the record is longer than usual, the second if bytes precede the zip.
    for place in (claimed, position - LOCATOR_64.size - END_64.size):
        record = file.read_at(place, END_64.size) if 0 <= place < position else b""
        if len(record) == END_64.size and record[:4] == _END_64_SIGNATURE:
            _, length, *_, here_disk, first_disk, here, entries, size, start = END_64.unpack(record)
            is_alone = (disk, here_disk, first_disk, disks) == (0, 0, 0, 1) and here == entries
            is_placed = claimed == start + size and place + 12 + length == position - LOCATOR_64.size
            return EndRecord(place, entries, size, start, is_alone and is_placed)
    return None
