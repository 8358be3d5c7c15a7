"""The forms in which a finished model can be emitted."""

from __future__ import annotations

from enum import Enum
from typing import Literal

Deflate = Literal["auto", "always", "never"]
"""The value of ``--deflate``: which members of a ``.mar`` are deflated where the format leaves the choice."""


class ArchiveFormat(str, Enum):
    """The value of ``--archive-format``."""

    TGZ = "tgz"
    NO_ARCHIVE = "no-archive"
    ZIP_STORE = "zip-store"
    DEFAULT = "default"

    @property
    def suffix(self) -> str:
        """What follows the model's name in the name of the output."""
        return {"tgz": ".tar.gz", "no-archive": ""}.get(self.value, ".mar")
