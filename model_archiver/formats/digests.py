"""Checksums of what streams by."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass

_SMALL = 1 << 16


@dataclass(frozen=True)
class Digests:
    """The checksums of a member.

    Attributes:
        sha256: as hexadecimal digits.
        crc32: as in zip and gzip.
    """

    sha256: str
    crc32: int


class RunningDigests:
    """The checksums of a stream, block by block."""

    def __init__(self) -> None:
        self._sha256 = hashlib.sha256()
        self._crc32 = 0

    def update(self, block: bytes | memoryview) -> None:
        """Take the next block."""
        self._sha256.update(block)
        self._crc32 = crc32(block, self._crc32)

    def result(self) -> Digests:
        """The checksums of all blocks."""
        return Digests(self._sha256.hexdigest(), self._crc32)


def digests_of(data: bytes) -> Digests:
    """The checksums of a whole."""
    digests = RunningDigests()
    digests.update(data)
    return digests.result()


def crc32(block: bytes | memoryview, value: int = 0) -> int:
    """The CRC-32, by ISA-L where it is worth its import and there."""
    if len(block) < _SMALL:
        return zlib.crc32(block, value)
    from model_archiver.formats.deflate import engine  # noqa: PLC0415 - see above

    checksum: int = engine().crc32(block, value)
    return checksum
