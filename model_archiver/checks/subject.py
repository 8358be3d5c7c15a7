"""What a check looks at: a plan of an archive, or an archive that was opened."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, Literal, Protocol

LARGEST_TEXT = 1 << 22
"""Bytes of the largest file that is read as a text, and kept as one of an archive that is opened."""


class NotKeptError(Exception):
    """A stretch of a file of an opened archive that was let go when the archive was read: it cannot be judged."""


class Located(Protocol):
    """A file in an archive."""

    @property
    def path(self) -> PurePosixPath:
        """Where it lies inside the archive."""

    @property
    def size(self) -> int:
        """In bytes."""

    @property
    def where(self) -> str:
        """How a person knows it: by the path of its source, or by the one in the archive where that is all there is."""

    @property
    def origin(self) -> Path | None:
        """The file that it is made from; None where only the archive is there."""

    def open(self) -> AbstractContextManager[BinaryIO]:
        """The file, open for reading from any place.

        Raises:
            NotKeptError: when a stretch is read that was not kept.
        """


class Subject(Protocol):
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
    def members(self) -> Sequence[Located]:
        """The files."""
