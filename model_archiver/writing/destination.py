"""What every format's writer does."""

from __future__ import annotations

from abc import ABC, abstractmethod

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import PurePosixPath
    from types import TracebackType

    from model_archiver.core.plan import FileSource
    from model_archiver.core.report import ArchiveEntry


class ArchiveWriter(ABC):
    """Writes members, one after the other, to a new archive; as a context, it finishes and flushes the archive."""

    def __enter__(self) -> ArchiveWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self.close()

    @abstractmethod
    def add(self, path: PurePosixPath, source: FileSource) -> ArchiveEntry:
        """Write a file.

        Raises:
            ModelArchiverError: it changed since it was planned, or while it was read.
        """

    @abstractmethod
    def add_text(self, path: PurePosixPath, text: str) -> ArchiveEntry:
        """Write a text, as UTF-8."""

    @abstractmethod
    def finish(self) -> None:
        """Write what stands behind the members, and wait until the disk has everything."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the output, finished or not."""
