"""Zip archives (``.mar``), read front to back under the rules of Java's ``ZipInputStream``, as servers read them."""

from __future__ import annotations

import stat
import struct
from pathlib import PurePosixPath

from model_archiver.core.entries import DEFLATED, LIMIT, STORED
from model_archiver.core.problems import ProblemList
from model_archiver.core.report import ArchiveEntry
from model_archiver.core.request import ArchiveFormat
from model_archiver.core.sums import crc32
from model_archiver.core.text import counted
from model_archiver.reading.archive import (
    FETCH_AGAIN,
    REPACK,
    Archive,
    Content,
    DamageError,
    DeflatedRange,
    FoundMember,
    TooLargeError,
    open_source,
)
from model_archiver.reading.content import METADATA_LIMITS, HashedBlocks
from model_archiver.reading.zip_headers import ENCRYPTED, LOCAL_SIGNATURE, read_directory, read_local

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.reading.archive import ArchiveFile, ReadContext
    from model_archiver.reading.zip_headers import CentralHeader, Directory, LocalHeader

    Numbers = tuple[int, int, int]
    """CRC-32, compressed size and size, in the order of a data descriptor."""

_METHODS = {9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "zstd", 95: "xz"}
_DESCRIPTOR_SIGNATURE = b"PK\x07\x08"


class MarArchive(Archive):
    """A ``.mar`` file."""

    archive_format = ArchiveFormat.DEFAULT

    def members(self, context: ReadContext) -> Iterator[FoundMember]:
        """Yield the files, one behind the other."""
        with open_source(self._source, context.progress) as file:
            walk = _Walk(file, read_directory(file, context.problems, context), context.problems, context)
            walk.reserve()
            yield from walk.members()

    def read_index(self, context: ReadContext) -> Content | None:
        """Return what the central directory says, if it has no error and no other tool wrote to the archive."""
        problems = ProblemList()
        with open_source(self._source, context.progress) as file:
            directory = read_directory(file, problems, context)
            is_ours = all(
                listed.is_stamped and listed.is_plausible and not listed.contradiction for listed in directory.entries
            )
            if problems.has_errors or directory.prefix or not is_ours:
                return None
            walk = _Walk(file, directory, problems, context)
            content = Content([], {})
            try:
                for listed in directory.entries:
                    path = PurePosixPath(listed.text)
                    if not listed.name.endswith(b"/"):
                        content.entries.append(ArchiveEntry(path, listed.size, listed.compressed_size, None))
                    if path in METADATA_LIMITS:
                        hashed = HashedBlocks(walk.member(listed.offset))
                        for _ in hashed:
                            pass
                        if hashed.text is None:
                            return None
                        content.metadata[path] = hashed.text
            except DamageError:
                return None
            return None if problems.has_errors else content


