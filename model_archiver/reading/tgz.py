"""``.tar.gz`` archives: one gzip member (RFC 1952) with a tar: POSIX ustar and pax, and GNU's long names and sizes."""

from __future__ import annotations

import struct
from pathlib import PurePosixPath

from model_archiver.core.record import Record
from model_archiver.core.request import ArchiveFormat
from model_archiver.core.sums import crc32
from model_archiver.core.text import counted
from model_archiver.reading.archive import FETCH_AGAIN, DamageError, DeflatedRange, FoundMember, open_source

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.core.plan import FileSource
    from model_archiver.reading.archive import ArchiveFile, Content, ReadContext, UnpackLimit

_HEADER = struct.Struct("<2s2BL2B")
_TRAILER = struct.Struct("<2L")
_HEADER_CRC, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16

_TAR_BLOCK = 512
_FILES = (b"0", b"\0", b"7")
_FOLDER = b"5"
_SPARSE = b"S"
_NO_DATA = (b"1", b"2", b"3", b"4", _FOLDER, b"6")  # links, devices, folders and pipes, whatever size they state
_PAX = (b"x", b"X")
_GLOBAL_PAX = b"g"
_GNU_LONG_NAME = b"L"
_GNU_LONG_LINK = b"K"
_PAX_SPARSE = "GNU.sparse."
_ALL = 1 << 62  # bytes: more than any file has
_LARGEST_EXTENSION = 1 << 16
_MOST_HEADERS = 16


class TgzArchive:
    """A ``.tar.gz`` file."""

    archive_format = ArchiveFormat.TGZ

    def __init__(self, source: FileSource) -> None:
        self.path = source.path
        self.size = source.size
        self._source = source

    def members(self, context: ReadContext) -> Iterator[FoundMember]:
        """Yield the files and folders, one behind the other; after damage nothing can be found."""
        with open_source(self._source, context.progress) as file:
            try:
                stream = _GzipStream(file, context.limit)
                while (header := _read_header(stream)) is not None:
                    context.limit.reserve(header.size)
                    if header.kind in _FILES and not header.is_sparse:
                        blocks = _blocks(stream, header.size)
                        yield FoundMember(header.name, _served_path(header.name), blocks, executable=header.executable)
                    else:
                        if header.kind == _FOLDER:
                            name = f"{header.name.rstrip('/')}/"
                            yield FoundMember(name, _served_path(name), iter(()), executable=True)
                        else:
                            message = "is a link, a device or a sparse file, which servers do not restore"
                            context.problems.error("entry-link", message, "pack the file itself", path=header.name)
                        stream.skip(header.size)
                    if stream.is_broken:  # the damage was reported with the file
                        return
                    stream.skip(_padding(header.size))
                if not stream.has_only_zeros_left():
                    context.problems.error("archive-trailing", "has data after the end of the tar", FETCH_AGAIN)
                stream.check_end()
            except DamageError as damage:
                context.problems.extend(damage.problems)

    def read_index(self, context: ReadContext) -> Content | None:  # noqa: ARG002 - as the interface requires
        """Return None: only unpacking shows where anything is."""
        return None


def _blocks(stream: _GzipStream, size: int) -> Iterator[bytes]:
    left = size
    for block in stream.blocks(size):
        left -= len(block)
        yield block
    if left:
        raise DamageError("entry-damaged", "the data is truncated")


def _served_path(name: str) -> PurePosixPath:
    """Return where servers put a member: they drop everything up to and including the first slash."""
    return PurePosixPath(name[name.find("/") + 1 :])


class _GzipStream:
    """What a gzip file unpacks to, read in pieces.

    TorchServe reads the first gzip member only, and silently drops what follows.
    """

    def __init__(self, file: ArchiveFile, limit: UnpackLimit) -> None:
        """Read the header; raise DamageError if it is damaged."""
        self._file = file
        self._limit = limit
        self._deflated = DeflatedRange(file, _data_start(file), file.size)
        self._inflated = iter(self._deflated)
        self._rest = b""
        self._crc32 = 0
        self._size = 0
        self.is_broken = False  # after damage nothing can be read

    def blocks(self, count: int) -> Iterator[bytes]:
        """Yield the next `count` bytes, block by block; fewer only at the end."""
        while count:
            if not self._rest:
                self._rest = self._next_block()
                if not self._rest:
                    return
            block, self._rest = self._rest[:count], self._rest[count:]
            count -= len(block)
            yield block

    def _next_block(self) -> bytes:
        try:
            block = next(self._inflated, b"")
        except DamageError:
            self.is_broken = True
            raise
        self._limit.consume(len(block))
        self._crc32 = crc32(block, self._crc32)
        self._size += len(block)
        return block

    def read(self, count: int) -> bytes:
        """Return the next `count` bytes; fewer only at the end."""
        return b"".join(self.blocks(count))

    def skip(self, count: int) -> None:
        """Skip the next `count` bytes."""
        for _ in self.blocks(count):
            pass

    def has_only_zeros_left(self) -> bool:
        """Read the rest, and return whether it has only zeros."""
        return not sum(len(block.strip(b"\0")) for block in self.blocks(_ALL))

    def check_end(self) -> None:
        """Check what follows the stream, once all of it was read; raise DamageError if anything is wrong."""
        trailer = self._file.read_at(self._deflated.end, _TRAILER.size)
        if len(trailer) < _TRAILER.size:
            raise DamageError("archive-cut", "the archive is truncated")
        if _TRAILER.unpack(trailer) != (self._crc32, self._size & 0xFFFFFFFF):
            raise DamageError("archive-damaged", "CRC-32 or size mismatch: the gzip data is damaged")
        end = self._deflated.end + _TRAILER.size
        if self._file.read_at(end, 2) == b"\x1f\x8b":
            message = "has several gzip members, but the server reads only the first"
            raise DamageError("gzip-members", message, "compress the tar as one gzip member")
        if end < self._file.size:
            raise DamageError("archive-trailing", f"has {counted(self._file.size - end, 'byte')} after its end")


