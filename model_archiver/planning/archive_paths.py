"""Which paths may stand in an archive. The rules of every server and every platform that unpacks one."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from model_archiver.issue import CONTROL
from model_archiver.manifest_components.manifest import MAR_INF

_LONGEST = 4096
_LONGEST_PART = 255
_DEVICES = r"(?:CON|PRN|AUX|NUL|COM[1-9]|LPT[1-9])"
_NOT_ON_WINDOWS = re.compile(rf'[:*?"<>|]|[. ]\Z|\A{_DEVICES}(?:\.|\Z)', re.IGNORECASE)
_PROBLEMS = (
    (CONTROL, "holds a control character"),
    (re.compile(r"\\"), "holds a backslash, which Windows takes for a folder"),
    (re.compile(r"\A[A-Za-z]:"), "begins like a Windows drive"),
)


def path_problem(path: PurePosixPath) -> str | None:
    """What is wrong with a path inside an archive, as the end of a sentence; None where it is fine.

    TorchServe refuses names that are not UTF-8 (``malformed input``) and a backslash is a folder on Windows;
    Multi Model Server unpacks ``..`` to outside of the model's folder; a line of a sums file holds one name.
    """
    text = str(path)
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError:
        return "is not UTF-8, which servers cannot unpack"
    if len(encoded) > _LONGEST or any(len(part.encode()) > _LONGEST_PART for part in path.parts):
        return "is longer than file systems take"
    for pattern, problem in _PROBLEMS:
        if pattern.search(text):
            return problem
    if path.is_absolute() or ".." in path.parts:
        return "leads out of the archive"
    return None


def fits_windows(path: PurePosixPath) -> bool:
    """Whether Windows makes a file of this very name of it, and no stream, device or other name."""
    return not any(_NOT_ON_WINDOWS.search(part) for part in path.parts)


def is_reserved(path: PurePosixPath) -> bool:
    """Whether the path lies in MAR-INF, whatever the case: there are file systems on which that is one folder."""
    return path.parts[0].upper() == MAR_INF


def portable_key(path: PurePosixPath) -> str:
    """A text that is equal for paths that are one file on file systems that ignore case or normal form."""
    import unicodedata  # noqa: PLC0415 - only names beyond ASCII need it

    text = str(path)
    return (text if text.isascii() else unicodedata.normalize("NFC", text)).casefold()
