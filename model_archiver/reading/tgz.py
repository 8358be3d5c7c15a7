"""``.tar.gz`` archives: one gzip member (RFC 1952) with a tar: POSIX ustar and pax, and GNU's long names and sizes."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import PurePosixPath

from model_archiver.core.manifest import MANIFEST_PATH
from model_archiver.core.record import Record
from model_archiver.core.request import ArchiveFormat
from model_archiver.core.sums import crc32
from model_archiver.core.text import counted
from model_archiver.reading import archive as base

_HEADER = struct.Struct("<2s2BL2B")
_TRAILER = struct.Struct("<2L")
_HEADER_CRC, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16

_TAR_BLOCK = 512
_OLD_FILE = b"\0"  # or a folder, if a slash ends the name
_FILES = (b"0", _OLD_FILE, b"7")
_FOLDER = b"5"
_SPARSE = b"S"
_NO_DATA = (b"1", b"2", b"3", b"4", b"6")  # links, devices and pipes, whatever size they state
_PAX = (b"x", b"X")
_GLOBAL_PAX = b"g"
_GNU_LONG_NAME = b"L"
_GNU_LONG_LINK = b"K"
_PAX_SPARSE = b"GNU.sparse."
_ALL = 1 << 62  # bytes: more than any file has
_LARGEST_EXTENSION = 1 << 16
_MOST_HEADERS = 16

# The forms that TorchServe's commons-compress, Python's tarfile and the tar programs read alike. With any other form,
# one of them fails, or takes another name, size or number than the others.
_NUMBERS = ((100, 108), (108, 116), (116, 124), (124, 136), (136, 148), (329, 337), (337, 345))
_NUMBER = re.compile(rb"(?s: *[0-7]+[ \0]*|[ \0]*|\x80\0*.{,6}|\xff{6}.{6})")
_PAX_RECORD = re.compile(
    rb"(?s:path=.+|size=\d{1,18}|[ug]id=-?\d{1,18}|(?:[acm]time|LIBARCHIVE\.creationtime)=-?\d{1,12}(?:\.\d+)?"
    rb"|(?:comment|hdrcharset|linkpath|[ug]name|SCHILY\.(?:dev|fflags|ino|nlink)|GNU\.sparse\.[^=]+"
    rb"|(?:LIBARCHIVE|SCHILY)\.(?:acl|xattr)\.[^=]+|RHT\.security\.[^=]+)=.*)\n"
)


class TgzArchive(base.Archive):
    """A ``.tar.gz`` file."""

    archive_format = ArchiveFormat.TGZ

    def members(self, context: base.ReadContext) -> Iterator[base.FoundMember]:
        """Yield the files and folders, up to the first damage; raise OtherLayoutError for the layout of SageMaker."""
        served = PurePosixPath if self.layout else _served_path
        has_manifest = False
        with base.open_source(self._source, context.progress) as file:
            try:
                stream = _GzipStream(file, context)
                while (header := _read_header(stream)) is not None:
                    context.reserve(header.size)
                    name = header.name.decode("utf-8", "surrogateescape")
                    has_manifest |= str(_served_path(name)) == MANIFEST_PATH
                    if name == MANIFEST_PATH and not has_manifest and not self.layout:
                        self.layout = "sagemaker"
                        raise base.OtherLayoutError
                    if header.kind in _FILES:
                        blocks = _blocks(stream, header.size)
                        yield base.FoundMember(name, served(name), blocks, executable=header.executable)
                    elif header.kind == _FOLDER:  # without data
                        yield base.FoundMember(f"{name.rstrip('/')}/", served(name), iter(()), executable=True)
                    else:
                        message = "is a link, a device or a sparse file, which servers do not restore"
                        context.problems.error("entry-link", message, "pack the file itself", path=name)
                        stream.skip(header.size)
                    stream.skip(-header.size % _TAR_BLOCK)  # up to the next header
                if sum(len(block.strip(b"\0")) for block in stream.blocks(_ALL)):
                    context.problems.error("archive-trailing", "has data after the end of the tar", base.FETCH_AGAIN)
                stream.check_end()
            except base.DamageError as damage:
                context.problems.extend(damage.problems)


def _blocks(stream: _GzipStream, size: int) -> Iterator[bytes]:
    left = size
    for block in stream.blocks(size):
        left -= len(block)
        yield block
    if left:
        raise base.DamageError("entry-damaged", "the data is truncated")


def _served_path(name: str) -> PurePosixPath:
    """Return where servers put a member: they drop everything up to and including the first slash."""
    return PurePosixPath(name[name.find("/") + 1 :])


class _GzipStream:
    """What the first member of a gzip file unpacks to, in pieces; TorchServe silently drops what follows it."""

    def __init__(self, file: base.ArchiveFile, context: base.ReadContext) -> None:
        """Read the header; raise DamageError if it is damaged."""
        self._file = file
        self._context = context
        self._deflated = base.DeflatedRange(file, _data_start(file), file.size)
        self._inflated = iter(self._deflated)
        self._rest = b""
        self._crc32 = 0
        self._size = 0

    def blocks(self, count: int) -> Iterator[bytes]:
        """Yield the next `count` bytes, block by block; fewer only at the end."""
        while count:
            if not self._rest:
                self._rest = next(self._inflated, b"")  # and nothing after damage
                if not self._rest:
                    return
                self._context.consume(len(self._rest))
                self._crc32 = crc32(self._rest, self._crc32)
                self._size += len(self._rest)
            block, self._rest = self._rest[:count], self._rest[count:]
            count -= len(block)
            yield block

    def read(self, count: int) -> bytes:
        """Return the next `count` bytes; fewer only at the end."""
        return b"".join(self.blocks(count))

    def skip(self, count: int) -> None:
        """Skip the next `count` bytes."""
        for _ in self.blocks(count):
            pass

    def check_end(self) -> None:
        """Check what follows the stream, once all of it was read; raise DamageError if anything is wrong."""
        trailer = self._file.read_at(self._deflated.end, _TRAILER.size)
        if len(trailer) < _TRAILER.size:
            raise base.DamageError("archive-cut", "the archive is truncated")
        if _TRAILER.unpack(trailer) != (self._crc32, self._size & 0xFFFFFFFF):
            raise base.DamageError("archive-damaged", "CRC-32 or size mismatch: the gzip data is damaged")
        end = self._deflated.end + _TRAILER.size
        if self._file.read_at(end, 2) == b"\x1f\x8b":
            message = "has several gzip members, but the server reads only the first"
            raise base.DamageError("gzip-members", message, "compress the tar as one gzip member")
        if end < self._file.size:
            raise base.DamageError("archive-trailing", f"has {counted(self._file.size - end, 'byte')} after its end")


def _data_start(file: base.ArchiveFile) -> int:
    """Return where the deflate stream begins."""
    damage = base.DamageError("archive-damaged", "the gzip header is damaged")
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

    name: bytes
    kind: bytes  # the type flag; that of GNU's sparse files for all of which the data is not the content
    size: int  # of the data, in bytes
    executable: bool


def _read_header(stream: _GzipStream) -> _TarHeader | None:
    """Return the header of the next member, or None at the end of the tar; raise DamageError if it is damaged."""
    extended: dict[bytes, bytes] | None = None
    for number in range(_MOST_HEADERS):
        block = stream.read(_TAR_BLOCK)
        if len(block) < _TAR_BLOCK:
            raise base.DamageError("archive-cut", "the archive is truncated or damaged")
        if not block.strip(b"\0"):
            if number:
                raise _ambiguity(b"the end")
            return None
        header = _parse_header(block)
        if header.kind not in (*_PAX, _GLOBAL_PAX, _GNU_LONG_NAME, _GNU_LONG_LINK):
            return _extend(header, extended or {})
        fields = _read_extension(stream, header)
        if header.kind == _GLOBAL_PAX and fields.keys() - {b"comment"}:
            raise _ambiguity(header.name)
        if header.kind in (*_PAX, _GNU_LONG_NAME):
            if extended is not None:
                raise _ambiguity(header.name)
            extended = fields
    raise base.DamageError("archive-damaged", f"a member has {_MOST_HEADERS} headers or more")


def _parse_header(block: bytes) -> _TarHeader:
    """Return what one block says; raise DamageError if it is damaged, or if readers differ about it."""
    unsigned = 256 + sum(block[:148]) + sum(block[156:])
    signed = unsigned - 256 * sum(byte > 127 for byte in block[:148] + block[156:])
    if not _NUMBER.fullmatch(block[148:156]) or _number(block[148:156]) not in (unsigned, signed):
        raise base.DamageError("archive-damaged", "checksum mismatch in a tar header")
    kind, plain = block[156:157], block[:100].split(b"\0")[0]
    prefix = block[345:500].split(b"\0")[0] if block[257:263] == b"ustar\0" else b""
    name = prefix + b"/" + plain if prefix else plain
    if (
        # Servers take these bytes for the beginning of the name, other readers for times or for nothing.
        (block[345 + len(prefix) :].strip(b"\0") and kind != _SPARSE)
        or block[124] == 0xFF
        or not all(_NUMBER.fullmatch(block[start:end]) for start, end in _NUMBERS)
        or (name.endswith(b"/") and (kind in (_GNU_LONG_NAME, _GNU_LONG_LINK) or (kind == _OLD_FILE and not plain)))
    ):
        raise _ambiguity(name)
    is_executable = bool(_number(block[100:108]) & 0o100)
    return _TarHeader(name, kind, _number(block[124:136]), is_executable)


def _extend(header: _TarHeader, extended: dict[bytes, bytes]) -> _TarHeader:
    """Return the header of a member with the fields of the header before it, which count more."""
    name = extended.get(b"path", header.name)
    size = int(extended.get(b"size", header.size))
    is_old_folder = header.kind == _OLD_FILE and header.name.endswith(b"/")
    if size if header.kind == _FOLDER else name.endswith(b"/") != is_old_folder:
        raise _ambiguity(name)
    kind = _SPARSE if any(field.startswith(_PAX_SPARSE) for field in extended) else header.kind
    return header.replace(name=name, size=0 if header.kind in _NO_DATA else size, kind=kind)


def _read_extension(stream: _GzipStream, header: _TarHeader) -> dict[bytes, bytes]:
    """Return the fields in the data of a header that only describes other members."""
    if header.size > _LARGEST_EXTENSION:
        raise base.DamageError("archive-damaged", "a tar header is too large")
    data = stream.read(header.size + -header.size % _TAR_BLOCK)
    name, is_pax = data.rstrip(b"\0"), header.kind in (*_PAX, _GLOBAL_PAX)
    # Python reads on after the data.
    if data[header.size :].strip(b"\0") or not (is_pax or (name and b"\0" not in name)):
        raise _ambiguity(name)
    return _pax_fields(data[: header.size]) if is_pax else {b"path": name}


def _pax_fields(data: bytes) -> dict[bytes, bytes]:
    fields, start = {}, 0
    while start < len(data):
        length, space, _ = data[start : start + 9].partition(b" ")
        if not space or not length.isdigit() or not len(length) < int(length) <= len(data) - start:
            raise base.DamageError("archive-damaged", "a pax header is damaged")
        record = data[start + len(length) + 1 : start + int(length)]
        if not _PAX_RECORD.fullmatch(record):
            raise _ambiguity(record)
        start += int(length)
        name, _, fields[name] = record[:-1].partition(b"=")
    return fields


def _number(field: bytes) -> int:
    """Return a number in octal digits or, if it is large, in base 256."""
    return int.from_bytes(field[1:], "big") if field[0] & 0x80 else int(field.strip(b" \0") or b"0", 8)


def _ambiguity(text: bytes) -> base.DamageError:
    """Return the error of a header that programs read in different ways, with a name or a field of it."""
    near = text[:50].decode(errors="replace").strip()
    return base.DamageError("headers-differ", f"programs read a tar header in different ways, near {near!r}")
