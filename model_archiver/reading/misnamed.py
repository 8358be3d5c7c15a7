"""Rejecting a file that is not a model archive, or that has the name of the other format."""

from __future__ import annotations

import shlex
import zlib

from model_archiver.core.problems import error
from model_archiver.reading.archive import FETCH_AGAIN
from model_archiver.reading.file_kind import DESCRIPTIONS, HEAD, PACKED, WEIGHTS, kind_of
from model_archiver.reading.zip_headers import kind_of_zip, looks_like_zip, read_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from model_archiver.reading.archive import ArchiveFile

_GZIPPED_TAR = "gzipped tar"
_ANY_GZIP_HEADER = 31  # of zlib.decompressobj
_SUFFIXES = (".mar", ".tar.gz", ".tgz", ".tar", ".zip", ".gz")
_DOWNLOAD = "download the file itself"
_HINTS = {
    "empty": FETCH_AGAIN,
    "html": _DOWNLOAD,
    "xml": _DOWNLOAD,
    "git lfs": "run git lfs pull",
    **dict.fromkeys(PACKED, "unpack it, and name the model archive in it"),
}


def check_kind(file: ArchiveFile, path: Path) -> None:
    """Raise ModelArchiverError if a file is not an archive, or if the server takes it for one of the other format.

    TorchServe reads a file whose name ends in .mar as a zip, and any other file as a gzipped tar (ModelArchive.java).
    Multi Model Server reads zips only.
    """
    kind, name, is_mar = _kind(file), shlex.quote(str(path)), path.name.endswith(".mar")
    if kind in (("archive", "zip") if is_mar else (_GZIPPED_TAR,)):
        return
    reads = f"but TorchServe reads a file of this name as {'a zip' if is_mar else 'a gzipped tar'} and rejects it"
    if kind == "archive":
        message, hint = f"this is a zip file, {reads}", f"run mv {name} {_renamed(path, '.mar')}"
    elif kind == _GZIPPED_TAR:
        message, hint = f"this is a gzip file, {reads}", f"run mv {name} {_renamed(path, '.tar.gz')}"
    elif kind == "tar":
        tar = _renamed(path, ".tar")
        message = f"this is a tar archive without compression, {reads}"
        hint = f"run gzip {tar}" if tar == name else f"run mv {name} {tar} && gzip {tar}"
    elif kind == "workflow":
        message = "this is a workflow archive, which TorchServe registers at /workflows only"
        hint = "name the .mar file of one of its models"
    else:
        message = f"this is {DESCRIPTIONS.get(kind, 'not an archive')}, so the server rejects it"
        hint = _HINTS.get(kind, "name a .mar file, a .tar.gz file or a model folder")
        if kind in WEIGHTS:
            hint = f"package it: torch-model-archiver --model-name NAME --serialized-file {name}"
    raise error("archive-unknown", message, hint, path)


def _kind(file: ArchiveFile) -> str:
    """Return the kind of a file, as `kind_of` and `kind_of_zip` do; what is damaged may be an archive."""
    head = file.read_at(0, HEAD)
    kind = kind_of(head, file.size)
    if kind == "gzip":
        try:
            inflated = zlib.decompressobj(_ANY_GZIP_HEADER).decompress(head, HEAD)
        except zlib.error:
            return _GZIPPED_TAR
        inner = kind_of(inflated, file.size) if inflated else "unknown"
        return _GZIPPED_TAR if inner in ("tar", "unknown") else kind
    if kind == "zip" or (kind == "unknown" and looks_like_zip(file)):
        names = read_names(file)
        found = "unknown" if names is None else kind_of_zip(names)
        return "archive" if found == "unknown" else found
    return kind


def _renamed(path: Path, suffix: str) -> str:
    """Return the path with another suffix in place of that of an archive, as a shell takes it."""
    end = next((end for end in _SUFFIXES if path.name.lower().endswith(end)), "")
    return shlex.quote(str(path.with_name(f"{path.name[: len(path.name) - len(end)]}{suffix}")))