class _Walk:
    """A walk through a zip, from local header to local header.

    The central directory is used for two things only: to compare it, and to find the next entry after damage.
    """

    def __init__(self, file: ArchiveFile, directory: Directory, problems: ProblemList, context: ReadContext) -> None:
        self._file = file
        self._directory = directory
        self._problems = problems
        self._context = context
        self._end = 0

    def reserve(self) -> None:
        """Raise TooLargeError at once if the headers announce too much, not only the central directory."""
        entries = self._directory.entries
        try:
            self._context.reserve(sum(listed.size for listed in entries))
        except TooLargeError:
            self._context.reserve(sum(map(self._confirmed_size, entries)))

    def _confirmed_size(self, listed: CentralHeader) -> int:
        """Return the size of an entry, or 0 if its headers contradict each other, which is reported later."""
        header = read_local(self._file, listed.offset, self._directory.following(listed.offset))
        is_denied = header is not None and not header.has_descriptor and header.size != listed.size
        return 0 if is_denied else listed.size

    def members(self) -> Iterator[FoundMember]:
        """Yield every file and folder."""
        position = self._first_position()
        while position < self._directory.start:
            try:
                member = self.member(position)
            except DamageError as damage:
                self._problems.extend(damage.problems)
                self._end = self._directory.following(position)
            else:
                self._end = self._directory.following(position)  # until all blocks are read, and if they are damaged
                yield member
            position = self._next_position(self._end)

    def member(self, position: int) -> FoundMember:
        """Return the file or folder whose local header begins at an offset; raise DamageError if it does not."""
        limit = self._directory.following(position)
        listed = self._directory.take(position)
        header = read_local(self._file, position, limit)
        if header is None:
            name = listed.text if listed else ""
            raise DamageError("archive-damaged", "the local header is missing or damaged", path=name)
        self._compare(header, listed)
        executable = bool(listed and listed.mode & stat.S_IXUSR)
        member = FoundMember(header.text, PurePosixPath(header.text), iter(()), executable=executable)
        member.blocks = self._blocks(member, header, listed, limit)
        return member

    def _blocks(
        self, member: FoundMember, header: LocalHeader, listed: CentralHeader | None, limit: int
    ) -> Iterator[bytes]:
        """Yield the unpacked bytes of an entry, and check them as ``ZipInputStream`` does."""
        _check_supported(header, limit)
        data_end = header.data_start + header.compressed_size
        deflated = DeflatedRange(self._file, header.data_start, limit if header.has_descriptor else data_end)
        is_stored = header.method == STORED
        checksum = size = 0
        for block in self._file.iter_range(header.data_start, data_end) if is_stored else deflated:
            checksum = crc32(block, checksum)
            size += len(block)
            if size > header.size and not header.has_descriptor:
                break
            self._context.consume(len(block))
            yield block
        end = data_end if is_stored else deflated.end
        found, recorded = (checksum, end - header.data_start, size), header.numbers
        if header.has_descriptor:
            recorded, end = _read_descriptor(self._file, end, limit, found)
        _check_numbers(found, recorded)
        member.compressed_size = found[1]
        self._end = end
        if listed is not None and listed.numbers != recorded:
            self._add_difference(member.name)

    def _compare(self, header: LocalHeader, listed: CentralHeader | None) -> None:
        name = header.text
        if listed is None:
            if self._directory.is_usable:  # otherwise the directory itself was reported
                self._add_difference(name, "is not in the central directory")
            return
        if header.name != listed.name:
            self._add_difference(name, f"has another name in the central directory: {listed.text}")
        numbers_differ = not header.has_descriptor and header.numbers != listed.numbers
        if (header.method, header.flags) != (listed.method, listed.flags) or numbers_differ:
            self._add_difference(name)
        elif contradiction := header.contradiction or listed.contradiction:
            self._add_difference(name, contradiction)
        elif stat.S_ISDIR(listed.mode) and not name.endswith("/"):
            self._add_difference(name, "is a folder in the central directory, and a file in the local header")
        if stat.S_IFMT(listed.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            message = "is a link or a device, which servers unpack as a small text file"
            self._problems.error("entry-link", message, "pack the file itself", path=name)

    def _add_difference(
        self, name: str, message: str = "the local header and the central directory contradict each other"
    ) -> None:
        self._problems.error("headers-differ", message, FETCH_AGAIN, path=name)

    def _first_position(self) -> int:
        """Return the offset of the first entry, which servers find at 0 only."""
        if not self._directory.start or self._file.read_at(0, 4) == LOCAL_SIGNATURE:
            return 0
        first = self._directory.following(-1)
        message = f"has {counted(first, 'byte')} before the first entry, so servers find no entries"
        self._problems.error("archive-prefix", message, f"remove them, or {REPACK}")
        return first

    def _next_position(self, end: int) -> int:
        """Return the offset of the header after an entry, and report bytes before it."""
        following = self._directory.following(end - 1)
        if end == following or self._file.read_at(end, 4) == LOCAL_SIGNATURE:
            return end
        message = f"has {counted(following - end, 'byte')} between entries, where servers stop reading"
        self._problems.error("archive-gap", message, FETCH_AGAIN)
        return following


def _check_supported(header: LocalHeader, limit: int) -> None:
    if header.flags & ENCRYPTED:
        raise DamageError("entry-method", "is encrypted", f"{REPACK} without a password")
    if header.method not in (STORED, DEFLATED):
        name = _METHODS.get(header.method, f"method {header.method}")
        hint = f"{REPACK}, with stored or deflated entries"
        raise DamageError("entry-method", f"is compressed with {name}, which servers cannot unpack", hint)
    if header.has_descriptor and header.method == STORED:
        raise DamageError("entry-descriptor", "is stored with a data descriptor, which servers reject", REPACK)
    if not header.has_descriptor and header.data_start + header.compressed_size > limit:
        raise DamageError("entry-damaged", "the data overlaps what follows the entry")


def _read_descriptor(file: ArchiveFile, start: int, limit: int, found: Numbers) -> tuple[Numbers, int]:
    """Return a data descriptor's numbers and its end; sizes have 64 bits only if the entry has 4 GiB or more.

    Java decides so, whatever APPNOTE 4.3.9 allows (ZipInputStream.readEnd).
    """
    record = file.read_at(start, 24)
    is_signed = record[:4] == _DESCRIPTOR_SIGNATURE
    layout = struct.Struct("<L2Q" if max(found) > LIMIT else "<3L")
    if not is_signed:
        record = record[: layout.size]
    skipped = 4 if is_signed else 0
    end = start + skipped + layout.size
    if len(record) < skipped + layout.size or end > limit:
        raise DamageError("archive-cut", "the data descriptor is truncated")
    if is_signed and layout.size == 12 and record[4:] == struct.pack("<L2Q", *found):
        message = "has a ZIP64 data descriptor but less than 4 GiB, which servers reject"
        raise DamageError("entry-descriptor", message, REPACK)
    return layout.unpack_from(record, skipped), end


def _check_numbers(found: Numbers, recorded: Numbers) -> None:
    if found == recorded:
        return
    if found[2] != recorded[2]:
        message = f"size mismatch: it does not unpack to {counted(recorded[2], 'byte')} as recorded"
    elif found[1] != recorded[1]:
        message = f"compressed size mismatch: {counted(found[1], 'byte')} of data, but {recorded[1]:,} are recorded"
    else:
        message = "CRC-32 mismatch: the content is damaged"
    raise DamageError("entry-damaged", message)
