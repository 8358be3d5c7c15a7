"""The central directory at the end of a zip, which servers never read and every other tool does."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import cached_property

from model_archiver.formats.zip_records import END, END_64, LIMIT, LIMIT_ENTRIES, LOCATOR_64
from model_archiver.planning.findings import Findings
from model_archiver.reading.archive_file import ArchiveFile
from model_archiver.reading.zip_headers import LOCAL_SIGNATURE, CentralHeader, read_central

_LONGEST_COMMENT = 0xFFFF
_END_SIGNATURE = b"PK\x05\x06"
_AGAIN = "get the archive again, or package the model again"


@dataclass(frozen=True)
class Directory:
    """A central directory.

    Attributes:
        entries: its entries, sorted by the places of their local headers.
        start: where it begins; the end of the file where there is none.
        prefix: how many bytes stand before the zip itself.
    """

    entries: tuple[CentralHeader, ...]
    start: int
    prefix: int = 0

    @cached_property
    def _by_offset(self) -> dict[int, CentralHeader]:
        return {entry.offset: entry for entry in self.entries}

    @cached_property
    def _offsets(self) -> list[int]:
        return sorted(self._by_offset)

    def at(self, offset: int) -> CentralHeader | None:
        """The entry whose local header begins at a place."""
        return self._by_offset.get(offset)

    def following(self, offset: int) -> int:
        """Where the next local header begins behind a place, or the directory does."""
        index = bisect_right(self._offsets, offset)
        return self._offsets[index] if index < len(self._offsets) else self.start

    @property
    def size(self) -> int:
        """What its entries unpack to, as they claim."""
        return sum(entry.told.size for entry in self.entries)


@dataclass(frozen=True)
class _End:
    """The records behind the directory: where they begin, and what they say of it."""

    position: int
    entries: int
    size: int
    start: int


def looks_like_zip(file: ArchiveFile) -> bool:
    """Whether a file begins, or ends, as zips do."""
    return file.at(0, 4) == LOCAL_SIGNATURE or _find_end(file, Findings()) is not None


def read_directory(file: ArchiveFile, findings: Findings) -> Directory:
    """The central directory; what is wrong with it, and with what follows it, goes to the findings."""
    end = _find_end(file, findings)
    if end is None:
        message = "has no central directory: its end is missing"
        findings.error("archive-cut", message, _AGAIN)
        return Directory((), file.size)
    start = end.position - end.size
    prefix = start - end.start
    if start < 0 or prefix < 0:
        findings.error("archive-cut", "its central directory is not where its end says", _AGAIN)
        return Directory((), end.position)
    headers = list(read_central(file, start, end.position))
    entries = [header for header in headers if header is not None]
    if len(headers) != end.entries or len(entries) != end.entries:
        message = f"its central directory has {len(entries)} entries, and its end says {end.entries}"
        findings.error("headers-differ", message, _AGAIN)
    return Directory(_placed(entries, prefix, start, findings), start, prefix)


def _placed(entries: list[CentralHeader], prefix: int, start: int, findings: Findings) -> tuple[CentralHeader, ...]:
    """The entries with their true places; those that can be none, or are another's, are findings."""
    placed: dict[int, CentralHeader] = {}
    for entry in entries:
        offset = entry.offset + prefix
        if offset >= start or offset in placed:
            message = "the central directory says that it lies where another one does, or nothing can"
            findings.error("headers-differ", message, _AGAIN, path=entry.told.text)
        else:
            placed[offset] = replace(entry, offset=offset)
    return tuple(placed[offset] for offset in sorted(placed))


def _find_end(file: ArchiveFile, findings: Findings) -> _End | None:
    """The records at the end, searched from there as every tool does."""
    tail_start = max(file.size - END.size - _LONGEST_COMMENT, 0)
    tail = file.at(tail_start, file.size - tail_start)
    at = tail.rfind(_END_SIGNATURE, 0, max(len(tail) - END.size + 4, 0))
    if at < 0:
        return None
    _, disk, first_disk, here, entries, size, start, comment = END.unpack_from(tail, at)
    position = tail_start + at
    surplus = file.size - position - END.size - comment
    if surplus > 0:
        findings.error("archive-trailing", f"{surplus} bytes follow its end", _AGAIN)
    elif surplus < 0:
        findings.error("archive-cut", "its end is missing", _AGAIN)
    if disk or first_disk or here != entries:
        findings.error("headers-differ", "it says that it is one of several parts", "join the parts")
    wide = _find_end_64(file, position)
    if wide is not None:
        return wide
    if entries == LIMIT_ENTRIES or LIMIT in (size, start):
        findings.error("headers-differ", "its end leaves out numbers that have no other place", _AGAIN)
    return _End(position, entries, size, start)


def _find_end_64(file: ArchiveFile, position: int) -> _End | None:
    """The ZIP64 records before the end, where there are any."""
    before = END_64.size + LOCATOR_64.size
    if position < before:
        return None
    records = file.at(position - before, before)
    if records[:4] != b"PK\x06\x06" or records[END_64.size : END_64.size + 4] != b"PK\x06\x07":
        return None
    *_, entries, size, start = END_64.unpack_from(records)
    return _End(position - before, entries, size, start)
