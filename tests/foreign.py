"""Archives as other tools, and attackers, make them: zips put together header by header, and tars of any shape."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import stat
import struct
import subprocess
import tarfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.archives import MANIFEST

needs_java = pytest.mark.skipif(shutil.which("javac") is None, reason="needs a Java development kit")
STORED, DEFLATED = 0, 8
HANDLER = b"def handle(data, context):\n    return data\n"
LIMIT = 0xFFFFFFFF


def manifest_bytes(name: str = "m", **fields: object) -> bytes:
    """A manifest as torch-model-archiver 0.12.0 writes it."""
    model = {"modelName": name, "handler": "handler.py", "modelVersion": "1.0"}
    whole = {"createdOn": "02/01/2024 10:00:00", "runtime": "python", "model": model, "archiverVersion": "0.12.0"}
    return json.dumps({**whole, **fields}, indent=2).encode()


@dataclass(frozen=True)
class Raw:
    """An entry of a zip; a field that is None is as an honest tool writes it."""

    name: bytes  # in the local header
    content: bytes = b""  # unpacked
    method: int = STORED  # of compression; what is neither stored nor deflated has its content as it is
    flags: int = 0  # of both headers
    local_extra: bytes = b""
    packed: bytes | None = None  # the data
    descriptor: bytes = b""  # follows the data
    central_name: bytes | None = None
    central_extra: bytes = b""
    central_size: int | None = None  # unpacked
    size: int | None = None  # in both headers
    crc32: int | None = None  # in both headers
    local_sizes: tuple[int, int, int] | None = None  # CRC-32, packed and unpacked size, in the local header only
    mode: int = stat.S_IFREG | 0o644  # Unix type and permissions
    is_listed: bool = True  # in the central directory
    before: bytes = b""  # bytes in front of it
    offset: int | None = None  # its place, as the central directory says


def deflate(content: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return compressor.compress(content) + compressor.flush()


def zip_bytes(
    entries: Sequence[Raw], *, comment: bytes = b"", after: bytes = b"", tail: bytes = b"", signature: bytes = b""
) -> bytes:
    """A zip of entries; `after` stands before its central directory, `signature` in it, and `tail` behind its end."""
    body, directory, count = b"", b"", 0
    for entry in entries:
        body += entry.before
        packed = entry.packed
        if packed is None:
            packed = deflate(entry.content) if entry.method == DEFLATED else entry.content
        crc32 = zlib.crc32(entry.content) if entry.crc32 is None else entry.crc32
        numbers = (crc32, len(packed), len(entry.content) if entry.size is None else entry.size)
        offset = len(body) if entry.offset is None else entry.offset
        header = (20, entry.flags, entry.method, 0, 33)
        lengths = (len(entry.name), len(entry.local_extra))
        body += struct.pack("<4s5H3L2H", b"PK\3\4", *header, *(entry.local_sizes or numbers), *lengths)
        body += entry.name + entry.local_extra + packed + entry.descriptor
        if entry.is_listed:
            name = entry.name if entry.central_name is None else entry.central_name
            rest = (len(name), len(entry.central_extra), 0, 0, 0, entry.mode << 16, offset)
            sizes = (*numbers[:2], numbers[2] if entry.central_size is None else entry.central_size)
            directory += struct.pack("<4s6H3L5H2L", b"PK\1\2", 3 << 8 | 20, *header, *sizes, *rest) + name
            directory += entry.central_extra
            count += 1
    directory += signature
    end = (0, 0, count, count, len(directory), len(body + after), len(comment))
    return body + after + directory + struct.pack("<4s4H2LH", b"PK\5\6", *end) + comment + tail


HONEST = (Raw(b"handler.py", HANDLER, DEFLATED), Raw(MANIFEST.encode(), manifest_bytes(), DEFLATED))
"""What an archive of torch-model-archiver 0.12.0 holds."""


def with_descriptor(entry: Raw, *, wide: bool = False, signed: bool = True) -> Raw:
    """An entry whose numbers follow its data."""
    packed = deflate(entry.content) if entry.method == DEFLATED else entry.content
    numbers = (zlib.crc32(entry.content), len(packed), len(entry.content))
    descriptor = (b"PK\7\10" if signed else b"") + struct.pack("<L2Q" if wide else "<3L", *numbers)
    return replace(entry, flags=8, local_sizes=(0, 0, 0), descriptor=descriptor)


def in_zip64(entry: Raw) -> Raw:
    """An entry whose sizes stand in an extra field of its local header."""
    packed = deflate(entry.content) if entry.method == DEFLATED else entry.content
    extra = struct.pack("<2H2Q", 1, 16, len(entry.content), len(packed))
    return replace(entry, local_extra=extra, local_sizes=(zlib.crc32(entry.content), LIMIT, LIMIT))


def zip64_bytes(
    entries: Sequence[Raw], *, disks: int = 1, shift: int = 0, here: int = 0, surplus: bytes = b"", plain: int = LIMIT
) -> bytes:
    """A zip with ZIP64 records at its end.

    `disks` and `shift` change the locator. `here` (more entries) and `surplus` (data of another maker) change the
    record. `plain` is the size of the directory in the plain record.
    """
    whole = zip_bytes(entries)
    _, _, _, _, count, size, start, _ = struct.unpack("<4s4H2LH", whole[-22:])
    length = 44 + len(surplus)
    record = struct.pack("<4sQ2H2L4Q", b"PK\6\6", length, 45, 45, 0, 0, count + here, count, size, start) + surplus
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, start + size + shift, disks)
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFF, 0xFFFF, plain, LIMIT, 0)
    return whole[:-22] + record + locator + end


def mar(*entries: Raw, path: str = "m.mar", **parts: bytes) -> Path:
    """A .mar of these entries, or of the honest ones."""
    Path(path).write_bytes(zip_bytes(entries or HONEST, **parts))
    return Path(path)


def tar_bytes(members: dict[str, bytes | tarfile.TarInfo], *, form: int = tarfile.PAX_FORMAT) -> bytes:
    """A tar of files, given by their names; a TarInfo stands for something that is no file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for name, content in members.items():
            info = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
            else:
                tar.addfile(info)
    return buffer.getvalue()


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    """A link, a device or a folder in a tar."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def honest_members(top: str = "m/") -> dict[str, bytes | tarfile.TarInfo]:
    """What an archive of torch-model-archiver 0.12.0 holds, below a folder."""
    return {f"{top}handler.py": HANDLER, f"{top}{MANIFEST}": manifest_bytes()}


def tgz(data: bytes, path: str = "m.tar.gz") -> Path:
    Path(path).write_bytes(gzip.compress(data))
    return Path(path)


def run_java(program: str, *arguments: object, classpath: Path = Path()) -> list[str]:
    """Return the lines that a program in the folder ``java`` prints."""
    source = Path(__file__).with_name("java") / f"{program}.java"
    command = ["java", "-Dfile.encoding=UTF-8", "-cp", classpath, source, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.splitlines()
