"""Reading all of an archive: every byte is summed, and nothing is trusted."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Protocol

from model_archiver.manifest_components.manifest import MANIFEST_PATH
from model_archiver.planning.archive_paths import path_problem
from model_archiver.planning.findings import Findings
from model_archiver.reading.archive import Archive, Content, DamageError, FoundMember, Reading
from model_archiver.report import Entry
from model_archiver.sums import SUMS_PATH

_LONGEST = {PurePosixPath(MANIFEST_PATH): 1 << 20, PurePosixPath(SUMS_PATH): 1 << 25}
TELLING = tuple(_LONGEST)
"""The files that tell of the others, and are kept in memory."""

_TOO_LARGE = "is far too large to be what it is called"
_REPACK = "package the model again"


class Sink(Protocol):
    """Takes the files of an archive."""

    def __call__(self, member: FoundMember, blocks: Iterable[bytes]) -> None:
        """A file whose path is one that may stand in an archive, and its bytes, all of which are to be taken."""


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
        is_usable = _check_name(member, reading.findings)
        summed = _Summed(member)
        _read(member, summed, reading.findings, sink if is_usable else None)
        if _is_folder(member):
            _check_empty(member, summed.size, reading.findings)
        elif is_usable:
            content.entries.append(Entry(member.path, summed.size, member.packed, summed.sha256))
            if member.path in TELLING and summed.sha256:
                _keep(member, summed, content, reading.findings)
    _check_paths(content.entries, reading.findings)
    return content


def _keep(member: FoundMember, summed: _Summed, content: Content, findings: Findings) -> None:
    """Keep one of the files that tell of the others, if it is small enough to be one."""
    if summed.size <= _LONGEST[member.path]:
        content.texts[member.path] = summed.text
    else:
        findings.error("entry-damaged", _TOO_LARGE, _REPACK, path=member.path)
        content.is_complete = False


def _read(member: FoundMember, summed: _Summed, findings: Findings, sink: Sink | None) -> None:
    """Read a member to its end, or as far as it goes; what keeps it from being read is a finding."""
    try:
        if sink is not None and not _is_folder(member):
            sink(member, summed)
        else:
            for _ in summed:
                pass
    except DamageError as damage:
        findings.extend(replace(issue, path=member.name) for issue in damage.issues)


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
    findings = Findings()
    for entry in content.entries:
        _check_name(FoundMember(str(entry.path), entry.path, executable=False, content=iter(())), findings)
    _check_paths(content.entries, findings)
    return not findings.issues


def _check_name(member: FoundMember, findings: Findings) -> bool:
    """Whether a member may be laid where its name says, on every platform; a finding where not."""
    problem = path_problem(PurePosixPath(member.name)) or path_problem(member.path)
    if problem is None and not member.path.parts and not _is_folder(member):
        problem = "is empty"
    if problem is not None:
        message = f"the name {problem}"
        findings.error("path-invalid", message, "package the model again, under another name", path=member.name)
    return problem is None


def _check_empty(member: FoundMember, size: int, findings: Findings) -> None:
    if size:
        message = "is a folder with data of its own, which is lost"
        findings.error("entry-damaged", message, "package the model again", path=member.name)


def _check_paths(entries: Iterable[Entry], findings: Findings) -> None:
    """Whether all files can lie side by side."""
    met: dict[PurePosixPath, Entry] = {}
    for entry in entries:
        former = met.setdefault(entry.path, entry)
        if former is not entry:
            message = "is there twice, and the last one is served"
            findings.warning("entry-duplicate", message, "package the model again", path=entry.path)
    for path in met:
        for parent in takewhile(lambda parent: parent.name, path.parents):  # one by one: many may be deep
            if parent in met:
                message = f"is a file, and {path} lies in a folder of that name"
                findings.error("path-clash", message, _REPACK, path=parent)
