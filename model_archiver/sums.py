"""``MAR-INF/SHA256SUMS``, the checksums that every archive carries, and the digest of a whole archive's content."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from model_archiver.manifest_components.manifest import MAR_INF
from model_archiver.report import Entry

SUMS_PATH = f"{MAR_INF}/SHA256SUMS"

OF_THE_BUILD = ("createdOn", "archiverVersion")
_LINE = re.compile(r"([0-9a-f]{64})  (.+)")


def sums_text(entries: Iterable[Entry]) -> str:
    """The text of a sums file, in the format of ``sha256sum -c``, sorted by path."""
    return "".join(f"{entry.sha256}  {entry.path}\n" for entry in sorted(entries, key=lambda entry: str(entry.path)))


def read_sums(text: str) -> dict[PurePosixPath, str]:
    """The sums of a text, by path. Lines that are none, and paths that are absolute or lead out, are passed over."""
    matches = (_LINE.fullmatch(line) for line in text.split("\n"))
    sums = {PurePosixPath(match[2]): match[1] for match in matches if match}
    return {path: digest for path, digest in sums.items() if not path.is_absolute() and ".." not in path.parts}


def content_digest(entries: Iterable[Entry], manifest: dict[str, Any]) -> str:
    """The identity of what an archive holds: the same whenever, in whatever format, by whatever version it was packed.

    It is the SHA-256 of the lines ``<sha256>  <path>`` of all files outside of MAR-INF, sorted by path, followed by
    the manifest without ``createdOn`` and ``archiverVersion`` as JSON with sorted keys and no blanks.
    """
    fields = {name: value for name, value in manifest.items() if name not in OF_THE_BUILD}
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    outside = [entry for entry in entries if entry.path.parts[0] != MAR_INF]
    content = (sums_text(outside) + canonical).encode("utf-8", "surrogatepass")  # a manifest of others may hold any
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's content, as hexadecimal digits.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
