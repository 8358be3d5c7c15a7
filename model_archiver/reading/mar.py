"""The data of a zip's entries, under the rules by which Java's ``ZipInputStream`` takes or refuses it."""

from __future__ import annotations

import stat
import struct
from pathlib import PurePosixPath

from model_archiver.core.entries import DEFLATED, LIMIT, STORED
from model_archiver.core.problems import ProblemList
from model_archiver.core.report import ArchiveEntry
from model_archiver.core.request import ArchiveFormat
from model_archiver.core.sums import crc32
from model_archiver.reading.archive import (
    AGAIN,
    Content,
    DamageError,
    DeflatedRange,
    FoundMember,
    TooLargeError,
    opened,
)
from model_archiver.reading.content import TELLING, whole
from model_archiver.reading.zip_directory import read_directory
from model_archiver.reading.zip_headers import (
    DESCRIPTOR,
    ENCRYPTED,
    LOCAL_SIGNATURE,
    read_local,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from model_archiver.core.plan import FileSource
    from model_archiver.reading.archive import (
        ArchiveFile,
        Reading,
    )
    from model_archiver.reading.zip_directory import Directory
    from model_archiver.reading.zip_headers import (
        CentralHeader,
        LocalHeader,
    )

_METHODS = {9: "deflate64", 12: "bzip2", 14: "LZMA", 93: "zstd", 95: "xz"}
_REPACK = "package the model again: the servers unpack stored and deflated entries only"
_DESCRIPTOR_SIGNATURE = b"PK\x07\x08"


class EntryContent:
    """The data of one entry.

    Attributes:
        end: where it ends, its descriptor included; right when all of it was read.
        compressed_size: the bytes of the data; right then too.
        told: the numbers by which the entry was checked, as (CRC-32, compressed_size, size).
    """

    def __init__(self, file: ArchiveFile, header: LocalHeader, limit: int) -> None:
        """Take an entry.

        Args:
            file: the archive.
            header: what stands before the data.
            limit: where the next entry, or the central directory, begins.
        """
        self._file = file
        self._header = header
        self._limit = limit
        self._crc32 = 0
        self._size = 0
        self.compressed_size = 0
        self.end = header.data
        self.told = header.told.numbers

    def __iter__(self) -> Iterator[bytes]:
        """The entry unpacked.

        Raises:
            DamageError: the server would not take it, or it does not end before the limit.
        """
        self._check_kind()
        told = self._header.told
        for block in self._deflated() if told.method == DEFLATED else self._stored():
            self._crc32 = crc32(block, self._crc32)
            self._size += len(block)
            if self._size > told.size and not told.flags & DESCRIPTOR:
                break
            yield block
        if told.flags & DESCRIPTOR:
            self._read_descriptor()
        self._check_numbers()

    def _check_kind(self) -> None:
        told = self._header.told
        if told.flags & ENCRYPTED:
            raise DamageError("entry-method", "is encrypted", "package the model again, without a password")
        if told.method not in (STORED, DEFLATED):
            name = _METHODS.get(told.method, f"number {told.method}")
            raise DamageError("entry-method", f"is compressed by a method that no server knows ({name})", _REPACK)
        if told.flags & DESCRIPTOR and told.method == STORED:
            raise DamageError("entry-descriptor", "is stored, and its sizes come only behind its data", _REPACK)
        if not told.flags & DESCRIPTOR and self._header.data + told.compressed_size > self._limit:
            raise DamageError("entry-damaged", "its data runs into what follows, or beyond the end", AGAIN)

    def _stored(self) -> Iterator[bytes]:
        told = self._header.told
        self.compressed_size = told.compressed_size
        self.end = self._header.data + told.compressed_size
        yield from self._file.iter_range(self._header.data, self.end)

    def _deflated(self) -> Iterator[bytes]:
        told = self._header.told
        limit = self._limit if told.flags & DESCRIPTOR else self._header.data + told.compressed_size
        iter_range = DeflatedRange(self._file, self._header.data, limit)
        yield from iter_range
        self.end = iter_range.end
        self.compressed_size = iter_range.end - self._header.data

    def _read_descriptor(self) -> None:
        """Read what follows the data of an entry whose header could not know it.

        The server takes numbers of 64 bits if, and only if, the entry has 4 GiB or more.
        """
        records = self._file.at(self.end, 24)
        signed = records[:4] == _DESCRIPTOR_SIGNATURE
        layout = struct.Struct("<L2Q" if max(self.compressed_size, self._size) > LIMIT else "<3L")
        if not signed:
            records = records[: layout.size]
        start = 4 if signed else 0
        if len(records) < start + layout.size or self.end + start + layout.size > self._limit:
            raise DamageError("archive-cut", "what follows its data is missing", AGAIN)
        self.told = layout.unpack_from(records, start)
        if signed and layout.size == 12 and records[4:] == struct.pack("<L2Q", *self._found):
            raise DamageError("entry-descriptor", "has a ZIP64 data descriptor, and less than 4 GiB", _REPACK)
        self.end += start + layout.size

    @property
    def _found(self) -> tuple[int, int, int]:
        return self._crc32, self.compressed_size, self._size

    def _check_numbers(self) -> None:
        if self._found == self.told:
            return
        if self._size != self.told[2]:
            message = f"unpacks to another size than the {self.told[2]} bytes it says"
        elif self.compressed_size != self.told[1]:
            message = f"has {self.compressed_size} bytes of data, and its header says {self.told[1]}"
        else:
            message = "its content is damaged: its CRC-32 is another one"
        raise DamageError("entry-damaged", message, AGAIN)


class MarArchive:
    """A ``.mar`` file."""

    archive_format = ArchiveFormat.DEFAULT

    def __init__(self, source: FileSource) -> None:
        self._source = source

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._source.path

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self._source.size

    def members(self, reading: Reading) -> Iterator[FoundMember]:
        """The files, as they stand one behind the other."""
        with opened(self._source, reading.progress) as file:
            directory = read_directory(file, reading.problems)
            walk = _Walk(file, directory, reading)
            walk.reserve()
            yield from walk.members()

    def read_index(self, reading: Reading) -> Content | None:
        """What the central directory says, if nothing is wrong with it and no other tool wrote to the archive."""
        problems = ProblemList()
        with opened(self._source, reading.progress) as file:
            directory = read_directory(file, problems)
            walk = _Walk(file, directory, reading.replace(problems=problems))
            paths = [PurePosixPath(entry.told.text) for entry in directory.entries]
            are_ours = all(
                entry.is_stamped and entry.is_plausible and not entry.contradiction for entry in directory.entries
            )
            if problems.has_errors or directory.prefix or not are_ours:
                return None
            content = Content()
            for path, entry in zip(paths, directory.entries, strict=True):
                if not entry.told.is_folder:
                    told = entry.told
                    content.entries.append(ArchiveEntry(path, told.size, told.compressed_size, None, told.crc32))
            try:
                for path, entry in zip(paths, directory.entries, strict=True):
                    if path in TELLING:
                        content.texts[path] = whole(path, walk.member(entry.offset).content)
            except DamageError:
                return None
            return None if problems.has_errors else content


class _Walk:
    """A way through a zip, from local header to local header.

    The central directory is asked for two things only: whether it says the same, and where to go on behind damage.
    """

    def __init__(self, file: ArchiveFile, directory: Directory, reading: Reading) -> None:
        self._file = file
        self._directory = directory
        self._problems = reading.problems
        self._limit = reading.limit
        self._end = 0

    def reserve(self) -> None:
        """Refuse at once what unpacks to too much, unless it is only the central directory that says so.

        Raises:
            TooLargeError: it does.
        """
        try:
            self._limit.reserve(self._directory.size)
        except TooLargeError:
            self._limit.reserve(sum(map(self._confirmed_size, self._directory.entries)))

    def _confirmed_size(self, listed: CentralHeader) -> int:
        """What an entry unpacks to, as neither header denies; 0 where they contradict each other, which is told."""
        header = read_local(self._file, listed.offset, self._directory.following(listed.offset))
        denied = header is not None and not header.told.flags & DESCRIPTOR and header.told.size != listed.told.size
        return 0 if denied else listed.told.size

    def members(self) -> Iterator[FoundMember]:
        """Every file."""
        position = self._first()
        while position < self._directory.start:
            try:
                member = self.member(position)
            except DamageError as damage:
                self._problems.extend(damage.problems)
                self._end = self._directory.following(position)
            else:
                self._end = self._directory.following(position)  # holds if the content turns out to be damaged
                yield member
            position = self._after_gap(self._end)

    def member(self, position: int) -> FoundMember:
        """The file, or folder, whose local header begins at a place.

        Raises:
            DamageError: there is no header.
        """
        limit = self._directory.following(position)
        listed = self._directory.at(position)
        header = read_local(self._file, position, limit)
        if header is None:
            name = listed.told.text if listed else ""
            raise DamageError("archive-damaged", "the header before its data is missing or damaged", AGAIN, path=name)
        self._compare(header, listed)
        content = EntryContent(self._file, header, limit)
        executable = bool(listed and listed.mode & stat.S_IXUSR)
        member = FoundMember(header.told.text, PurePosixPath(header.told.text), executable, iter(()))
        member.content = self._read(member, content, listed)
        return member

    def _read(self, member: FoundMember, content: EntryContent, listed: CentralHeader | None) -> Iterator[bytes]:
        for block in content:
            self._limit.consume(len(block))
            yield block
        member.compressed_size = content.compressed_size
        self._end = content.end
        if listed is not None and listed.told.numbers != content.told:
            self._contradicts(member.name)

    def _compare(self, header: LocalHeader, listed: CentralHeader | None) -> None:
        told = header.told
        if listed is None:
            if not self._directory.is_usable:  # which was told once, for all
                return
            self._problems.error("headers-differ", "is not in the central directory", AGAIN, path=told.text)
            return
        if told.name != listed.told.name:
            message = f"is called {listed.told.text} in the central directory"
            self._problems.error("headers-differ", message, AGAIN, path=told.text)
        numbers_differ = not told.flags & DESCRIPTOR and told.numbers != listed.told.numbers
        if (told.method, told.flags) != (listed.told.method, listed.told.flags) or numbers_differ:
            self._contradicts(told.text)
        elif contradiction := header.contradiction or listed.contradiction:
            self._problems.error("headers-differ", contradiction, AGAIN, path=told.text)
        if stat.S_IFMT(listed.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            message = "is a link or a device, of which the server makes a small text file"
            self._problems.error("entry-link", message, "pack the file itself", path=told.text)

    def _contradicts(self, name: str) -> None:
        message = "the header before its data contradicts the central directory"
        self._problems.error("headers-differ", message, AGAIN, path=name)

    def _first(self) -> int:
        """Where the first entry is: at the very beginning, or the server finds none."""
        if not self._directory.start or self._file.at(0, 4) == LOCAL_SIGNATURE:
            return 0
        first = self._directory.following(-1)
        message = f"{first} bytes stand before its first entry, so that the server finds none"
        self._problems.error("archive-prefix", message, "cut them off, or package the model again")
        return first

    def _after_gap(self, end: int) -> int:
        """The place of the next header behind an entry; bytes that are no header's are a finding."""
        following = self._directory.following(end - 1)
        if end == following or self._file.at(end, 4) == LOCAL_SIGNATURE:
            return end
        message = f"{following - end} bytes stand between its entries, where the server stops reading"
        self._problems.error("archive-gap", message, AGAIN)
        return following
