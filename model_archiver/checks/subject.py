"""What a check looks at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import Any, Literal, Protocol


class Located(Protocol):
    """A file in an archive."""

    @property
    def path(self) -> PurePosixPath:
        """Where it lies inside the archive."""


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
