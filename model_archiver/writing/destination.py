"""Where the contents of an archive go: the base class of all formats, and of those that are one local file."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from contextlib import ExitStack, contextmanager

from model_archiver.writing.copying import SMALL, read_blocks
from model_archiver.writing.deflate import sampled_share
from model_archiver.writing.os_calls import OutputFile, keep_owner, sync_folder
from model_archiver.writing.staging import StagingDirectory, folder_lock, publish_file, replace_file, undoing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import PurePosixPath

    from model_archiver.core.plan import FileSource, Plan
    from model_archiver.core.report import ArchiveEntry
    from model_archiver.core.running import Unblocked
    from model_archiver.writing.deflate import Workers


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
        self.built = staging.new

    def needed_space(self) -> int:
        """Return about how many bytes the members will take on the disk."""
        return self.plan.size

    def add(self, path: PurePosixPath, source: FileSource) -> ArchiveEntry:
        """Write a file.

        Raises:
            ModelArchiverError: it changed since the build was planned, or while it was read.
        """
        if source.size > SMALL:
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
    def publish(self, unblocked: Unblocked) -> None:
        """Move the finished archive to its target; signals are blocked, but while something long is done `unblocked`.

        Raises:
            ModelArchiverError: the target exists and must not be replaced.
        """

    def close(self) -> None:  # noqa: B027 - a folder has nothing open
        """Close what is open, whether the archive is finished or not."""


class FileDestination(Destination):
    """An archive that is one local file."""

    def __init__(self, plan: Plan, staging: StagingDirectory, workers: Workers) -> None:
        super().__init__(plan, staging, workers)
        self.output = OutputFile(self.built)

    def needed_space(self) -> int:
        """Return about how many bytes the members will take; large ones that may be deflated are sampled."""
        if self.plan.deflate == "never":
            return self.plan.size
        sources = [member.source for member in (*self.plan.members, *self.plan.samples)]
        return sum(round(each.size * (sampled_share(each) if each.size > SMALL else 1)) for each in sources)

    def finish(self) -> None:
        """Wait until the disk has the whole file."""
        self.output.sync()
        self.size = self.output.tell()

    def publish(self, unblocked: Unblocked) -> None:
        """Move the file to its target."""
        with sidecars_placed(self.plan, unblocked):
            publish_file(self.staging.new, self.plan.target.path, replace=self.plan.target.force)

    def close(self) -> None:
        """Close the file."""
        self.output.close()


@contextmanager
def sidecars_placed(plan: Plan, unblocked: Unblocked) -> Iterator[None]:
    """Write the platform's file next to the archive, which names that; if the block fails, it is as it was before.

    Meanwhile, no other build extends the file.

    Raises:
        ModelArchiverError: an existing file cannot be extended.
    """
    with ExitStack() as stack:
        for config in plan.sidecars:  # each in a staging directory of its own: it may be on another file system
            from model_archiver.planning.kserve import config_content  # noqa: PLC0415 - few archives have such a file

            waiting = stack.enter_context(StagingDirectory(config, plan.name))
            stack.enter_context(folder_lock(config.parent, unblocked))
            undo = stack.enter_context(undoing())
            with OutputFile(waiting.new) as output:
                output.write(config_content(plan, config))
                output.sync()
            if config.exists():
                keep_owner(waiting.new, config.stat())
            replace_file(waiting.new, config, waiting.set_aside, undo)
            sync_folder(config.parent)
        yield
