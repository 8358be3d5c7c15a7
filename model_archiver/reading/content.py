"""Reading a whole archive: every byte is hashed, and parts of the files are kept for the checks."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import chain, takewhile
from pathlib import PurePosixPath

from model_archiver.core.entries import path_problem
from model_archiver.core.manifest import MANIFEST_PATH, SUMS_PATH
from model_archiver.core.problems import LARGEST_TEXT, NotSampledError, ProblemList
from model_archiver.core.report import ArchiveEntry
from model_archiver.core.text import human_size
from model_archiver.reading import archive as base

Sink = Callable[[base.FoundMember, Iterable[bytes]], None]
"""Receives each file whose path is valid, with its blocks; it must read all of them."""

# The files that describe the others, each with the most bytes of it that are kept in memory.
METADATA_LIMITS = {PurePosixPath(MANIFEST_PATH): 1 << 20, PurePosixPath(SUMS_PATH): 1 << 26}

_RENAME = "rename the file and package the model again"
_TEXT_SUFFIXES = {".py", ".json", ".yaml", ".yml", ".txt"}
_SAMPLE_SIZE = 1 << 20
_MOST_KEPT = 1 << 26
_LONG_NAME = 64


def read_content(archive: base.Archive, context: base.ReadContext, sink: Sink | None = None) -> base.Content:
    """Read an archive front to back; `sink` receives each file, and the problems of the context what is wrong."""
    try:
        content = _read(archive, context, sink)
    except base.OtherLayoutError:
        content = _read(archive, context, sink)
    except base.DamageError as damage:  # it cannot be known which files there are
        context.problems.extend(damage.problems)
        content = base.Content([], {}, is_complete=False)
    context.finish()
    return content


def _read(archive: base.Archive, context: base.ReadContext, sink: Sink | None) -> base.Content:
    context.restart()
    content = base.Content([], {})
    folders = set()
    members = 0
    for member in archive.members(context):
        members += 1 + len(member.name) // _LONG_NAME
        context.check_members(members)
        is_usable = check_name(member.name, member.path, context.problems)
        is_folder, hashed = member.name.endswith("/"), HashedBlocks(member)
        try:
            (sink if sink and is_usable and not is_folder else _skip)(member, hashed)
        except base.DamageError as damage:
            context.problems.extend(problem.replace(path=member.name) for problem in damage.problems)
        if is_folder:
            folders.add(member.path)
            if hashed.size:
                message = "is a folder entry with data, which servers drop"
                context.problems.error("entry-damaged", message, base.REPACK, path=member.name)
        elif is_usable:
            content.entries.append(ArchiveEntry(member.path, hashed.size, member.compressed_size, hashed.sha256))
            if hashed.text is not None:
                content.metadata[member.path] = hashed.text
            elif hashed.sha256 and member.path in METADATA_LIMITS:
                message = f"is larger than {human_size(METADATA_LIMITS[member.path])}, the limit for this file"
                context.problems.error("entry-damaged", message, base.REPACK, path=member.path)
                content.is_complete = False
    check_paths(content.entries, folders, context.problems)
    return content


def _skip(_member: base.FoundMember, blocks: Iterable[bytes]) -> None:
    for _ in blocks:
        pass


class HashedBlocks:
    """The blocks of a member, hashed as they are read."""

    def __init__(self, member: base.FoundMember) -> None:
        self._member = member
        self.size = 0
        self.sha256: str | None = None  # until the end is reached
        self.text: bytes | None = None  # then all of it, if it has a limit and is within it

    def __iter__(self) -> Iterator[bytes]:
        digest = hashlib.sha256()
        kept: list[bytes] = []
        limit = METADATA_LIMITS.get(self._member.path, -1)
        for block in self._member.blocks:
            digest.update(block)
            self.size += len(block)
            if self.size <= limit:
                kept.append(block)
            yield block
        self.text = b"".join(kept) if self.size <= limit else None
        self.sha256 = digest.hexdigest()


def check_name(name: str, path: PurePosixPath, problems: ProblemList) -> bool:
    """Return whether a member can be written where its name says, on every platform; add an error if not."""
    problem = path_problem(PurePosixPath(name)) or path_problem(path)
    if problem is None and not path.parts and not name.endswith("/"):
        problem = "is empty"
    if problem is not None:
        problems.error("path-invalid", f"the name {problem}", _RENAME, path=name)
    return problem is None


def check_paths(entries: Iterable[ArchiveEntry], folders: Iterable[PurePosixPath], problems: ProblemList) -> None:
    """Add what keeps the files and folders from existing side by side."""
    paths: dict[PurePosixPath, None] = {}
    for entry in entries:
        if entry.path in paths:
            message = "appears twice, and servers use the last one"
            problems.warning("entry-duplicate", message, base.REPACK, path=entry.path)
        paths[entry.path] = None
    above_folders = ((path, chain([path], path.parents)) for path in folders)
    for path, parents in chain(((path, path.parents) for path in paths), above_folders):
        for parent in takewhile(lambda parent: parent.name, parents):  # one by one: there may be very many
            if parent in paths:
                message = f"is a file, but {path} needs a folder of that name"
                problems.error("path-clash", message, base.REPACK, path=parent)


class FileSamples:
    """A sink that keeps text files, and the first and last bytes of all other files at the root, such as weights.

    What it keeps is bounded, whatever the archive contains. Files that come later are not kept.
    """

    def __init__(self) -> None:
        self._files: dict[PurePosixPath, SampledFile] = {}
        self._left = _MOST_KEPT

    def __call__(self, member: base.FoundMember, blocks: Iterable[bytes]) -> None:
        """Keep what the checks may need of a file."""
        self._files.pop(member.path, None)  # of two files with one path, servers use the last
        is_text = member.path.suffix in _TEXT_SUFFIXES
        limit = min(self._left, LARGEST_TEXT if is_text else _SAMPLE_SIZE if len(member.path.parts) == 1 else 0)
        head, tail, size = bytearray(), bytearray(), 0
        for block in blocks:
            size += len(block)
            taken = max(0, limit - len(head))
            head += block[:taken]
            tail += block[taken:]
            del tail[: max(0, len(tail) - (0 if is_text else limit))]
        if head:
            self._files[member.path] = SampledFile(member.path, size, bytes(head), bytes(tail))
            self._left = max(0, self._left - len(head) - len(tail))

    def file(self, entry: ArchiveEntry) -> SampledFile:
        """Return a file of the archive for the checks."""
        return self._files.get(entry.path) or SampledFile(entry.path, entry.size, b"" if entry.sha256 else None)


class SampledFile:
    """A file of an opened archive, of which only some bytes were kept: a `CheckedFile`."""

    __slots__ = ("_head", "_tail", "path", "size")
    source: None = None  # only the archive exists

    def __init__(self, path: PurePosixPath, size: int, head: bytes | None, tail: bytes = b"") -> None:
        self.path = path
        self.size = size
        self._head = head  # None if it could not be read to its end
        self._tail = tail

    @property
    def display_path(self) -> str:
        """Return the path in the archive, which is all there is."""
        return str(self.path)

    def open(self) -> AbstractContextManager[io.FileIO]:
        """Open what was kept for reading; it is seekable."""
        parts = () if self._head is None else ((0, self._head), (self.size - len(self._tail), self._tail))
        return _SampleReader(self.size, parts)  # type: ignore[return-value] # has what readers use


class _SampleReader(io.RawIOBase):
    """A sampled file as a file object that is read and sought from its start, which is what the checks do."""

    def __init__(self, size: int, parts: tuple[tuple[int, bytes], ...]) -> None:
        super().__init__()
        self._size, self._parts, self._position = size, parts, 0

    def seek(self, offset: int, _whence: int = 0) -> int:
        self._position = offset
        return offset

    def read(self, count: int = -1) -> bytes:
        """Return the next bytes; raise NotSampledError if they were not kept."""
        end = self._size if count < 0 else min(self._position + count, self._size)
        for start, kept in self._parts:
            if start <= self._position and end <= start + len(kept):
                data = kept[self._position - start : end - start]
                self._position += len(data)
                return data
        raise NotSampledError
