"""Raw deflate, unpacked in bounded memory.

The servers unpack with zlib, so this does too: a faster engine may take streams that zlib refuses.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from model_archiver.reading.archive import AGAIN, DamageError
from model_archiver.reading.archive_file import BLOCK, ArchiveFile

_RAW = -15


class DeflatedStretch:
    """A deflate stream that begins at one place of a file and ends before another.

    Attributes:
        end: where it ended; right when all of it was read.
    """

    def __init__(self, file: ArchiveFile, start: int, limit: int) -> None:
        self.end = start
        self._start = start
        self._blocks = file.stretch(start, limit)

    def __iter__(self) -> Iterator[bytes]:
        """What it unpacks to.

        Raises:
            DamageError: it is none, or goes on beyond its limit.
        """
        inflater = zlib.decompressobj(_RAW)
        taken, data, is_full = 0, b"", False
        while not inflater.eof:
            if not data and not is_full:
                data = next(self._blocks, b"")
                taken += len(data)
                if not data:
                    raise DamageError("entry-damaged", "its compressed data does not end where it must", AGAIN)
            try:
                unpacked = inflater.decompress(data, BLOCK)
            except zlib.error as error:
                raise DamageError("entry-damaged", f"its compressed data is damaged ({error})", AGAIN) from None
            data, is_full = inflater.unconsumed_tail, len(unpacked) == BLOCK
            # At the end, what is left is in both of them, or in the first only.
            self.end = self._start + taken - len(inflater.unused_data if inflater.eof else data)
            if unpacked:
                yield unpacked
