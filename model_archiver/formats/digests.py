"""Checksums of what goes into an archive."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable

from model_archiver.formats.deflate import engine
from model_archiver.formats.workers import Workers
from model_archiver.planning.source import FileSource

_SMALL = 1 << 16
_READ_SIZE = 1 << 20


def sha256(data: bytes) -> str:
    """The SHA-256 of some bytes, as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def crc32(data: bytes | memoryview, value: int = 0) -> int:
    """The CRC-32 of some bytes that follow others, by ISA-L where that is worth its import."""
    checksum: int = (zlib if len(data) < _SMALL else engine().library).crc32(data, value)
    return checksum


def file_sha256(source: FileSource, workers: Workers) -> str:
    """The SHA-256 of a large file, as hexadecimal digits; it gives up when the build has failed."""
    digest = hashlib.sha256()
    _for_each_block(source, workers, digest.update)
    return digest.hexdigest()


def file_crc32(source: FileSource, workers: Workers) -> int:
    """The CRC-32 of a large file; it gives up when the build has failed."""
    value = 0

    def update(block: memoryview) -> None:
        nonlocal value
        value = crc32(block, value)

    _for_each_block(source, workers, update)
    return value


def _for_each_block(source: FileSource, workers: Workers, update: Callable[[memoryview], object]) -> None:
    buffer = memoryview(bytearray(_READ_SIZE))
    left = source.size
    with source.open() as file:
        while left and not workers.stopped:
            count = file.readinto(buffer[: min(left, _READ_SIZE)])  # type: ignore[attr-defined]
            if not count:
                raise source.cut_short()
            update(buffer[:count])
            left -= count
