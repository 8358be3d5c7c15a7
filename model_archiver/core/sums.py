"""Checksums: CRC-32 and SHA-256, the file ``MAR-INF/SHA256SUMS``, and the digest of all that an archive holds."""

from __future__ import annotations

import hashlib
import io
import json
import re
import types
import zlib
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path, PurePosixPath

from model_archiver.core.manifest import MAR_INF
from model_archiver.core.report import ArchiveEntry

FIELDS_OF_THE_BUILD = ("createdOn", "archiverVersion")  # when and by which version a manifest was written
_SMALL = 1 << 16
_READ_SIZE = 1 << 20
_LINE = r"([0-9a-f]{64})  (.+)"


@cache
def fast_zlib() -> types.ModuleType:
    """Return ISA-L, or the standard library's zlib where ISA-L is not installed."""
    try:
        from isal import isal_zlib  # noqa: PLC0415 - small builds need only zlib
    except Exception:  # noqa: BLE001 - a broken one can raise anything
        return zlib
    return isal_zlib


def crc32(data: bytes | memoryview, value: int = 0) -> int:
    """Return the CRC-32 of all bytes so far; `value` is that of the bytes before `data`."""
    checksum: int = (zlib if len(data) < _SMALL else fast_zlib()).crc32(data, value)
    return checksum


class Crc32:
    """A CRC-32 that is updated as the digests of hashlib are; `value` is that of all bytes so far."""

    def __init__(self) -> None:
        self.value = 0

    def update(self, data: bytes | memoryview) -> None:
        """Add some bytes."""
        self.value = crc32(data, self.value)


def sha256(data: bytes) -> str:
    """Return the SHA-256 of some bytes, as hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, as hexadecimal digits; raise OSError if it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_SIZE):
            digest.update(block)
    return digest.hexdigest()


def sum_lines(entries: Iterable[ArchiveEntry]) -> Iterator[bytes]:
    """Yield the lines of a sums file, in the format of ``sha256sum -c``, sorted by path."""
    for entry in sorted(entries, key=lambda entry: str(entry.path)):
        # Other tools may have written names that are not UTF-8.
        yield f"{entry.sha256}  {entry.path}\n".encode("utf-8", "surrogatepass")


def read_sums(text: bytes) -> Iterator[tuple[PurePosixPath, str] | None]:
    """Yield path and sum of each line that is not empty, or None if it is invalid or leads out of the archive."""
    for line in io.BytesIO(text):  # one by one: there may be very many
        if line.strip():
            match = re.fullmatch(_LINE, line.decode("utf-8", "replace").removesuffix("\n"))
            path = PurePosixPath(match[2] if match else "..")
            yield (path, match[1]) if match and not path.is_absolute() and ".." not in path.parts else None


def content_digest(entries: Iterable[ArchiveEntry], manifest: Mapping[str, object]) -> str:
    """Return the identity of what an archive holds, whatever the format, the time and the version of the tool.

    It is the SHA-256 of the lines ``<sha256>  <path>`` of all files outside MAR-INF, sorted by path, followed by the
    manifest without ``createdOn`` and ``archiverVersion`` as JSON with sorted keys and no spaces.
    """
    fields = {name: value for name, value in manifest.items() if name not in FIELDS_OF_THE_BUILD}
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = hashlib.sha256()
    for line in sum_lines(entry for entry in entries if entry.path.parts[0] != MAR_INF):  # there may be very many
        digest.update(line)
    digest.update(canonical.encode("utf-8", "surrogatepass"))  # manifests of other tools may hold lone surrogates
    return f"sha256:{digest.hexdigest()}"
