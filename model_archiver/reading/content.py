"""Reading all of an archive: every byte is hashed, and samples of the files are kept for the checks."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from itertools import takewhile
from pathlib import PurePosixPath

from model_archiver.core.entries import path_problem
from model_archiver.core.manifest import MANIFEST_PATH, SUMS_PATH
from model_archiver.core.problems import LARGEST_TEXT, NotSampledError, ProblemList
from model_archiver.core.record import Record
from model_archiver.core.report import ArchiveEntry
from model_archiver.reading.archive import Content, DamageError, FoundMember

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any, BinaryIO

    from model_archiver.reading.archive import Archive, Reading

    Sink = Callable[[FoundMember, Iterable[bytes]], None]
    """Takes a file of an archive whose path is valid, and its blocks, all of which it must take."""

_LONGEST = {PurePosixPath(MANIFEST_PATH): 1 << 20, PurePosixPath(SUMS_PATH): 1 << 25}
TELLING = tuple(_LONGEST)
"""The files that tell of the others, and are kept in memory."""

_TOO_LARGE = "is far too large to be what it is called"
_REPACK = "package the model again"


def read_content(archive: Archive, reading: Reading, sink: Sink | None = None) -> Content:
    """Read an archive front to back.

    Args:
        archive: the archive.
        reading: its findings take all that is wrong, but what only the manifest and the sums can tell.
        sink: takes each file as it goes by.

    Raises:
        TooLargeError: it unpacks to more than it may.
    """
    content = Content()
    for member in archive.members(reading):
        is_usable = _check_name(member, reading.problems)
        summed = _Summed(member)
        _read(member, summed, reading.problems, sink if is_usable else None)
        if _is_folder(member):
            _check_empty(member, summed.size, reading.problems)
        elif is_usable:
            content.entries.append(ArchiveEntry(member.path, summed.size, member.compressed_size, summed.sha256))
            if member.path in TELLING and summed.sha256:
                _keep(member, summed, content, reading.problems)
    _check_paths(content.entries, reading.problems)
    return content


def _keep(member: FoundMember, summed: _Summed, content: Content, problems: ProblemList) -> None:
    """Keep one of the files that tell of the others, if it is small enough to be one."""
    if summed.size <= _LONGEST[member.path]:
        content.texts[member.path] = summed.text
    else:
        problems.error("entry-damaged", _TOO_LARGE, _REPACK, path=member.path)
        content.is_complete = False


def _read(member: FoundMember, summed: _Summed, problems: ProblemList, sink: Sink | None) -> None:
    """Read a member to its end, or as far as it goes; what keeps it from being read is a finding."""
    try:
        if sink is not None and not _is_folder(member):
            sink(member, summed)
        else:
            for _ in summed:
                pass
    except DamageError as damage:
        problems.extend(problem.replace(path=member.name) for problem in damage.problems)


def whole(path: PurePosixPath, blocks: Iterable[bytes]) -> bytes:
    """One of the files that tell of the others, in one piece.

    Raises:
        DamageError: it is too large to be one.
    """
    taken = bytearray()
    for block in blocks:
        taken += block
        if len(taken) > _LONGEST[path]:
            raise DamageError("entry-damaged", _TOO_LARGE, _REPACK)
    return bytes(taken)


class _Summed:
    """The blocks of a member as they go by.

    Attributes:
        size: of what went by, in bytes.
        sha256: of all of it, when it came to its end; None before.
        text: all of it, where it is one of the files that tell of the others.
    """

    def __init__(self, member: FoundMember) -> None:
        self._member = member
        self.size = 0
        self.sha256: str | None = None
        self.text = b""

    def __iter__(self) -> Iterator[bytes]:
        digest = hashlib.sha256()
        kept: list[bytes] = []
        longest = _LONGEST.get(self._member.path, 0)
        for block in self._member.content:
            digest.update(block)
            self.size += len(block)
            if self.size <= longest:
                kept.append(block)
            yield block
        self.text = b"".join(kept)
        self.sha256 = digest.hexdigest()


def _is_folder(member: FoundMember) -> bool:
    return member.name.endswith("/")


def are_well_named(content: Content) -> bool:
    """Whether all files of a zip that was only listed may lie where their names say, side by side."""
    problems = ProblemList()
    for entry in content.entries:
        _check_name(FoundMember(str(entry.path), entry.path, executable=False, content=iter(())), problems)
    _check_paths(content.entries, problems)
    return not tuple(problems)


def _check_name(member: FoundMember, problems: ProblemList) -> bool:
    """Whether a member may be laid where its name says, on every platform; a finding where not."""
    problem = path_problem(PurePosixPath(member.name)) or path_problem(member.path)
    if problem is None and not member.path.parts and not _is_folder(member):
        problem = "is empty"
    if problem is not None:
        message = f"the name {problem}"
        problems.error("path-invalid", message, "package the model again, under another name", path=member.name)
    return problem is None


def _check_empty(member: FoundMember, size: int, problems: ProblemList) -> None:
    if size:
        message = "is a folder with data of its own, which is lost"
        problems.error("entry-damaged", message, "package the model again", path=member.name)


def _check_paths(entries: Iterable[ArchiveEntry], problems: ProblemList) -> None:
    """Whether all files can lie side by side."""
    met: dict[PurePosixPath, ArchiveEntry] = {}
    for entry in entries:
        existing = met.setdefault(entry.path, entry)
        if existing is not entry:
            message = "is there twice, and the last one is served"
            problems.warning("entry-duplicate", message, "package the model again", path=entry.path)
    for path in met:
        for parent in takewhile(lambda parent: parent.name, path.parents):  # one by one: many may be deep
            if parent in met:
                message = f"is a file, and {path} lies in a folder of that name"
                problems.error("path-clash", message, _REPACK, path=parent)


_TEXTS = {".py", ".json", ".yaml", ".yml", ".txt"}
_END_SIZE = 1 << 20
_MOST_KEPT = 1 << 26


class _Sample(Record):
    """The first and the last bytes of a file.

    Attributes:
        head: its first bytes.
        tail: its last ones; empty where `head` is all of it.
        size: of the whole file.
    """

    head: bytes
    tail: bytes
    size: int

    def at(self, offset: int, count: int) -> bytes:
        """A stretch.

        Raises:
            NotKeptError: it was let go.
        """
        end = min(offset + count, self.size)
        if end <= len(self.head):
            return self.head[offset:end]
        start = offset - (self.size - len(self.tail))
        if start < 0:
            raise NotSampledError
        return self.tail[start : start + count]


class FileSamples:
    """A sink that keeps the texts, and both ends of every other file at the root, where weights lie.

    What is kept is bounded, whatever the archive holds: files that come later are then not kept.
    """

    def __init__(self) -> None:
        self._kept: dict[PurePosixPath, _Sample] = {}
        self._left = _MOST_KEPT

    def __call__(self, member: FoundMember, blocks: Iterable[bytes]) -> None:
        """Keep of a file what is worth it."""
        self._kept.pop(member.path, None)  # of two files at one path the last one is served
        is_text = member.path.suffix in _TEXTS
        most = min(self._left, LARGEST_TEXT if is_text else _END_SIZE if len(member.path.parts) == 1 else 0)
        head, tail, size = bytearray(), bytearray(), 0
        for block in blocks:
            size += len(block)
            taken = max(0, most - len(head))
            head += block[:taken]
            tail += block[taken:]
            del tail[: max(0, len(tail) - (0 if is_text else most))]
        self._kept[member.path] = _Sample(bytes(head), bytes(tail), size)
        self._left = max(0, self._left - len(head) - len(tail))

    def file(self, entry: ArchiveEntry) -> SampledFile:
        """A file of the archive, as the checks want it."""
        return SampledFile(entry, self._kept.get(entry.path, _Sample(b"", b"", entry.size)))


class SampledFile(Record):
    """A file of an archive of which parts were kept.

    Attributes:
        entry: what the archive says of it.
        kept: the parts.
    """

    entry: ArchiveEntry
    kept: _Sample
    source_path: None = None

    @property
    def path(self) -> PurePosixPath:
        """Where it lies inside the archive."""
        return self.entry.path

    @property
    def size(self) -> int:
        """In bytes."""
        return self.entry.size

    @property
    def display_path(self) -> str:
        """How a person knows it: there is nothing but the archive."""
        return str(self.entry.path)

    def open(self) -> AbstractContextManager[BinaryIO]:
        """What was kept, open for reading from any place."""
        return _SampleReader(self.kept)  # type: ignore[return-value] # it has what readers of a file use


class _SampleReader(io.RawIOBase):
    """The file of which parts were kept."""

    def __init__(self, kept: _Sample) -> None:
        super().__init__()
        self._kept = kept
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._kept.size}[whence]
        if position < 0:
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))  # as a file does
        self._position = position
        return self._position

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - any writable buffer
        iter_range = self._kept.at(self._position, len(buffer))
        buffer[: len(iter_range)] = iter_range
        self._position += len(iter_range)
        return len(iter_range)
