"""What torch keeps in a zip, told by the names of its entries."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Literal

from model_archiver.core.entries import DEFLATED, STORED
from model_archiver.core.problems import ProblemList
from model_archiver.reading.archive import DamageError, DeflatedRange
from model_archiver.reading.zip_directory import find_end
from model_archiver.reading.zip_headers import read_central, read_local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.reading.archive import ArchiveFile
    from model_archiver.reading.zip_directory import End
    from model_archiver.reading.zip_headers import CentralHeader

LARGEST_PICKLE = 1 << 24
"""Bytes of the largest pickle that is judged."""

MOST_ENTRIES = 100_000
"""Of a zip whose entries are listed."""

_LARGEST_DIRECTORY = 1 << 23

ZipKind = Literal["torchscript", "saved", "exported", "unknown"]


class CutShortError(Exception):
    """A zip of which the end is missing."""


class TorchZip:
    """A zip, under the questions that tell what of torch's it is.

    Attributes:
        kind: what it is; "unknown" also where it has too many entries to be judged.
    """

    def __init__(self, file: ArchiveFile) -> None:
        """Read the names in a zip.

        Raises:
            CutShortError: its end is missing.
        """
        self._file = file
        self._entries = {entry.told.text: entry for entry in _entries(file)}
        self._root = next(iter(self._entries), "").partition("/")[0]
        self.kind = self._kind()

    def _kind(self) -> ZipKind:
        has_code = any(name.startswith(f"{self._root}/code/") for name in self._entries)
        if has_code or self._has("constants.pkl"):
            return "torchscript" if has_code and self._has("constants.pkl") else "unknown"
        if self._has("data.pkl"):
            return "saved"
        return "exported" if self._has("archive_format") else "unknown"

    def _has(self, name: str) -> bool:
        return f"{self._root}/{name}" in self._entries

    def pickle(self) -> bytes | None:
        """The pickle of what was saved; None where it is too large, or cannot be read."""
        entry = self._entries[f"{self._root}/data.pkl"]
        # The system refuses to seek to where no file can reach.
        is_within = entry.offset < self._file.size
        local = read_local(self._file, entry.offset, self._file.size) if is_within else None
        if local is None or max(entry.told.compressed_size, entry.told.size) > LARGEST_PICKLE:
            return None
        if entry.told.method == STORED:
            return b"".join(self._file.iter_range(local.data, local.data + entry.told.size))
        return self._inflated(entry, local.data) if entry.told.method == DEFLATED else None

    def _inflated(self, entry: CentralHeader, start: int) -> bytes | None:
        unpacked = bytearray()
        try:
            for block in DeflatedRange(self._file, start, start + entry.told.compressed_size):
                unpacked += block
                if len(unpacked) > LARGEST_PICKLE:
                    return None
        except DamageError:
            return None
        return bytes(unpacked)


def _entries(file: ArchiveFile) -> Iterator[CentralHeader]:
    """The entries of a zip; none where they are too many."""
    end = find_end(file, ProblemList())
    if end is None or end.position - end.size - end.start < 0:
        raise CutShortError
    if end.entries <= MOST_ENTRIES and end.size <= _LARGEST_DIRECTORY and _is_plain(end):
        for entry in islice(read_central(file, end.start, end.position), MOST_ENTRIES):
            if entry is not None:
                yield entry


def _is_plain(end: End) -> bool:
    """Whether the zip is the whole file, and one part, as all are that torch writes."""
    return end.is_plain and end.position == end.start + end.size
