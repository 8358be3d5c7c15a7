"""The ``.tar.gz`` file: a tar with everything below one folder, in one gzip member.

TorchServe drops everything up to the first slash of a member's name, and takes the second of several gzip members for
the end of a truncated archive.
"""

from __future__ import annotations

import struct
from pathlib import PurePosixPath

from model_archiver.core.entries import GZIP_HEADER, TIME, mode
from model_archiver.core.plan import FileSource, Plan
from model_archiver.core.report import ArchiveEntry
from model_archiver.core.sums import sha256
from model_archiver.writing.deflate import DeflateStream, Workers
from model_archiver.writing.destination import FileDestination
from model_archiver.writing.staging import StagingDirectory

# POSIX.1 (pax, "ustar Interchange Format"), sizes in bytes.
_BLOCK = 512
_RECORD = 20 * _BLOCK
_LONGEST_NAME = 100
_LARGEST = 8**11 - 1  # in eleven octal digits
_USTAR = struct.Struct("100s8s8s8s12s12s8sc100s8s247x")


class TgzDestination(FileDestination):
    """A gzipped tar file."""

    def __init__(self, plan: Plan, staging: StagingDirectory, workers: Workers) -> None:
        super().__init__(plan, staging, workers)
        self.output.write(GZIP_HEADER)
        self._top = PurePosixPath(plan.top)
        self._stream = DeflateStream(self.output.write, workers)
        self._tar_size = 0

    def add_bytes(self, path: PurePosixPath, data: bytes, *, executable: bool = False) -> ArchiveEntry:
        """Write a small file."""
        self._write(tar_header(str(self._top / path), len(data), mode(executable=executable)) + data)
        self._pad(_BLOCK)
        return ArchiveEntry(path, len(data), None, sha256(data))

    def add_large(self, path: PurePosixPath, source: FileSource) -> ArchiveEntry:
        """Write a file block by block."""
        self._write(tar_header(str(self._top / path), source.size, mode(executable=source.executable)))
        digest = self.pass_on(source, self._write)
        self._pad(_BLOCK)
        return ArchiveEntry(path, source.size, None, digest)

    def finish(self) -> None:
        """Write the ends of the tar and of the gzip member, and wait until the disk has the whole file."""
        self._write(bytes(2 * _BLOCK))
        self._pad(_RECORD)
        self._stream.finish()
        self.output.write(struct.pack("<2L", self._stream.crc32.value, self._tar_size & 0xFFFFFFFF))
        super().finish()

    def _write(self, data: bytes) -> None:
        self._stream.write(data)
        self._tar_size += len(data)

    def _pad(self, unit: int) -> None:
        self._write(bytes(-self._tar_size % unit))


def tar_header(name: str, size: int, permissions: int) -> bytes:
    """Return the header of a file; a pax header comes first where the name or size has no room in it.

    Python's tarfile writes the same bytes, but not in each of its versions, and its import takes as long as a third
    of a small build.
    """
    records = b""
    if not name.isascii() or len(name) > _LONGEST_NAME:
        records += _pax_record(b"path", name.encode())
    if size > _LARGEST:
        records += _pax_record(b"size", b"%d" % size)
        size = 0
    header = _ustar(name.encode("ascii", "replace"), size, permissions, TIME, b"0")
    if not records:
        return header
    padding = bytes(-len(records) % _BLOCK)
    return _ustar(b"././@PaxHeader", len(records), 0, 0, b"x") + records + padding + header


def _pax_record(key: bytes, value: bytes) -> bytes:
    rest = b" %s=%s\n" % (key, value)
    length = len(rest) + len(str(len(rest)))  # which counts its own digits, and these may become one more
    return b"%d%s" % (len(rest) + len(str(length)), rest)


def _ustar(name: bytes, size: int, permissions: int, time: int, kind: bytes) -> bytes:
    numbers = (b"%07o" % permissions, b"%07o" % 0, b"%07o" % 0, b"%011o" % size, b"%011o" % time)
    block = _USTAR.pack(name, *numbers, b" " * 8, kind, b"", b"ustar\x0000")
    return _USTAR.pack(name, *numbers, b"%06o\0 " % sum(block), kind, b"", b"ustar\x0000")
