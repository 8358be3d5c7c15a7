"""Opening what came out, with the standard library's readers."""

from __future__ import annotations

import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

FORMATS = ("default", "zip-store", "tgz", "no-archive")
ONE_FILE_FORMATS = ("default", "zip-store", "tgz")
MANIFEST = "MAR-INF/MANIFEST.json"
SUMS = "MAR-INF/SHA256SUMS"


def output(name: str, archive_format: str = "default", folder: Path | None = None) -> Path:
    suffix = {"tgz": ".tar.gz", "no-archive": ""}.get(archive_format, ".mar")
    return (folder or Path()) / f"{name}{suffix}"


def contents(archive: Path) -> dict[str, bytes]:
    """Every file in an archive, by its path in the model's folder, in the order in which it stands there."""
    if archive.is_dir():
        files = sorted(path for path in archive.rglob("*") if path.is_file())
        return {path.relative_to(archive).as_posix(): path.read_bytes() for path in files}
    if archive.suffix == ".mar":
        with zipfile.ZipFile(archive) as opened:
            assert opened.testzip() is None
            return {name: opened.read(name) for name in opened.namelist()}
    with tarfile.open(archive) as opened:
        return {_below_top(member.name): _read(opened, member) for member in opened.getmembers()}


def manifest(archive: Path) -> dict[str, Any]:
    return json.loads(contents(archive)[MANIFEST])


def members(archive: Path) -> set[str]:
    """The paths in an archive without those of MAR-INF."""
    return {path for path in contents(archive) if not path.startswith("MAR-INF/")}


def tree(folder: Path) -> dict[str, bytes | str]:
    """Everything below a folder, hidden files and links too, to compare before with after."""
    return {
        path.relative_to(folder).as_posix(): f"-> {path.readlink()}"
        if path.is_symlink()
        else path.read_bytes()
        if path.is_file()
        else "folder"
        for path in folder.rglob("*")
    }


def _below_top(name: str) -> str:
    return name.partition("/")[2]


def _read(opened: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = opened.extractfile(member)
    assert file is not None
    return file.read()
