"""How much an archive may unpack to, before it is taken for one that was made to fill a disk."""

from __future__ import annotations

from pathlib import Path

from model_archiver.issue import Issue
from model_archiver.model_archiver_error import ModelArchiverError
from model_archiver.sizes import human_size

_HARMLESS = 1 << 30
_RATIO = 100


class TooLargeError(ModelArchiverError):
    """The archive unpacks to more than it may."""


class Allowance:
    """What one reading may unpack: 1 GiB or 100 times the packed size, whichever is more, or what the user allows."""

    def __init__(self, path: Path, packed: int, max_size: int | None) -> None:
        """Make it.

        Args:
            path: of the archive.
            packed: its size, in bytes.
            max_size: what the user allows, in bytes; None where nothing was said.
        """
        self._limit = max(_HARMLESS, _RATIO * packed) if max_size is None else max_size
        self._path = path
        self._packed = packed
        self._spent = 0

    def claim(self, size: int) -> None:
        """What the archive says is still to come, in bytes.

        Raises:
            TooLargeError: with what was unpacked so far, that is too much.
        """
        if self._spent + size > self._limit:
            raise TooLargeError(issues=[self._issue(self._spent + size)])

    def spend(self, size: int) -> None:
        """What was unpacked, in bytes.

        Raises:
            TooLargeError: as `claim`.
        """
        self.claim(size)
        self._spent += size

    def _issue(self, size: int) -> Issue:
        message = f"unpacks to {human_size(size)} or more, of {human_size(self._packed)}"
        hint = f"if you trust it, allow more than {human_size(self._limit)} with --max-size"
        return Issue("error", "unpacked-too-large", message, hint, str(self._path))
