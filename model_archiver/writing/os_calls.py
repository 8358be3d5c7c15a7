"""File system calls that Python does not offer: to rename without replacing, exchange, share blocks, flush a tree."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from model_archiver.core.problems import ModelArchiverError, error, system_hint
from model_archiver.planning.gathering import walk_tree

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from typing_extensions import Buffer

# The system call, its AT_FDCWD, and its flags: RENAME_NOREPLACE and _EXCHANGE on Linux, RENAME_EXCL and _SWAP on macOS.
_RENAME, _AT_FDCWD, _NOREPLACE, _EXCHANGE = (
    ("renameat2", -100, 1, 2) if sys.platform == "linux" else ("renameatx_np", -2, 4, 2)
)
_SYNC_FILE_RANGE_WRITE = 2
_FICLONE = 0x40049409  # of ioctl_ficlonerange(2)
_UNSUPPORTED = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP}
_MANY_FILES = 64

_BUFFER = 1 << 20
_WRITE_BACK_SIZE = 1 << 24
_ALL_MAY_WRITE = 0o022
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


@contextmanager
def convert_write_errors(target: Path, other: str) -> Iterator[None]:
    """Raise an OSError of a build as a ModelArchiverError; `other` says how to choose another target."""
    try:
        yield
    except OSError as failure:
        if isinstance(failure, ModelArchiverError):
            raise
        is_full = failure.errno in (errno.ENOSPC, errno.EDQUOT)
        hint = f"free some space, or {other}" if is_full else system_hint(failure)
        message, code = failure.strerror or str(failure), "disk-full" if is_full else "write-failed"
        raise error(code, message, hint, failure.filename or target) from failure


def rename_new(source: Path, destination: Path) -> None:
    """Give a file or folder a name; raise FileExistsError if it is taken, perhaps only since a moment ago."""
    if not source.is_dir() and not source.is_symlink():
        try:
            os.link(source, destination)
        except FileExistsError:
            raise
        except OSError:  # the file system has no hard links
            pass
        else:
            with suppress(OSError):  # it has its new name, so this has not failed
                source.unlink()
            return
    if not _rename(source, destination, _NOREPLACE):
        if os.path.lexists(destination):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(destination))
        source.rename(destination)


def exchange(one: Path, other: Path) -> bool:
    """Exchange the names of two files or folders in one step; return False if the system cannot."""
    return _rename(one, other, _EXCHANGE)


def _rename(source: Path, destination: Path, flag: int) -> bool:
    """Rename with a flag of the kernel; return False if it does not have the flag."""
    function = _rename_function()
    if function is None:
        return False
    if function(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(destination), flag) == 0:
        return True
    import ctypes  # noqa: PLC0415 - as in _c_library

    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), str(source), None, str(destination))


def _rename_function() -> Any:  # noqa: ANN401 - a foreign function
    return None if sys.platform == "win32" else getattr(_c_library(), _RENAME, None)


@cache
def _c_library() -> Any:  # noqa: ANN401 - its functions have no types
    import ctypes  # noqa: PLC0415 - small builds do not need it, and its import takes longer than they do

    return ctypes.CDLL(None, use_errno=True)


def share_blocks(source: Path, target: Path) -> bool:
    """Create a file that shares its blocks with another one; return False, and create none, if the system cannot."""
    if sys.platform != "linux":
        return False
    import fcntl  # noqa: PLC0415 - Windows does not have it

    with source.open("rb") as original, target.open("xb") as copied:
        try:
            fcntl.ioctl(copied, _FICLONE, original.fileno())
        except OSError:
            target.unlink()
            return False
    return True


def sync_folder(folder: Path) -> None:
    """Flush the list of names of a folder, if it can be opened (not on Windows) and flushed (not on some shares)."""
    with suppress(OSError):  # what was moved there is in its place, so the build has not failed
        _call_with_folder(os.fsync, folder)


def _sync_file_system(folder: Path) -> bool:
    """Flush the file system of a folder; return False if the system has no such call."""
    return sys.platform == "linux" and _call_with_folder(_c_library().syncfs, folder) == 0


def _call_with_folder(function: Callable[[int], object], folder: Path) -> object:
    """Return what a function returns for the descriptor of a folder."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return function(descriptor)
    finally:
        os.close(descriptor)


def sync_tree(root: Path) -> None:
    """Flush every file and folder of a tree that was just written; if there are many, by one call for all."""
    tree = list(walk_tree(root))
    files = [Path(entry.path) for _, entries in tree for entry in entries if not entry.is_dir()]
    if len(files) > _MANY_FILES and _sync_file_system(root):
        return
    for file in files:
        with file.open("rb") as opened:
            if sys.platform != "win32":  # which flushes only files that are open for writing
                os.fsync(opened.fileno())
    for folder, _ in tree:
        sync_folder(folder)


def make_folders(folder: Path, made: Callable[[Path], object] = Path) -> None:
    """Make a folder, and those that it lies in, where they are missing; call `made` with each."""
    missing = []
    while not folder.exists():  # `Path.mkdir` fails where the tree is deeper than functions can call each other
        missing.append(folder)
        folder = folder.parent
    for folder in reversed(missing):
        with suppress(FileExistsError):
            folder.mkdir()
            made(folder)


def keep_owner(path: Path, status: os.stat_result) -> None:
    """Give a path the owner and the permissions of the one that it replaces."""
    if hasattr(os, "chown"):
        with suppress(OSError):  # only root gives files away
            os.chown(path, status.st_uid, status.st_gid)
    path.chmod(stat.S_IMODE(status.st_mode))


class OutputFile(io.BufferedWriter):
    """A new file that the disk begins to store while it is written."""

    def __init__(self, path: Path, mode: int = 0o644) -> None:
        """Create it at a free path, writable by everyone whom the umask allows to write."""
        super().__init__(io.FileIO(os.open(path, _NEW, mode | _ALL_MAY_WRITE), "w"), _BUFFER)
        self._begun = 0

    def sync(self) -> None:
        """Wait until the disk has everything."""
        self.flush()
        os.fsync(self.fileno())

    def write(self, data: Buffer) -> int:
        """Append some bytes, or write them over others."""
        count = super().write(data)
        self.write_back()
        return count

    def write_back(self) -> None:
        """Let the disk begin to store what was appended, if it is much: the flush at the end has less to wait for."""
        end = self.tell()
        if end - self._begun >= _WRITE_BACK_SIZE:
            self.flush()
            if sys.platform == "linux":
                from ctypes import c_int64  # noqa: PLC0415 - as in _c_library

                begun, size = c_int64(self._begun), c_int64(end - self._begun)
                _c_library().sync_file_range(self.fileno(), begun, size, _SYNC_FILE_RANGE_WRITE)
            self._begun = end
