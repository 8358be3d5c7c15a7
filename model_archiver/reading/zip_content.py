"""The data of a zip's entries, under the rules by which Java's ``ZipInputStream`` takes or refuses it."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from model_archiver.formats.digests import crc32
from model_archiver.formats.zip_records import DEFLATED, LIMIT, STORED
from model_archiver.reading.archive import AGAIN, DamageError
from model_archiver.reading.archive_file import ArchiveFile
from model_archiver.reading.inflating import DeflatedStretch
from model_archiver.reading.zip_headers import DESCRIPTOR, ENCRYPTED, LocalHeader

_METHODS = {9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "zstd", 95: "xz"}
_REPACK = "package the model again: the servers unpack stored and deflated entries only"
_DESCRIPTOR_SIGNATURE = b"PK\x07\x08"


class EntryContent:
    """The data of one entry.

    Attributes:
        end: where it ends, its descriptor included; right when all of it was read.
        packed: the bytes of the data; right then too.
        told: the numbers by which the entry was checked, as (CRC-32, packed, size).
    """

    def __init__(self, file: ArchiveFile, header: LocalHeader, limit: int) -> None:
        """Take an entry.

        Args:
            file: the archive.
            header: what stands before the data.
            limit: where the next entry, or the central directory, begins.
        """
        self._file = file
        self._header = header
        self._limit = limit
        self._crc32 = 0
        self._size = 0
        self.packed = 0
        self.end = header.data
        self.told = header.told.numbers

    def __iter__(self) -> Iterator[bytes]:
        """The entry unpacked.

        Raises:
            DamageError: the server would not take it, or it does not end before the limit.
        """
        self._check_kind()
        told = self._header.told
        for block in self._deflated() if told.method == DEFLATED else self._stored():
            self._crc32 = crc32(block, self._crc32)
            self._size += len(block)
            if self._size > told.size and not told.flags & DESCRIPTOR:
                break
            yield block
        if told.flags & DESCRIPTOR:
            self._read_descriptor()
        self._check_numbers()

    def _check_kind(self) -> None:
        told = self._header.told
        if told.flags & ENCRYPTED:
            raise DamageError("entry-method", "is encrypted", "package the model again, without a password")
        if told.method not in (STORED, DEFLATED):
            name = _METHODS.get(told.method, f"number {told.method}")
            raise DamageError("entry-method", f"is compressed by a method that no server knows ({name})", _REPACK)
        if told.flags & DESCRIPTOR and told.method == STORED:
            raise DamageError("entry-descriptor", "is stored, and its sizes come only behind its data", _REPACK)
        if not told.flags & DESCRIPTOR and self._header.data + told.packed > self._limit:
            raise DamageError("entry-damaged", "its data runs into what follows, or beyond the end", AGAIN)

    def _stored(self) -> Iterator[bytes]:
        told = self._header.told
        self.packed = told.packed
        self.end = self._header.data + told.packed
        yield from self._file.stretch(self._header.data, self.end)

    def _deflated(self) -> Iterator[bytes]:
        told = self._header.told
        limit = self._limit if told.flags & DESCRIPTOR else self._header.data + told.packed
        stretch = DeflatedStretch(self._file, self._header.data, limit)
        yield from stretch
        self.end = stretch.end
        self.packed = stretch.end - self._header.data

    def _read_descriptor(self) -> None:
        """Read what follows the data of an entry whose header could not know it.

        The server takes numbers of 64 bits if, and only if, the entry has 4 GiB or more.
        """
        records = self._file.at(self.end, 24)
        signed = records[:4] == _DESCRIPTOR_SIGNATURE
        layout = struct.Struct("<L2Q" if max(self.packed, self._size) > LIMIT else "<3L")
        if not signed:
            records = records[: layout.size]
        start = 4 if signed else 0
        if len(records) < start + layout.size or self.end + start + layout.size > self._limit:
            raise DamageError("archive-cut", "what follows its data is missing", AGAIN)
        self.told = layout.unpack_from(records, start)
        if signed and layout.size == 12 and records[4:] == struct.pack("<L2Q", *self._found):
            raise DamageError("entry-descriptor", "has a ZIP64 data descriptor, and less than 4 GiB", _REPACK)
        self.end += start + layout.size

    @property
    def _found(self) -> tuple[int, int, int]:
        return self._crc32, self.packed, self._size

    def _check_numbers(self) -> None:
        if self._found == self.told:
            return
        if self._size != self.told[2]:
            message = f"unpacks to another size than the {self.told[2]} bytes it says"
        elif self.packed != self.told[1]:
            message = f"has {self.packed} bytes of data, and its header says {self.told[1]}"
        else:
            message = "its content is damaged: its CRC-32 is another one"
        raise DamageError("entry-damaged", message, AGAIN)
