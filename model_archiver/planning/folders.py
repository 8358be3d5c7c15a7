"""Walking a folder: every file in it that is to be packed, links followed."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from model_archiver.planning.exclusions import Exclusions
from model_archiver.planning.findings import Findings
from model_archiver.planning.source import FileSource

Identity = tuple[int, int]


class FolderWalk:
    """A walk that reports what cannot be packed and goes on."""

    def __init__(self, flag: str, exclusions: Exclusions, findings: Findings) -> None:
        self._flag = flag
        self._exclusions = exclusions
        self._findings = findings

    def files(self, root: Path) -> Iterator[tuple[PurePosixPath, FileSource]]:
        """The files below `root`, each with its path below it. Folders as such are not packed."""
        status = status_of(root, self._flag, self._findings)
        if status is not None:
            yield from self._walk(root, PurePosixPath(), (_identity(status),))

    def _walk(
        self, folder: Path, below: PurePosixPath, ancestors: tuple[Identity, ...]
    ) -> Iterator[tuple[PurePosixPath, FileSource]]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            reason = error.strerror or "unreadable"
            self._findings.error("folder-unreadable", f"{reason} ({self._flag})", _MAKE_READABLE, path=folder)
            return
        for entry in entries:
            yield from self._visit(entry, below / entry.name, ancestors)

    def _visit(
        self, entry: os.DirEntry[str], below: PurePosixPath, ancestors: tuple[Identity, ...]
    ) -> Iterator[tuple[PurePosixPath, FileSource]]:
        is_folder = _leads_to_folder(entry)
        path = Path(entry.path)
        if self._exclusions.excludes_name(below, is_folder=is_folder):
            self._exclusions.count(path, is_folder=is_folder)
            return
        status = status_of(path, self._flag, self._findings)
        if status is None:
            return
        if self._exclusions.is_output(path, status):
            self._exclusions.count(path, is_folder=is_folder)
        elif not is_folder:
            source = regular_source(path, status, self._flag, self._findings)
            if source is not None:
                yield below, source
        elif _identity(status) in ancestors:
            message = f"is a link to a folder that it lies in ({self._flag})"
            self._findings.error("link-loop", message, "remove the link or --exclude it", path=path)
        else:
            yield from self._walk(path, below, (*ancestors, _identity(status)))


_MAKE_READABLE = "give yourself the right to read it, or leave it out"


def status_of(path: Path, flag: str, findings: Findings) -> os.stat_result | None:
    """The status of what a path leads to; None, and a finding, where it leads to nothing."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            message = f"is a link to {os.readlink(path)}, which does not exist ({flag})"  # noqa: PTH115 - as written
            findings.error("link-dangling", message, "mend or remove the link", path=path)
        else:
            findings.missing(path, flag)
    except OSError as error:
        is_loop = error.errno == errno.ELOOP
        code = "link-loop" if is_loop else "file-unreadable"
        hint = "mend or remove the link" if is_loop else "check the path and its rights"
        findings.error(code, f"{error.strerror} ({flag})", hint, path=path)
    except ValueError:  # a NUL in a name that came from Python code
        findings.missing(path, flag)
    return None


def regular_source(path: Path, status: os.stat_result, flag: str, findings: Findings) -> FileSource | None:
    """The source at a path that is no folder; None, and a finding, where it is no file that can be read."""
    if not stat.S_ISREG(status.st_mode):
        message = f"is {_kind(status.st_mode)}, not a file ({flag})"
        findings.error("file-special", message, "save its content to a file and name that", path=path)
    elif not os.access(path, os.R_OK):
        findings.error("file-unreadable", f"may not be read ({flag})", _MAKE_READABLE, path=path)
    else:
        return FileSource.from_stat(path, status)
    return None


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or into a folder that is closed: told where its status is asked for
        return False


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a device"


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino
