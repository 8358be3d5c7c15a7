"""What every format's writer does."""

from __future__ import annotations

from pathlib import PurePosixPath
from types import TracebackType
from typing import Protocol

from model_archiver.planning.source import FileSource
from model_archiver.report import Entry


class ArchiveWriter(Protocol):
    """Writes members, one after the other, to a new archive; as a context, it finishes and flushes the archive."""

    def __enter__(self) -> ArchiveWriter: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def add(self, path: PurePosixPath, source: FileSource) -> Entry:
        """Write a file.

        Raises:
            ModelArchiverError: it changed since it was planned, or while it was read.
        """

    def add_text(self, path: PurePosixPath, text: str) -> Entry:
        """Write a text, as UTF-8."""
