"""The central directory at the end of a zip, which servers never read and every other tool does."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property

from model_archiver.core.entries import END, END_64, LIMIT, LIMIT_ENTRIES, LOCATOR_64
from model_archiver.core.problems import ProblemList
from model_archiver.core.record import Record
from model_archiver.reading.archive import AGAIN
from model_archiver.reading.zip_headers import LOCAL_SIGNATURE, read_central

TYPE_CHECKING = False
if TYPE_CHECKING:
    from model_archiver.reading.archive import ArchiveFile
    from model_archiver.reading.zip_headers import CentralHeader

_LONGEST_COMMENT = 0xFFFF
_END_SIGNATURE = b"PK\x05\x06"


class Directory(Record):
    """A central directory.

    Attributes:
        entries: its entries, sorted by the places of their local headers.
        start: where it begins; the end of the file where there is none.
        prefix: how many bytes stand before the zip itself.
        is_usable: it is there, and all of its entries can be read.
    """

    entries: tuple[CentralHeader, ...]
    start: int
    prefix: int = 0
    is_usable: bool = True

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


class End(Record):
    """The records behind a central directory.

    Attributes:
        position: where they begin.
        entries: how many it has, as they say.
        size: of the directory.
        start: where it begins, as they say: too small by what stands before the zip.
        is_plain: they say all that of one part, in one way.
    """

    position: int
    entries: int
    size: int
    start: int
    is_plain: bool = True


def looks_like_zip(file: ArchiveFile) -> bool:
    """Whether a file begins, or ends, as zips do."""
    return file.at(0, 4) == LOCAL_SIGNATURE or find_end(file, ProblemList()) is not None


def read_directory(file: ArchiveFile, problems: ProblemList) -> Directory:
    """The central directory; what is wrong with it, and with what follows it, goes to the findings."""
    end = find_end(file, problems)
    if end is None:
        message = "has no central directory: its end is missing"
        problems.error("archive-cut", message, AGAIN)
        return Directory((), file.size, is_usable=False)
    start = end.position - end.size
    prefix = start - end.start
    if start < 0 or prefix < 0:
        problems.error("archive-cut", "its central directory is not where its end says", AGAIN)
        return Directory((), end.position, is_usable=False)
    headers = list(read_central(file, start, end.position))
    entries = [header for header in headers if header is not None]
    is_usable = len(headers) == len(entries) == end.entries
    if not is_usable:
        message = f"its central directory has {len(entries)} entries, and its end says {end.entries}"
        problems.error("headers-differ", message, AGAIN)
    return Directory(_placed(entries, prefix, start, problems), start, prefix, is_usable)


def _placed(entries: list[CentralHeader], prefix: int, start: int, problems: ProblemList) -> tuple[CentralHeader, ...]:
    """The entries with their true places; those that can be none, or are another's, are findings."""
    placed: dict[int, CentralHeader] = {}
    for entry in entries:
        offset = entry.offset + prefix
        if offset >= start or offset in placed:
            message = "the central directory says that it lies where another one does, or nothing can"
            problems.error("headers-differ", message, AGAIN, path=entry.told.text)
        else:
            placed[offset] = entry.replace(offset=offset)
    return tuple(placed[offset] for offset in sorted(placed))


def find_end(file: ArchiveFile, problems: ProblemList) -> End | None:
    """The records at the end, searched from there as every tool does."""
    tail_start = max(file.size - END.size - _LONGEST_COMMENT, 0)
    tail = file.at(tail_start, file.size - tail_start)
    at = _end_in(tail)
    if at < 0:
        return None
    _, disk, first_disk, here, entries, size, start, comment = END.unpack_from(tail, at)
    position = tail_start + at
    surplus = file.size - position - END.size - comment
    if surplus > 0:
        problems.error("archive-trailing", f"{surplus} bytes follow its end", AGAIN)
    elif surplus < 0:
        problems.error("archive-cut", "its end is missing", AGAIN)
    if disk or first_disk or here != entries:
        problems.error("headers-differ", "it says that it is one of several parts", "join the parts")
    wide = _find_end_64(file, position)
    if wide is not None:
        told = ((entries, wide.entries, LIMIT_ENTRIES), (size, wide.size, LIMIT), (start, wide.start, LIMIT))
        if not wide.is_plain or any(plain not in (large, limit) for plain, large, limit in told):
            problems.error("headers-differ", "the records at its end contradict each other", AGAIN)
        return wide
    if entries == LIMIT_ENTRIES or LIMIT in (size, start):
        problems.error("headers-differ", "its end leaves out numbers that have no other place", AGAIN)
    return End(position, entries, size, start)


def _end_in(tail: bytes) -> int:
    """Where the end record is: the last whose comment reaches the end, else the last; below 0 where there is none."""
    last = at = tail.rfind(_END_SIGNATURE, 0, max(len(tail) - END.size + 4, 0))
    while at >= 0:
        *_, comment = END.unpack_from(tail, at)
        if at + END.size + comment == len(tail):
            return at
        at = tail.rfind(_END_SIGNATURE, 0, at + 3)
    return last


def _find_end_64(file: ArchiveFile, position: int) -> End | None:
    """The ZIP64 records before the end, where there are any."""
    locator = file.at(position - LOCATOR_64.size, LOCATOR_64.size) if position > LOCATOR_64.size else b""
    if locator[:4] != b"PK\x06\x07":
        return None
    _, disk, claimed, disks = LOCATOR_64.unpack(locator)
    # The first holds where the record is longer than it must be, the second where bytes stand before the zip.
    for place in (claimed, position - LOCATOR_64.size - END_64.size):
        record = file.at(place, END_64.size) if 0 <= place < position else b""
        if len(record) == END_64.size and record[:4] == b"PK\x06\x06":
            _, length, *_, here_disk, first_disk, here, entries, size, start = END_64.unpack(record)
            is_alone = (disk, here_disk, first_disk, disks) == (0, 0, 0, 1) and here == entries
            is_placed = claimed == start + size and place + 12 + length == position - LOCATOR_64.size
            return End(place, entries, size, start, is_alone and is_placed)
    return None
