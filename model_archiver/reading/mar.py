"""Zip archives (``.mar``), read front to back under the rules of Java's ``ZipInputStream``, as servers read them."""

from __future__ import annotations

import stat
import struct
from collections.abc import Iterator
from pathlib import PurePosixPath

from model_archiver.core import entries as spec
from model_archiver.core.problems import ProblemList
from model_archiver.core.report import ArchiveEntry
from model_archiver.core.request import ArchiveFormat
from model_archiver.core.sums import crc32
from model_archiver.core.text import counted
from model_archiver.reading import archive as base
from model_archiver.reading.content import METADATA_LIMITS, HashedBlocks, check_name, check_paths
from model_archiver.reading.zip_headers import ENCRYPTED, ZipHeader, read_directory, read_local

Numbers = tuple[int, int, int]
"""CRC-32, compressed size and size, in the order of a data descriptor."""

_DESCRIPTOR_SIGNATURE = b"PK\x07\x08"
_DIFFERENCE = "programs read the headers of this entry in different ways"


class MarArchive(base.Archive):
    """A ``.mar`` file."""

    archive_format = ArchiveFormat.DEFAULT

    def members(self, context: base.ReadContext) -> Iterator[base.FoundMember]:
        """Yield the files and folders; raise DamageError if it cannot be known which entries there are."""
        with base.open_source(self._source, context.progress) as file:
            entries, start = read_directory(file, context)
            try:
                context.reserve(sum(listed.size for listed in entries))
            except base.TooLargeError:
                context.reserve(sum(_announced_size(file, listed) for listed in entries))
            end = 0
            while entries:
                listed = entries.pop()  # and forget it: there may be very many
                _check_gap(file, context, end, listed.offset)
                try:
                    yield _member(file, context, listed)
                except base.DamageError as damage:
                    context.problems.extend(damage.problems)
                end = listed.end
            _check_gap(file, context, end, start)

    def read_index(self, context: base.ReadContext) -> base.Content | None:
        """Return what the central directory says, if it has no error and no other tool wrote to the archive."""
        content = base.Content([], {})
        with base.open_source(self._source, context.progress) as file:
            try:
                entries, _ = read_directory(file, context)
                for listed in reversed(entries):
                    path = PurePosixPath(listed.text)
                    check_name(listed.text, path, context.problems)
                    if not listed.is_stamped or not listed.is_plausible or listed.is_ambiguous:
                        return None
                    if listed.text.endswith("/"):
                        continue
                    content.entries.append(ArchiveEntry(path, listed.size, listed.compressed_size, None))
                    if path in METADATA_LIMITS:
                        hashed = HashedBlocks(_member(file, context, listed))
                        for _ in hashed:
                            pass
                        if hashed.text is None:
                            return None
                        content.metadata[path] = hashed.text
            except base.DamageError:
                return None
        check_paths(content.entries, (), context.problems)
        is_right = entries and entries[-1].offset == 0 and not len(context.problems)
        return content if is_right else None


def _announced_size(file: base.ArchiveFile, listed: ZipHeader) -> int:
    """Return the size of an entry as its local header says: if only the directory is wrong, that is reported later."""
    header = read_local(file, listed.offset, listed.end)
    return listed.size if header is None or header.has_descriptor else header.size


def _check_gap(file: base.ArchiveFile, context: base.ReadContext, end: int, following: int) -> None:
    """Add an error if there is anything between the end of an entry and the next one, or the directory."""
    if end == following:
        return
    hidden, count = read_local(file, end, following), counted(following - end, "byte")
    if hidden is not None:
        context.problems.error("headers-differ", "is not in the central directory", base.FETCH_AGAIN, path=hidden.text)
    elif end:
        message = f"has {count} between entries, where servers stop reading"
        context.problems.error("archive-gap", message, base.FETCH_AGAIN)
    else:
        message = f"has {count} before the first entry, so servers find no entries"
        context.problems.error("archive-prefix", message, f"remove them, or {base.REPACK}")


