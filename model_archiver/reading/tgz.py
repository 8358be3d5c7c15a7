"""The headers of a tar: POSIX ustar and pax, and GNU's long names and large numbers."""

from __future__ import annotations

import tarfile
from pathlib import PurePosixPath

from model_archiver.core.record import Record
from model_archiver.core.request import ArchiveFormat
from model_archiver.reading.archive import AGAIN, DamageError, FoundMember, opened
from model_archiver.reading.gzip_stream import GzipStream

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from model_archiver.core.plan import FileSource
    from model_archiver.reading.archive import Content, Reading

FILE_KINDS = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.CONTTYPE)
_LONGEST_HEADER = 1 << 16
_MOST_HEADERS = 16
_NOT_PLAIN = "GNU.sparse."


class TarHeader(Record):
    """What stands before a member's data.

    Attributes:
        name: as it is written; what is not UTF-8 stays visible as such.
        kind: one of tarfile's types.
        size: of the data, in bytes.
        executable: whether its owner may execute it.
        is_sparse: the data is not what the file holds.
    """

    name: str
    kind: bytes
    size: int
    executable: bool
    is_sparse: bool


def read_header(stream: GzipStream) -> TarHeader | None:
    """The next member's header; None at the end of the archive.

    Raises:
        DamageError: there is none, or it is damaged.
    """
    told: dict[str, bytes] = {}
    for _ in range(_MOST_HEADERS):
        block = stream.take(tarfile.BLOCKSIZE)
        if not block.strip(b"\0") and len(block) == tarfile.BLOCKSIZE:
            return None
        _check_sum(block)
        kind, size = block[156:157], _number(block[124:136])
        if kind in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
            told.update(_pax_fields(_extension(stream, size)))
        elif kind == tarfile.GNUTYPE_LONGNAME:
            told["path"] = _extension(stream, size).rstrip(b"\0")
        elif kind == tarfile.XGLTYPE:
            _check_global(_pax_fields(_extension(stream, size)))
        elif kind == tarfile.GNUTYPE_LONGLINK:
            _extension(stream, size)
        else:
            return _header(block, kind, size, told)
    raise _damage("one of its members has far too many headers")


def padding(size: int) -> int:
    """How many bytes follow data of this size up to the next header."""
    return -size % tarfile.BLOCKSIZE


def _header(block: bytes, kind: bytes, size: int, told: dict[str, bytes]) -> TarHeader:
    if "size" in told:
        if not told["size"].isdigit() or len(told["size"]) > 20:
            raise _damage("the size of one of its files is none")
        size = int(told["size"])
    _check_prefix(block, kind)
    name = (told.get("path") or _name(block)).decode("utf-8", "surrogateescape")
    is_sparse = kind == tarfile.GNUTYPE_SPARSE or any(field.startswith(_NOT_PLAIN) for field in told)
    if kind not in (*FILE_KINDS, tarfile.GNUTYPE_SPARSE) and kind in tarfile.SUPPORTED_TYPES:
        size = 0  # whatever they say: links, folders and devices have no data
    return TarHeader(name, kind, size, bool(_number(block[100:108]) & 0o100), is_sparse)


def _check_global(fields: dict[str, bytes]) -> None:
    """Refuse what is said of all members that follow, which some readers heed and others do not."""
    for field in fields.keys() - {"comment"}:
        raise DamageError("headers-differ", f"one of its headers says the {field} of all files behind it", AGAIN)


def _check_prefix(block: bytes, kind: bytes) -> None:
    """Refuse what the server takes for the beginning of a name, and others for times or for nothing."""
    if block[345:500].strip(b"\0") and not _is_ustar(block) and kind != tarfile.GNUTYPE_SPARSE:
        raise DamageError("headers-differ", "a header holds bytes that some readers add to the name", AGAIN)


def _is_ustar(block: bytes) -> bool:
    return block[257:263] == b"ustar\0"


def _name(block: bytes) -> bytes:
    name = _text(block[0:100])
    prefix = _text(block[345:500]) if _is_ustar(block) else b""
    return prefix + b"/" + name if prefix else name