def _data_start(file: ArchiveFile) -> int:
    """Return where the deflate stream begins."""
    damage = DamageError("archive-damaged", "the gzip header is damaged")
    header = file.read_at(0, _HEADER.size)
    if len(header) < _HEADER.size or header[:3] != b"\x1f\x8b\x08" or header[3] > 0x1F:
        raise damage
    flags, start = header[3], _HEADER.size
    if flags & _EXTRA:
        start += 2 + int.from_bytes(file.read_at(start, 2), "little")
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            length = file.read_at(start, 1 << 16).find(b"\0")
            if length < 0:
                raise damage
            start += length + 1
    if flags & _HEADER_CRC:
        if file.read_at(start, 2) != struct.pack("<H", crc32(file.read_at(0, start)) & 0xFFFF):
            raise damage
        start += 2
    return start


class _TarHeader(Record):
    """The header of a member."""

    name: str  # bytes that are not UTF-8 become lone surrogates
    kind: bytes  # the type flag
    size: int  # of the data, in bytes
    executable: bool
    is_sparse: bool  # whether the data is not the content of the file


def _read_header(stream: _GzipStream) -> _TarHeader | None:
    """Return the header of the next member, or None at the end of the tar; raise DamageError if it is damaged."""
    extended: dict[str, bytes] = {}
    for _ in range(_MOST_HEADERS):
        block = stream.read(_TAR_BLOCK)
        if len(block) < _TAR_BLOCK:
            raise DamageError("archive-cut", "the archive is truncated")
        if not block.strip(b"\0"):
            return None
        _check_sum(block)
        kind, size = block[156:157], _number(block[124:136])
        if kind in _PAX:
            extended.update(_pax_fields(_extension(stream, size)))
        elif kind == _GNU_LONG_NAME:
            extended["path"] = _extension(stream, size).rstrip(b"\0")
        elif kind == _GLOBAL_PAX:
            for field in _pax_fields(_extension(stream, size)).keys() - {"comment"}:
                # Some readers apply it, others do not.
                raise DamageError("headers-differ", f"a pax header sets the {field} of all members after it")
        elif kind == _GNU_LONG_LINK:
            _extension(stream, size)
        else:
            return _parse_header(block, kind, size, extended)
    raise _damage(f"a member has {_MOST_HEADERS} headers or more")


def _padding(size: int) -> int:
    """Return how many bytes follow data of this size, up to the next header."""
    return -size % _TAR_BLOCK


def _parse_header(block: bytes, kind: bytes, size: int, extended: dict[str, bytes]) -> _TarHeader:
    if "size" in extended:
        if not extended["size"].isdigit() or len(extended["size"]) > 20:
            raise _damage("the size in a pax header is not a number")
        size = int(extended["size"])
    is_ustar = block[257:263] == b"ustar\0"
    if block[345:500].strip(b"\0") and not is_ustar and kind != _SPARSE:
        # Servers take it for the beginning of the name, other readers for times or for nothing.
        raise DamageError("headers-differ", "a tar header has bytes that only some readers add to the name")
    prefix = _until_zero(block[345:500]) if is_ustar else b""
    plain = _until_zero(block[0:100])
    name = extended.get("path") or (prefix + b"/" + plain if prefix else plain)
    return _TarHeader(
        name=name.decode("utf-8", "surrogateescape"),
        kind=kind,
        size=0 if kind in _NO_DATA else size,
        executable=bool(_number(block[100:108]) & 0o100),
        is_sparse=kind == _SPARSE or any(field.startswith(_PAX_SPARSE) for field in extended),
    )


def _extension(stream: _GzipStream, size: int) -> bytes:
    """Return the data of a header that only describes the next member."""
    if size > _LARGEST_EXTENSION:
        raise _damage("a tar header is too large")
    return stream.read(size + _padding(size))[:size]


def _pax_fields(data: bytes) -> dict[str, bytes]:
    fields, start = {}, 0
    while start < len(data):
        length, space, _ = data[start : start + 9].partition(b" ")
        if not space or not length.isdigit() or not len(length) < int(length) <= len(data) - start:
            raise _damage("a pax header is damaged")
        record = data[start + len(length) + 1 : start + int(length)]
        start += int(length)
        name, _, value = record.removesuffix(b"\n").partition(b"=")
        fields[name.decode("utf-8", "surrogateescape")] = value
    return fields


def _check_sum(block: bytes) -> None:
    unsigned = 256 + sum(block[:148]) + sum(block[156:])
    signed = unsigned - 256 * sum(byte > 127 for byte in block[:148] + block[156:])
    if _number(block[148:156]) not in (unsigned, signed):
        raise _damage("checksum mismatch in a tar header")


def _number(field: bytes) -> int:
    """Return a number in octal digits or, if it is large, in base 256."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = _until_zero(field).strip(b" ")
    if digits.strip(b"01234567"):
        raise _damage("a tar header has an invalid number")
    return int(digits or b"0", 8)


def _until_zero(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]


def _damage(message: str) -> DamageError:
    return DamageError("archive-damaged", message)
