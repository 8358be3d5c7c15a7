"""Checksums of what goes into an archive."""

from __future__ import annotations

import errno
import hashlib
import os

from model_archiver.core.sums import crc32, sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import BinaryIO

    from model_archiver.core.plan import FileSource
    from model_archiver.writing.deflate import Workers
    from model_archiver.writing.os_calls import OutputFile


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
    buffer = memoryview(bytearray(READ_SIZE))
    left = source.size
    with source.open() as file:
        while left and not workers.stopped:
            count = file.readinto(buffer[: min(left, READ_SIZE)])  # type: ignore[attr-defined]
            if not count:
                raise source.truncated()
            update(buffer[:count])
            left -= count


SMALL = 1 << 18
"""Up to this size, in bytes, a file is read whole: threads and system calls would cost more than they bring."""

READ_SIZE = 1 << 20
_KERNEL_STRETCH = 1 << 24
_NOT_HERE = {
    errno.ENOSYS,
    errno.EXDEV,
    errno.EINVAL,
    errno.EOPNOTSUPP,
    errno.EPERM,
    errno.EBADF,
    errno.ETXTBSY,
}


def read_whole(source: FileSource) -> bytes:
    """All of a small file."""
    with source.open() as file:
        return b"".join(_blocks(source, file))


def read_blocks(source: FileSource, workers: Workers) -> Iterator[bytes]:
    """A file, block by block."""
    with source.open() as file:
        for block in _blocks(source, file):
            yield block
            workers.progress(len(block))


def _blocks(source: FileSource, file: BinaryIO) -> Iterator[bytes]:
    left = source.size
    while left:
        block = file.read(min(READ_SIZE, left))
        if not block:
            raise source.truncated()
        left -= len(block)
        yield block


def copy(source: FileSource, output: OutputFile, workers: Workers) -> str:
    """Copy a file to where the output stands, which is then behind it; its SHA-256.

    Args:
        source: the file.
        output: the file under construction.
        workers: compute the checksum of a large file meanwhile.
    """
    if source.size <= SMALL:
        data = read_whole(source)
        output.write(data)
        workers.progress(len(data))
        return sha256(data)
    digest = workers.hashing.submit(file_sha256, source, workers)
    with workers.settling(digest), source.open() as file:
        _copy_large(source, file, output, workers)
        return workers.result(digest)


def _copy_large(source: FileSource, file: BinaryIO, output: OutputFile, workers: Workers) -> None:
    to = output.file
    start = to.tell()
    to.flush()
    copied = 0
    while copied < source.size:
        count = _copy_stretch(file, to, source.size - copied, copied, start + copied)
        if not count:
            raise source.truncated()
        copied += count
        to.seek(start + copied)
        output.write_back()
        workers.progress(count)


def _copy_stretch(file: BinaryIO, output: BinaryIO, left: int, offset: int, to: int) -> int:
    """Copy some bytes; their number, which is 0 only at the end of the file."""
    if hasattr(os, "copy_file_range"):
        try:
            iter_range = min(left, _KERNEL_STRETCH)
            count = os.copy_file_range(file.fileno(), output.fileno(), iter_range, offset, to)
        except OSError as error:
            if error.errno not in _NOT_HERE:
                raise
            count = 0
        if count:
            return count
    file.seek(offset)
    output.seek(to)
    count = output.write(file.read(min(left, READ_SIZE)))
    output.flush()
    return count