def _extension(stream: GzipStream, size: int) -> bytes:
    """What a header that only tells of the next one holds."""
    if size > _LONGEST_HEADER:
        raise _damage("one of its headers is far too large")
    data = stream.take(size + padding(size))
    return data[:size]


def _pax_fields(data: bytes) -> dict[str, bytes]:
    fields, start = {}, 0
    while start < len(data):
        length, blank, _ = data[start : start + 9].partition(b" ")
        if not blank or not length.isdigit() or not len(length) < int(length) <= len(data) - start:
            raise _damage("one of its pax headers is damaged")
        record = data[start + len(length) + 1 : start + int(length)]
        start += int(length)
        name, _, value = record.removesuffix(b"\n").partition(b"=")
        fields[name.decode("utf-8", "surrogateescape")] = value
    return fields


def _check_sum(block: bytes) -> None:
    if not block:
        raise DamageError("archive-cut", "its end is missing", AGAIN)
    if len(block) < tarfile.BLOCKSIZE:
        raise DamageError("archive-cut", "ends in the midst of a header", AGAIN)
    unsigned = 256 + sum(block[:148]) + sum(block[156:])
    signed = unsigned - 256 * sum(byte > 127 for byte in block[:148] + block[156:])
    if _number(block[148:156]) not in (unsigned, signed):
        raise _damage("one of its headers is damaged")


def _number(field: bytes) -> int:
    """A number, in octal digits or, where it is large, in base 256."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = _text(field).strip(b" ")
    if digits.strip(b"01234567"):
        raise _damage("one of its headers holds no number where one must be")
    return int(digits or b"0", 8)


def _text(field: bytes) -> bytes:
    return field.split(b"\0", 1)[0]


def _damage(message: str) -> DamageError:
    return DamageError("archive-damaged", message, AGAIN)


class TgzArchive:
    """A ``.tar.gz`` file."""

    archive_format = ArchiveFormat.TGZ

    def __init__(self, source: FileSource) -> None:
        self._source = source

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._source.path

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self._source.size

    def members(self, reading: Reading) -> Iterator[FoundMember]:
        """The files and folders, as they stand one behind the other; behind damage nothing can be found."""
        with opened(self._source, reading.progress) as file:
            try:
                stream = GzipStream(file, reading.limit)
                while (header := read_header(stream)) is not None:
                    reading.limit.reserve(header.size)
                    if header.kind in FILE_KINDS and not header.is_sparse:
                        name = header.name
                        yield FoundMember(name, _served_path(name), header.executable, _data(stream, header))
                    else:
                        yield from _other(header, reading)
                        stream.take_away(header.size)
                    if stream.is_broken:  # which was told with the file that it was met in
                        return
                    stream.take_away(padding(header.size))
                if not stream.is_zero_to_its_end():
                    reading.problems.error("archive-trailing", "more follows the end of its tar", AGAIN)
                stream.check_end()
            except DamageError as damage:
                reading.problems.extend(damage.problems)

    def read_index(self, reading: Reading) -> Content | None:  # noqa: ARG002 - the shape of every archive
        """Nothing: all of it must be unpacked to know where anything is."""
        return None


def _other(header: TarHeader, reading: Reading) -> Iterator[FoundMember]:
    """What is not a file: a folder, or something that no archive may hold."""
    if header.kind == tarfile.DIRTYPE:
        name = f"{header.name.rstrip('/')}/"
        yield FoundMember(name, _served_path(name), executable=True, content=iter(()))
    else:
        message = "is a link, a device or a sparse file, of which the server makes something else"
        reading.problems.error("entry-link", message, "pack the file itself", path=header.name)


def _data(stream: GzipStream, header: TarHeader) -> Iterator[bytes]:
    left = header.size
    for block in stream.blocks(header.size):
        left -= len(block)
        yield block
    if left:
        raise DamageError("entry-damaged", "its end is missing", AGAIN)


def _served_path(name: str) -> PurePosixPath:
    """Where the server puts a member: what stands before the first slash, and the slash, do not count."""
    return PurePosixPath(name[name.find("/") + 1 :])
