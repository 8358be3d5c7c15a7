"""What an archive may say of an entry: names, paths, time, permissions, and the records of a zip.

Two builds of the same content are the same bytes, so an entry says nothing of the machine, the user or the moment.
"""

from __future__ import annotations

import re
import struct
from pathlib import PurePosixPath

from model_archiver.core.manifest import MAR_INF
from model_archiver.core.problems import ProblemList, has_control

# The time of every entry: 1980-01-01 00:00:00 UTC, the first one that a zip can hold.
TIME = 315532800  # in seconds since 1970
DOS_STAMP = 0, (1980 - 1980) << 9 | 1 << 5 | 1  # time and date, as a zip writes them
GZIP_HEADER = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"  # deflate, no name, no time, unknown system

# The records of a zip (APPNOTE 6.3, 4.3), sizes in bytes.
STORED = 0
DEFLATED = 8
LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s6H3L5H2L")
END = struct.Struct("<4s4H2LH")
END_64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")
LIMIT = 0xFFFFFFFF
LIMIT_ENTRIES = 0xFFFF
UTF8_NAME = 0x800

_LONGEST_NAME = 248  # of the 255 bytes that file systems give a name, .tar.gz included
_LONGEST_PATH = 4096
_LONGEST_PART = 255
_NOT_ON_WINDOWS = r'[:*?"<>|]|[. ]\Z|\A(?:CON|PRN|AUX|NUL|COM[1-9]|LPT[1-9])(?:\.|\Z)'


def mode(*, executable: bool) -> int:
    """Return the permissions of an entry: only the permission to execute is taken from its source."""
    return 0o755 if executable else 0o644


def path_problem(path: PurePosixPath) -> str | None:
    """Return what is wrong with a path in an archive, as the end of a sentence, or None.

    TorchServe rejects names that are not UTF-8 (``malformed input``). Windows takes a backslash for a folder. Multi
    Model Server unpacks ``..`` outside the model's folder. A line of a sums file holds one name.
    """
    text = str(path)
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError:
        return "is not UTF-8, which servers cannot unpack"
    if len(encoded) > _LONGEST_PATH or any(len(part.encode()) > _LONGEST_PART for part in path.parts):
        return "is longer than file systems allow"
    if path.is_absolute() or ".." in path.parts:
        return "leads out of the archive"
    if has_control(text):
        return "has a control character"
    if "\\" in text:
        return "has a backslash, which separates folders on Windows"
    return "begins like a Windows drive" if re.match("[A-Za-z]:", text) else None


def fits_windows(path: PurePosixPath) -> bool:
    """Return whether Windows creates a file with exactly this name, and not a stream, a device or another name."""
    return not any(re.search(_NOT_ON_WINDOWS, part, re.IGNORECASE) for part in path.parts)


def is_reserved(path: PurePosixPath) -> bool:
    """Return whether the path lies in MAR-INF, in upper or lower case: some file systems ignore case."""
    return path.parts[0].upper() == MAR_INF


def portable_key(text: str) -> str:
    """Return a key that is equal for paths, or parts of them, that differ only in case or Unicode normal form."""
    if text.isascii():
        return text.casefold()
    import unicodedata  # noqa: PLC0415 - only names beyond ASCII need it

    return unicodedata.normalize("NFC", text).casefold()


def check_model_name(name: str, problems: ProblemList) -> bool:
    """Return whether a model's name can be a file name and part of a server's URL; add an error if not."""
    if not name:
        problems.error("name-invalid", "the model has no name", "give it one with --model-name")
        return False
    is_plain = name.isascii() and all(character.isalnum() or character in "_.-" for character in name)
    # The output is called <name>.mar, and the servers reject every URL with two dots in a row.
    if is_plain and name[0].isalnum() and ".." not in f"{name}." and len(name) <= _LONGEST_NAME:
        return True
    hint = f"use up to {_LONGEST_NAME} ASCII letters, digits, '_', '-', '.', a letter first, no '..', no '.' at the end"
    problems.error("name-invalid", "a model cannot have this name", hint, path=f"--model-name {name!r}")
    return False
