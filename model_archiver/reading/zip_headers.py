"""The headers of a zip's entries and its central directory, as Java's ``ZipInputStream`` and zip tools read them.

Servers read the local headers only (APPNOTE 4.3.7); every other tool reads the central directory (4.3.12).
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator

from model_archiver.core import entries as spec
from model_archiver.core.record import Record
from model_archiver.core.text import counted
from model_archiver.reading.archive import FETCH_AGAIN, ArchiveFile, DamageError, ReadContext

Fields = list[tuple[int, bytes]]
"""Kind and content of each extra field."""

LOCAL_SIGNATURE = b"PK\x03\x04"
ENCRYPTED = 0x1
_DESCRIPTOR = 0x8  # the flag of an entry whose sizes and checksum follow its data
_CENTRAL_SIGNATURE = b"PK\x01\x02"
_SIGNATURE_RECORD = b"PK\x05\x05"
_END_SIGNATURE = b"PK\x05\x06"
_END_64_SIGNATURE = b"PK\x06\x06"
_LOCATOR_SIGNATURE = b"PK\x06\x07"
_COMPARED_FLAGS = ENCRYPTED | _DESCRIPTOR | spec.UTF8_NAME
_OTHER_FLAGS = 0xFFFF & ~(_COMPARED_FLAGS | 0x6)  # 0x6: the level of compression
_LATEST_VERSION = 63  # Python rejects what needs a later one
_ZIP64_FIELD = 1
_UNICODE_PATH_FIELD = 0x7075
_BEFORE_PATH = 5  # a version, and the CRC-32 of the plain name
_MOST_INFLATED = 1032  # bytes that one byte of a deflate stream can stand for
_LONGEST_COMMENT = 0xFFFF
_LARGEST_LISTED = 1 << 22  # bytes of a directory of which only the names are read
_TRUNCATED = "the archive is truncated"
_WRONG_DIRECTORY = "the central directory is damaged, or contradicts the end records"


class ZipHeader:
    """What a header says about an entry: the one before its data, or the one in the central directory."""

    __slots__ = (
        *("compressed_size", "crc32", "data_start", "end", "flags", "has_descriptor", "is_ambiguous", "is_stamped"),
        *("method", "mode", "offset", "size", "text"),
    )
    data_start: int  # where the data begins; of a local header only
    # Only of a header of the central directory:
    offset: int  # where the local header begins
    end: int  # where the entry ends; until it is read, where the next one or the directory begins
    mode: int  # the Unix type and permissions; 0 if there are none
    is_stamped: bool  # whether it has the fixed time that only this package writes

    def __init__(self, name: bytes, kind: list[int], numbers: tuple[int, int, int], extra: Fields) -> None:
        version, flags, self.method = kind
        self.text = name.decode("utf-8", "surrogateescape")
        self.flags = flags & _COMPARED_FLAGS
        self.has_descriptor = bool(flags & _DESCRIPTOR)  # the sizes and the checksum follow the data
        self.crc32, self.compressed_size, self.size = numbers
        self.is_ambiguous = (  # readers lack a feature, or choose between two names or sizes
            bool(version > _LATEST_VERSION or flags & _OTHER_FLAGS)
            or sum(kind == _ZIP64_FIELD for kind, _ in extra) > 1
            or any(kind == _UNICODE_PATH_FIELD and content[_BEFORE_PATH:] != name for kind, content in extra)
        )

    @property
    def numbers(self) -> tuple[int, int, int]:
        """Return CRC-32, compressed size and size, in the order of a data descriptor."""
        return self.crc32, self.compressed_size, self.size

    @property
    def is_plausible(self) -> bool:
        """Return whether the data can unpack to the size."""
        if self.method == spec.STORED:
            return self.size == self.compressed_size
        return self.size <= _MOST_INFLATED * self.compressed_size


def read_local(file: ArchiveFile, offset: int, limit: int) -> ZipHeader | None:
    """Return the local header at an offset, or None if there is none that ends before the limit."""
    fixed = file.read_at(offset, spec.LOCAL.size)
    if len(fixed) < spec.LOCAL.size or fixed[:4] != LOCAL_SIGNATURE:
        return None
    _, *kind, _, _, crc32, compressed_size, size, name_length, extra_length = spec.LOCAL.unpack(fixed)
    data_start = offset + spec.LOCAL.size + name_length + extra_length
    if data_start > limit:
        return None
    variable = file.read_at(offset + spec.LOCAL.size, name_length + extra_length)
    extra = _extra_fields(variable[name_length:])
    zip64 = _zip64(extra)
    sizes = struct.unpack_from("<2Q", zip64) if len(zip64) >= 16 else (size, compressed_size)
    header = ZipHeader(variable[:name_length], kind, (crc32, sizes[1], sizes[0]), extra)
    header.data_start = data_start
    differs = any(short not in (spec.LIMIT, long) for short, long in zip((size, compressed_size), sizes, strict=True))
    header.is_ambiguous |= differs and not header.has_descriptor
    return header


def read_central(file: ArchiveFile, start: int, end: int) -> Iterator[ZipHeader | None]:
    """Yield the headers of a central directory; if anything else is in it, yield None and stop."""
    while start < end:
        fixed = file.read_at(start, spec.CENTRAL.size)
        if fixed[:4] == _SIGNATURE_RECORD and start + 6 + int.from_bytes(fixed[4:6], "little") == end:
            return
        header = None
        if fixed[:4] == _CENTRAL_SIGNATURE and len(fixed) == spec.CENTRAL.size:
            name_length, extra_length, comment_length = struct.unpack_from("<3H", fixed, 28)
            variable = file.read_at(start + spec.CENTRAL.size, name_length + extra_length)
            start += spec.CENTRAL.size + name_length + extra_length + comment_length
            if start <= end and len(variable) == name_length + extra_length:
                header = _parse_central(fixed, variable[:name_length], _extra_fields(variable[name_length:]))
        yield header
        if header is None:
            return


def _parse_central(fixed: bytes, name: bytes, extra: Fields) -> ZipHeader:
    _, _, *kind, time, date, crc32, compressed_size, size, _, _, _, _, _, external, offset = spec.CENTRAL.unpack(fixed)
    zip64 = _zip64(extra)
    numbers = iter(struct.unpack(f"<{len(zip64) // 8}Q", zip64[: len(zip64) // 8 * 8]))
    size, compressed_size, offset = (
        next(numbers, spec.LIMIT) if number == spec.LIMIT else number for number in (size, compressed_size, offset)
    )
    header = ZipHeader(name, kind, (crc32, compressed_size, size), extra)
    header.offset = offset
    header.mode = external >> 16
    header.is_stamped = (time, date) == spec.DOS_STAMP
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


class EndRecord(Record):
    """What the records after a central directory say (APPNOTE 4.3.14 and 4.3.16)."""

    position: int  # where these records begin
    entries: int  # the number of entries
    size: int  # of the directory, in bytes
    start: int  # where the directory begins; too small by the number of bytes that precede the zip
    surplus: int  # how many bytes follow the end; below 0 if some are missing
    is_plain: bool  # whether the zip has one part and the records do not contradict each other


def read_names(file: ArchiveFile) -> list[str] | None:
    """Return the names in the central directory; None if it is damaged or large."""
    end = find_end(file)
    if end is None or end.size > min(end.position, _LARGEST_LISTED):
        return None
    headers = list(read_central(file, end.position - end.size, end.position))
    return None if None in headers else [header.text for header in headers if header is not None]


def kind_of_zip(names: Collection[str]) -> str:
    """Return the kind of a zip by the names in it; "unknown" if torch may read it (inline_container.cc)."""
    root = next(iter(names), "").partition("/")[0]
    has_code, has_constants = any(name.startswith(f"{root}/code/") for name in names), f"{root}/constants.pkl" in names
    tests = {
        "archive": any(name.endswith("MAR-INF/MANIFEST.json") for name in names),
        "workflow": "WAR-INF/MANIFEST.json" in names,
        "torchscript": has_code and has_constants,
        "unknown": has_code or has_constants,
        "saved": f"{root}/data.pkl" in names,
        "exported": f"{root}/archive_format" in names,
        "NumPy": bool(names) and all(name.endswith(".npy") for name in names),
        "zip": not any(name.rpartition("/")[2] == "version" for name in names),
    }
    return next((kind for kind, is_met in tests.items() if is_met), "unknown")


def read_directory(file: ArchiveFile, context: ReadContext) -> tuple[list[ZipHeader], int]:
    """Return the entries of the central directory, the last one first, and its start, or raise ModelArchiverError."""
    end = find_end(file)
    if end is None or end.start > end.position - end.size:
        raise DamageError("archive-cut", _TRUNCATED)
    if end.surplus > 0:
        context.problems.error("archive-trailing", f"has {counted(end.surplus, 'byte')} after its end", FETCH_AGAIN)
    elif end.surplus < 0:
        context.problems.error("archive-cut", _TRUNCATED, FETCH_AGAIN)
    if not end.is_plain:
        context.problems.error("headers-differ", _WRONG_DIRECTORY, FETCH_AGAIN)
    start = following = end.position - end.size
    entries: list[ZipHeader] = []
    for header in read_central(file, start, end.position):
        if header is None:
            raise DamageError("headers-differ", _WRONG_DIRECTORY)
        header.offset += start - end.start  # the bytes that precede the zip
        entries.append(header)
        context.check_members(len(entries))
    entries.sort(key=lambda entry: entry.offset, reverse=True)
    for entry in entries:
        entry.end, following = following, entry.offset
    if len(entries) != end.entries or any(entry.end <= entry.offset for entry in entries):
        raise DamageError("headers-differ", _WRONG_DIRECTORY)
    return entries, start


def find_end(file: ArchiveFile) -> EndRecord | None:
    """Return the records at the end, searched from the end as every tool does."""
    tail_start = max(file.size - spec.END.size - _LONGEST_COMMENT, 0)
    tail = file.read_at(tail_start, file.size - tail_start)
    at = _find_signature(tail)
    if at < 0:
        return None
    _, disk, first_disk, here, entries, size, start, comment = spec.END.unpack_from(tail, at)
    position = tail_start + at
    is_plain = (disk, first_disk, here) == (0, 0, entries)
    surplus = file.size - position - spec.END.size - comment
    end = _with_zip64(file, EndRecord(position, entries, size, start, surplus, is_plain))
    before = end.position - end.size - end.start
    # With entries at both places, the end of a truncated zip is missing, and this is that of a zip stored in it.
    is_inner = before > 0 and all(file.read_at(place, 4) == LOCAL_SIGNATURE for place in (0, before))
    return None if is_inner else end


def _find_signature(tail: bytes) -> int:
    """Return where the end record is: the last one whose comment reaches the end, else the last one, else -1."""
    last = at = tail.rfind(_END_SIGNATURE, 0, max(len(tail) - spec.END.size + 4, 0))
    while at >= 0:
        *_, comment = spec.END.unpack_from(tail, at)
        if at + spec.END.size + comment == len(tail):
            return at
        at = tail.rfind(_END_SIGNATURE, 0, at + 3)
    return last


def _with_zip64(file: ArchiveFile, end: EndRecord) -> EndRecord:
    """Return what the ZIP64 records before the end record say, if there are any."""
    at = end.position - spec.LOCATOR.size
    locator = file.read_at(at, spec.LOCATOR.size) if at > 0 else b""
    _, disk, claimed, disks = spec.LOCATOR.unpack(locator) if locator[:4] == _LOCATOR_SIGNATURE else (b"", 0, -1, 0)
    # The first is right if the record is longer than usual, the second if bytes precede the zip.
    for place in (claimed, at - spec.END_64.size) if disks else ():
        record = file.read_at(place, spec.END_64.size) if 0 <= place < end.position else b""
        if len(record) == spec.END_64.size and record[:4] == _END_64_SIGNATURE:
            _, length, *_, here_disk, first_disk, here, entries, size, start = spec.END_64.unpack(record)
            is_plain = (
                end.is_plain
                and (disk, here_disk, first_disk, disks, here) == (0, 0, 0, 1, entries)
                and (claimed, place + 12 + length) == (start + size, at)
                and end.entries in (entries, spec.LIMIT_ENTRIES)
                and end.size in (size, spec.LIMIT)
                and end.start in (start, spec.LIMIT)
            )
            return EndRecord(place, entries, size, start, end.surplus, is_plain)
    is_plain = end.is_plain and end.entries != spec.LIMIT_ENTRIES and spec.LIMIT not in (end.size, end.start)
    return end.replace(is_plain=is_plain)
