"""Reading source files block by block, and letting the kernel copy them."""

from __future__ import annotations

import errno
import hashlib
import os
import sys

from model_archiver.core.running import no_progress
from model_archiver.core.sums import Crc32

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import BinaryIO

    from model_archiver.core.plan import FileSource
    from model_archiver.core.running import Progress
    from model_archiver.writing.deflate import Workers
    from model_archiver.writing.os_calls import OutputFile

# Up to this size, in bytes, a file is read whole: threads and system calls would cost more than they save.
SMALL = 1 << 18
_READ_SIZE = 1 << 20
_KERNEL_SIZE = 1 << 24
_FICLONE = 0x40049409  # of ioctl_ficlonerange(2)
# The errors with which kernels and file systems answer that they do not copy between these files.
_NOT_IN_KERNEL = {errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF, errno.ETXTBSY}


def read_blocks(source: FileSource, progress: Progress) -> Iterator[bytes]:
    """Yield the blocks of a file, and report progress after each."""
    left = source.size
    with source.open() as file:
        while left:
            block = file.read(min(_READ_SIZE, left))
            if not block:
                raise source.truncated()
            left -= len(block)
            yield block
            progress(len(block))


def _feed(source: FileSource, workers: Workers, update: Callable[[bytes], object]) -> None:
    """Call `update` with each block of a file, in a thread; stop early if the build has failed."""
    for block in read_blocks(source, no_progress):
        if workers.stopped:
            return
        update(block)


class _CopyProgress:
    """What is both copied and hashed of a file."""

    def __init__(self, progress: Progress) -> None:
        self.copied = self.hashed = 0
        self._progress = progress
        self._reported = 0

    def report(self) -> None:
        """Report what is new."""
        done = min(self.copied, self.hashed)
        new, self._reported = done - self._reported, done
        self._progress(new)


def copy(source: FileSource, output: OutputFile, workers: Workers, *, with_crc32: bool) -> tuple[str, int]:
    """Append a large file to the output, and return its SHA-256 and CRC-32; a CRC-32 that is not wanted is 0.

    Threads read the file for them at the same time: each read of what was just read costs little.
    """
    digest, checksum, done = hashlib.sha256(), Crc32(), _CopyProgress(workers.progress)

    def hash_block(block: bytes) -> None:
        digest.update(block)
        done.hashed += len(block)

    sums = [workers.hashing.submit(_feed, source, workers, hash_block)]
    if with_crc32:
        sums.append(workers.deflating.submit(_feed, source, workers, checksum.update))
    with workers.joining(*sums, report=done.report), source.open() as file:
        _copy_large(source, file, output, done)
    done.report()
    return digest.hexdigest(), checksum.value


def _copy_large(source: FileSource, file: BinaryIO, output: OutputFile, done: _CopyProgress) -> None:
    start = output.tell()
    output.flush()
    while done.copied < source.size:
        count = _copy_range(file, output, source.size - done.copied, done.copied, start + done.copied)
        if not count:
            raise source.truncated()
        done.copied += count
        output.seek(start + done.copied)
        output.write_back()
        done.report()


def _copy_range(file: BinaryIO, output: BinaryIO, left: int, offset: int, to: int) -> int:
    """Copy some bytes and return their number, which is 0 only at the end of the file."""
    if hasattr(os, "copy_file_range"):
        try:
            count = os.copy_file_range(file.fileno(), output.fileno(), min(left, _KERNEL_SIZE), offset, to)
        except OSError as failure:
            if failure.errno not in _NOT_IN_KERNEL:
                raise
            count = 0
        if count:
            return count
    file.seek(offset)
    output.seek(to)
    count = output.write(file.read(min(left, _READ_SIZE)))
    output.flush()
    return count


def share_blocks(source: Path, target: Path) -> bool:
    """Create a file that shares its blocks with another one; return False, and create none, if the system cannot."""
    if sys.platform != "linux":
        return False
    import fcntl  # noqa: PLC0415 - Windows does not have it

    with source.open("rb") as original, target.open("xb") as copied:
        try:
            fcntl.ioctl(copied, _FICLONE, original.fileno())
        except OSError:
            target.unlink()
            return False
    return True
