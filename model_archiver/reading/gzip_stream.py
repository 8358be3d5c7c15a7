"""The one gzip member that a ``.tar.gz`` is, as a stream of unpacked bytes.

TorchServe reads the first member only and takes what follows it for nothing: what naive parallel gzip writes is cut.
"""

from __future__ import annotations

import struct

from model_archiver.core.sums import crc32
from model_archiver.reading.archive import AGAIN, BLOCK, DamageError, DeflatedRange

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.reading.archive import ArchiveFile, UnpackLimit

_HEADER = struct.Struct("<2s2BL2B")
_TRAILER = struct.Struct("<2L")
_HEADER_CRC, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16


class GzipStream:
    """What a gzip file unpacks to, to be taken in pieces.

    Attributes:
        is_broken: damage was met, behind which nothing can be read.
    """

    def __init__(self, file: ArchiveFile, limit: UnpackLimit) -> None:
        """Begin at the beginning.

        Raises:
            DamageError: the header is damaged.
        """
        self._file = file
        self._limit = limit
        self._deflated = DeflatedRange(file, _data_start(file), file.size)
        self._blocks = iter(self._deflated)
        self._rest = b""
        self._crc32 = 0
        self._size = 0
        self.is_broken = False

    def take(self, count: int) -> bytes:
        """Some bytes; fewer only at the end."""
        return b"".join(self.blocks(count))

    def blocks(self, count: int) -> Iterator[bytes]:
        """As many bytes, block by block; fewer only at the end.

        Raises:
            DamageError: the stream is damaged.
            TooLargeError: it unpacks to more than it may.
        """
        while count:
            if not self._rest:
                self._rest = self._next()
                if not self._rest:
                    return
            block, self._rest = self._rest[:count], self._rest[count:]
            count -= len(block)
            yield block

    def _next(self) -> bytes:
        try:
            block = next(self._blocks, b"")
        except DamageError:
            self.is_broken = True
            raise
        self._limit.consume(len(block))
        self._crc32 = crc32(block, self._crc32)
        self._size += len(block)
        return block

    def take_away(self, count: int) -> None:
        """Pass over some bytes."""
        for _ in self.blocks(count):
            pass

    def is_zero_to_its_end(self) -> bool:
        """Whether nothing but zeros is left; afterwards nothing is."""
        is_zero = True
        while block := self.take(BLOCK):
            is_zero = is_zero and not block.strip(b"\0")
        return is_zero

    def check_end(self) -> None:
        """Check what stands behind the stream, all of which was taken.

        Raises:
            DamageError: its checksum differs, it is cut short, or something follows it.
        """
        trailer = self._file.at(self._deflated.end, _TRAILER.size)
        if len(trailer) < _TRAILER.size:
            raise DamageError("archive-cut", "its end is missing", AGAIN)
        if _TRAILER.unpack(trailer) != (self._crc32, self._size & 0xFFFFFFFF):
            raise DamageError("archive-damaged", "it is damaged: its CRC-32 or its size is another one", AGAIN)
        end = self._deflated.end + _TRAILER.size
        if self._file.at(end, 2) == b"\x1f\x8b":
            message = "is made of several gzip members, of which the server reads the first only"
            raise DamageError("gzip-members", message, "compress it in one piece")
        if end < self._file.size:
            raise DamageError("archive-trailing", f"{self._file.size - end} bytes follow its end", AGAIN)


def _data_start(file: ArchiveFile) -> int:
    """Where the deflate stream begins."""
    header = file.at(0, _HEADER.size)
    if len(header) < _HEADER.size or header[:3] != b"\x1f\x8b\x08" or header[3] > 0x1F:
        raise DamageError("archive-damaged", "its gzip header is damaged", AGAIN)
    flags, start = header[3], _HEADER.size
    if flags & _EXTRA:
        start += 2 + int.from_bytes(file.at(start, 2), "little")
    for flag in (_NAME, _COMMENT):
        if flags & flag:
            start += _text_length(file, start) + 1
    if flags & _HEADER_CRC:
        if file.at(start, 2) != struct.pack("<H", crc32(file.at(0, start), 0) & 0xFFFF):
            raise DamageError("archive-damaged", "its gzip header is damaged", AGAIN)
        start += 2
    return start


def _text_length(file: ArchiveFile, start: int) -> int:
    length = file.at(start, 1 << 16).find(b"\0")
    if length < 0:
        raise DamageError("archive-damaged", "its gzip header is damaged", AGAIN)
    return length
