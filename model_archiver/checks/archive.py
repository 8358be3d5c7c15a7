"""What a check looks at: a plan of an archive, or an archive that was opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, BinaryIO, Literal, Protocol

from model_archiver.reading.content import LARGEST_TEXT, NotSampledError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path, PurePosixPath

__all__ = ["LARGEST_TEXT", "CheckedArchive", "CheckedFile", "NotSampledError"]


class CheckedFile(Protocol):
    """A file in an archive."""

    @property
    def path(self) -> PurePosixPath:
        """Where it lies inside the archive."""

    @property
    def size(self) -> int:
        """In bytes."""

    @property
    def display_path(self) -> str:
        """How a person knows it: by the path of its source, or by the one in the archive where that is all there is."""

    @property
    def source_path(self) -> Path | None:
        """The file that it is made from; None where only the archive is there."""

    def open(self) -> AbstractContextManager[BinaryIO]:
        """The file, open for reading from any place.

        Raises:
            NotKeptError: when a stretch is read that was not kept.
        """


class CheckedArchive(Protocol):
    """A plan of an archive, or an archive that was opened."""

    @property
    def name(self) -> str:
        """The model's name."""

    @property
    def server(self) -> Literal["torchserve", "mms"]:
        """Whose archive it is."""

    @property
    def fields(self) -> dict[str, Any]:
        """The manifest's fields."""

    @property
    def members(self) -> Sequence[CheckedFile]:
        """The files."""
