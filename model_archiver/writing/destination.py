"""Where the contents of an archive go: the base classes of all formats, and the copying of files into them."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import PurePosixPath

from model_archiver.core.plan import FileSource, Plan
from model_archiver.core.report import ArchiveEntry
from model_archiver.core.running import Progress, Unblocked, Undo, no_progress
from model_archiver.core.sums import Crc32
from model_archiver.writing.deflate import Workers, sampled_share
from model_archiver.writing.os_calls import OutputFile, keep_owner, sync_folder
from model_archiver.writing.staging import StagingDirectory, folder_lock, place_new, replace_file, undoing

# Up to this size, in bytes, a file is read whole: threads and system calls would cost more than they save.
_SMALL = 1 << 18
_STEP = 1 << 22  # bytes of one step of progress
_READ_SIZE = 1 << 20
_KERNEL_SIZE = 1 << 24
# The errors with which kernels and file systems answer that they do not copy between these files.
_NOT_IN_KERNEL = {errno.ENOSYS, errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.EPERM, errno.EBADF, errno.ETXTBSY}


class Destination(ABC):
    """An archive under construction. Each format is a subclass, and a place on another machine can be one.

    A build adds the members and then the files of MAR-INF, finishes the archive and publishes it.
    """

    size = 0  # the bytes of the finished archive

    def __init__(self, plan: Plan, staging: StagingDirectory, workers: Workers) -> None:
        """Create an empty archive in the staging directory, which is next to the target."""
        self.plan = plan
        self.staging = staging
        self.workers = workers

    def needed_space(self) -> int:
        """Return about how many bytes the members will take on the disk."""
        return self.plan.size

    def add(self, path: PurePosixPath, source: FileSource) -> ArchiveEntry:
        """Write a file; raise ModelArchiverError if it changed since the build was planned, or while it was read."""
        if source.size > _SMALL:
            return self.add_large(path, source)
        data = b"".join(read_blocks(source, self.workers.progress))
        return self.add_bytes(path, data, executable=source.executable)

    def pass_on(self, source: FileSource, sink: Callable[[bytes], object] = len) -> str:
        """Call `sink` with each block of a file, and return the file's SHA-256."""
        digest = hashlib.sha256()
        for block in read_blocks(source, self.workers.progress):
            self.workers.hash_later(digest.update, block)
            sink(block)
        self.workers.wait_until_hashed()
        return digest.hexdigest()

    @abstractmethod
    def add_bytes(self, path: PurePosixPath, data: bytes, *, executable: bool = False) -> ArchiveEntry:
        """Write a small file."""

    @abstractmethod
    def add_large(self, path: PurePosixPath, source: FileSource) -> ArchiveEntry:
        """Write a file block by block."""

    @abstractmethod
    def finish(self) -> None:
        """Write what follows the members, and wait until the disk has everything."""

    @abstractmethod
    def publish(self, unblocked: Unblocked, undo: Undo) -> None:
        """Move the finished archive to its target, or raise an error; signals are blocked, except in `unblocked`."""

    def close(self) -> None:  # noqa: B027 - a folder has nothing open
        """Close what is open, whether the archive is finished or not."""


class FileDestination(Destination):
    """An archive that is one local file."""

    def __init__(self, plan: Plan, staging: StagingDirectory, workers: Workers) -> None:
        super().__init__(plan, staging, workers)
        self.output = OutputFile(self.staging.new)

    def needed_space(self) -> int:
        """Return about how many bytes the members will take; large ones that may be deflated are sampled."""
        if self.plan.deflate == "never":
            return self.plan.size
        sources = [member.source for member in (*self.plan.members, *self.plan.samples)]
        return sum(round(each.size * (sampled_share(each) if each.size > _SMALL else 1)) for each in sources)

    def finish(self) -> None:
        """Wait until the disk has the whole file."""
        self.output.sync()
        self.size = self.output.tell()

    def publish(self, unblocked: Unblocked, undo: Undo) -> None:  # noqa: ARG002 - it takes no time
        """Move the file to its target."""
        publish_file(self.plan, self.staging, undo)

    def close(self) -> None:
        """Close the file."""
        self.output.close()


def publish_file(plan: Plan, staging: StagingDirectory, undo: Undo) -> None:
    """Move a finished file to its target; raise ModelArchiverError if that exists and must not be replaced."""
    if not plan.target.force:
        place_new(staging.new, staging.target, undo)
    elif plan.sidecars:
        replace_file(staging.new, staging.target, staging.set_aside, undo)
    else:  # nothing follows that can fail
        staging.new.replace(staging.target)
    sync_folder(staging.target.parent)


@contextmanager
def sidecars_placed(plan: Plan, unblocked: Unblocked) -> Iterator[Undo]:
    """Write the platform's file after the block, which places the archive that the file names.

    If anything fails, the steps that the block adds to the list are done. Meanwhile, no other build extends the file.
    If an existing file cannot be extended, raise ModelArchiverError before the block.
    """
    with ExitStack() as stack:
        waiting = [stack.enter_context(StagingDirectory(config, plan.name)) for config in plan.sidecars]
        for staging in waiting:  # each of its own: it may be on another file system
            from model_archiver.planning.kserve import config_content  # noqa: PLC0415 - few archives have such a file

            config = staging.target
            stack.enter_context(folder_lock(config.parent, unblocked))
            with OutputFile(staging.new) as output:
                output.write(config_content(plan, config))
                output.sync()
            if config.exists():
                keep_owner(staging.new, config.stat())
        undo = stack.enter_context(undoing())
        yield undo
        for staging in waiting:
            replace_file(staging.new, staging.target, staging.set_aside, undo)
            sync_folder(staging.target.parent)


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


def copy(source: FileSource, output: OutputFile, workers: Workers, *, with_crc32: bool) -> tuple[str, int]:
    """Append a large file to the output, and return its SHA-256 and CRC-32; a CRC-32 that is not wanted is 0.

    Threads read the file for them at the same time: each read of what was just read costs little.
    """
    digest, checksum = hashlib.sha256(), Crc32()
    copied = hashed = reported = 0

    def hash_block(block: bytes) -> None:
        nonlocal hashed
        digest.update(block)
        hashed += len(block)

    def report() -> None:
        nonlocal reported
        new = _STEP
        while new == _STEP:  # in steps, however fast the disk is; at least one, which looks for signals
            new = min(min(copied, hashed) - reported, _STEP)  # what is both copied and hashed
            reported += new
            workers.progress(new)

    sums = [workers.hashing.submit(_feed, source, workers, hash_block)]
    if with_crc32:
        sums.append(workers.deflating.submit(_feed, source, workers, checksum.update))
    with workers.joining(*sums, report=report), source.open() as file:
        output.flush()
        while copied < source.size:
            count = _copy_range(file, output, source.size - copied, copied)
            if not count:
                raise source.truncated()
            copied += count
            output.write_back()
            report()
    report()
    return digest.hexdigest(), checksum.value


def _copy_range(file: io.FileIO, output: OutputFile, left: int, offset: int) -> int:
    """Append some bytes from `offset` on and return their number, which is 0 only at the end of the file."""
    if hasattr(os, "copy_file_range"):
        to = output.tell()
        try:
            count = os.copy_file_range(file.fileno(), output.fileno(), min(left, _KERNEL_SIZE), offset, to)
        except OSError as failure:
            if failure.errno not in _NOT_IN_KERNEL:
                raise
            count = 0
        if count:
            output.seek(to + count)
            return count
    file.seek(offset)
    count = output.write(file.read(min(left, _READ_SIZE)))
    output.flush()
    return count
