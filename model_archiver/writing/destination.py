"""Where the contents of an archive go: the base class of all formats, and of those that are one local file."""

from __future__ import annotations

from abc import ABC, abstractmethod

from model_archiver.writing.copying import SMALL
from model_archiver.writing.deflate import sampled_share
from model_archiver.writing.os_calls import OutputFile
from model_archiver.writing.publish import publish_archive

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import PurePosixPath

    from model_archiver.core.plan import FileSource, Plan
    from model_archiver.core.report import ArchiveEntry
    from model_archiver.core.request import Deflate
    from model_archiver.core.running import Unblocked
    from model_archiver.writing.deflate import Workers
    from model_archiver.writing.staging import StagingDirectory


class Destination(ABC):
    """An archive under construction. Each format is a subclass, and a place on another machine can be one.

    A build adds the members and then the files of MAR-INF, finishes the archive and publishes it.
    """

    size = 0
    """The bytes of the finished archive."""

    def __init__(self, plan: Plan, staging: StagingDirectory, workers: Workers) -> None:
        """Create an empty archive in the staging directory, which is next to the target."""
        self.plan = plan
        self.staging = staging
        self.workers = workers
        self.built = staging.new

    def needed_space(self) -> int:
        """Return about how many bytes the members will take on the disk."""
        return self.plan.size

    @abstractmethod
    def add(self, path: PurePosixPath, source: FileSource) -> ArchiveEntry:
        """Write a file.

        Raises:
            ModelArchiverError: it changed since the build was planned, or while it was read.
        """

    @abstractmethod
    def add_text(self, path: PurePosixPath, text: str) -> ArchiveEntry:
        """Write a text as UTF-8."""

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
    """An archive that is one local file.

    Attributes:
        output: the file.
        deflate: which members are deflated; the user decides this unless `fixed_deflate` does.
    """

    fixed_deflate: Deflate | None = None

    def __init__(self, plan: Plan, staging: StagingDirectory, workers: Workers) -> None:
        super().__init__(plan, staging, workers)
        self.output = OutputFile(self.built)
        self.deflate = self.fixed_deflate or plan.deflate

    def needed_space(self) -> int:
        """Return about how many bytes the members will take; large ones that may be deflated are sampled."""
        if self.deflate == "never":
            return self.plan.size
        sources = [member.source for member in self.plan.members]
        return sum(round(each.size * (sampled_share(each) if each.size > SMALL else 1)) for each in sources)

    def finish(self) -> None:
        """Wait until the disk has the whole file."""
        self.output.sync()
        self.size = self.output.file.tell()

    def publish(self, unblocked: Unblocked) -> None:
        """Move the file to its target, and after it the files that the platform needs next to it."""
        publish_archive(self.staging, self.plan, unblocked)

    def close(self) -> None:
        """Close the file."""
        self.output.close()
