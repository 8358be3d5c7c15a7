"""The ``.mar`` file: a zip, read front to back as TorchServe and Multi Model Server do.

They never look at the central directory, and every other tool looks at nothing else: where the two differ, what was
looked at is not what is served.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

from model_archiver.archive_format import ArchiveFormat
from model_archiver.planning.findings import Findings
from model_archiver.planning.source import FileSource
from model_archiver.reading.allowance import TooLargeError
from model_archiver.reading.archive import AGAIN, Content, DamageError, FoundMember, Reading
from model_archiver.reading.archive_file import ArchiveFile, opened
from model_archiver.reading.content import TELLING, whole
from model_archiver.reading.zip_content import EntryContent
from model_archiver.reading.zip_directory import Directory, read_directory
from model_archiver.reading.zip_headers import DESCRIPTOR, LOCAL_SIGNATURE, CentralHeader, LocalHeader, read_local
from model_archiver.report import Entry


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
            directory = read_directory(file, reading.findings)
            walk = _Walk(file, directory, reading)
            walk.claim()
            yield from walk.members()

    def glance(self, reading: Reading) -> Content | None:
        """What the central directory says, if nothing is wrong with it and no other tool wrote to the archive."""
        findings = Findings()
        with opened(self._source, reading.progress) as file:
            directory = read_directory(file, findings)
            walk = _Walk(file, directory, replace(reading, findings=findings))
            paths = [PurePosixPath(entry.told.text) for entry in directory.entries]
            are_ours = all(
                entry.is_stamped and entry.is_plausible and not entry.contradiction for entry in directory.entries
            )
            if findings.has_errors or directory.prefix or not are_ours:
                return None
            content = Content()
            for path, entry in zip(paths, directory.entries, strict=True):
                if not entry.told.is_folder:
                    told = entry.told
                    content.entries.append(Entry(path, told.size, told.packed, None, told.crc32))
            try:
                for path, entry in zip(paths, directory.entries, strict=True):
                    if path in TELLING:
                        content.texts[path] = whole(path, walk.member(entry.offset).content)
            except DamageError:
                return None
            return None if findings.has_errors else content


class _Walk:
    """A way through a zip, from local header to local header.

    The central directory is asked for two things only: whether it says the same, and where to go on behind damage.
    """

    def __init__(self, file: ArchiveFile, directory: Directory, reading: Reading) -> None:
        self._file = file
        self._directory = directory
        self._findings = reading.findings
        self._allowance = reading.allowance
        self._end = 0

    def claim(self) -> None:
        """Refuse at once what unpacks to too much, unless it is only the central directory that says so.

        Raises:
            TooLargeError: it does.
        """
        try:
            self._allowance.claim(self._directory.size)
        except TooLargeError:
            self._allowance.claim(sum(map(self._confirmed_size, self._directory.entries)))

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
                self._findings.extend(damage.issues)
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
            self._allowance.spend(len(block))
            yield block
        member.packed = content.packed
        self._end = content.end
        if listed is not None and listed.told.numbers != content.told:
            self._contradicts(member.name)

    def _compare(self, header: LocalHeader, listed: CentralHeader | None) -> None:
        told = header.told
        if listed is None:
            if not self._directory.is_usable:  # which was told once, for all
                return
            self._findings.error("headers-differ", "is not in the central directory", AGAIN, path=told.text)
            return
        if told.name != listed.told.name:
            message = f"is called {listed.told.text} in the central directory"
            self._findings.error("headers-differ", message, AGAIN, path=told.text)
        numbers_differ = not told.flags & DESCRIPTOR and told.numbers != listed.told.numbers
        if (told.method, told.flags) != (listed.told.method, listed.told.flags) or numbers_differ:
            self._contradicts(told.text)
        elif contradiction := header.contradiction or listed.contradiction:
            self._findings.error("headers-differ", contradiction, AGAIN, path=told.text)
        if stat.S_IFMT(listed.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
            message = "is a link or a device, of which the server makes a small text file"
            self._findings.error("entry-link", message, "pack the file itself", path=told.text)

    def _contradicts(self, name: str) -> None:
        message = "the header before its data contradicts the central directory"
        self._findings.error("headers-differ", message, AGAIN, path=name)

    def _first(self) -> int:
        """Where the first entry is: at the very beginning, or the server finds none."""
        if not self._directory.start or self._file.at(0, 4) == LOCAL_SIGNATURE:
            return 0
        first = self._directory.following(-1)
        message = f"{first} bytes stand before its first entry, so that the server finds none"
        self._findings.error("archive-prefix", message, "cut them off, or package the model again")
        return first

    def _after_gap(self, end: int) -> int:
        """The place of the next header behind an entry; bytes that are no header's are a finding."""
        following = self._directory.following(end - 1)
        if end == following or self._file.at(end, 4) == LOCAL_SIGNATURE:
            return end
        message = f"{following - end} bytes stand between its entries, where the server stops reading"
        self._findings.error("archive-gap", message, AGAIN)
        return following