def _member(file: base.ArchiveFile, context: base.ReadContext, listed: ZipHeader) -> base.FoundMember:
    """Return a listed file or folder; raise DamageError if its local header is not where the directory says."""
    header = read_local(file, listed.offset, listed.end)
    if header is None:
        raise base.DamageError("archive-damaged", "the local header is missing or damaged", path=listed.text)
    _compare(header, listed, context.problems)
    member = base.FoundMember(header.text, PurePosixPath(header.text), iter(()), bool(listed.mode & stat.S_IXUSR))
    member.blocks = _blocks(file, context, member, header, listed)
    return member


def _compare(header: ZipHeader, listed: ZipHeader, problems: ProblemList) -> None:
    """Add what readers differ about, because of the two headers of an entry, and what servers cannot restore."""
    differs = (header.text, header.method, header.flags) != (listed.text, listed.method, listed.flags)
    differs |= header.is_ambiguous or listed.is_ambiguous
    differs |= not header.has_descriptor and header.numbers != listed.numbers
    differs |= stat.S_ISDIR(listed.mode) and not header.text.endswith("/")
    if differs:
        problems.error("headers-differ", _DIFFERENCE, base.FETCH_AGAIN, path=header.text)
    if stat.S_IFMT(listed.mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        message = "is a link or a device, which servers unpack as a small text file"
        problems.error("entry-link", message, "pack the file itself", path=header.text)


def _blocks(
    file: base.ArchiveFile, context: base.ReadContext, member: base.FoundMember, header: ZipHeader, listed: ZipHeader
) -> Iterator[bytes]:
    """Yield the unpacked bytes of an entry, and check them as ``ZipInputStream`` does."""
    _check_supported(header, listed.end)
    data_end = header.data_start + header.compressed_size
    deflated = base.DeflatedRange(file, header.data_start, listed.end if header.has_descriptor else data_end)
    is_stored = header.method == spec.STORED
    checksum = size = 0
    for block in file.iter_range(header.data_start, data_end) if is_stored else deflated:
        checksum = crc32(block, checksum)
        size += len(block)
        if size > header.size and not header.has_descriptor:
            break
        context.consume(len(block))
        yield block
    end = data_end if is_stored else deflated.end
    found, recorded = (checksum, end - header.data_start, size), header.numbers
    if header.has_descriptor:
        recorded, end = _read_descriptor(file, end, listed.end, found)
    if found != recorded:
        raise base.DamageError("entry-damaged", "CRC-32 or size mismatch: the content is damaged")
    member.compressed_size, listed.end = found[1], end
    if listed.numbers != recorded:
        context.problems.error("headers-differ", _DIFFERENCE, base.FETCH_AGAIN, path=member.name)


def _check_supported(header: ZipHeader, limit: int) -> None:
    if header.flags & ENCRYPTED or header.method not in (spec.STORED, spec.DEFLATED):
        message = "is encrypted, or compressed by a method that servers cannot unpack"
        raise base.DamageError("entry-method", message, f"{base.REPACK}, without a password, and with deflate")
    if header.has_descriptor and header.method == spec.STORED:
        raise base.DamageError(
            "entry-descriptor", "is stored with a data descriptor, which servers reject", base.REPACK
        )
    if not header.has_descriptor and header.data_start + header.compressed_size > limit:
        raise base.DamageError("entry-damaged", "the data overlaps what follows the entry")


def _read_descriptor(file: base.ArchiveFile, start: int, limit: int, found: Numbers) -> tuple[Numbers, int]:
    """Return a data descriptor's numbers and its end; sizes have 64 bits only if the entry has 4 GiB or more.

    Java decides so, whatever APPNOTE 4.3.9 allows (ZipInputStream.readEnd).
    """
    record = file.read_at(start, 24)
    skipped = 4 if record[:4] == _DESCRIPTOR_SIGNATURE else 0
    layout = struct.Struct("<L2Q" if max(found) > spec.LIMIT else "<3L")
    end = start + skipped + layout.size
    if len(record) < skipped + layout.size or end > limit:
        raise base.DamageError("archive-cut", "the data descriptor is truncated")
    if skipped and layout.size == 12 and record[4:] == struct.pack("<L2Q", *found):
        message = "has a ZIP64 data descriptor but less than 4 GiB, which servers reject"
        raise base.DamageError("entry-descriptor", message, base.REPACK)
    return layout.unpack_from(record, skipped), end
