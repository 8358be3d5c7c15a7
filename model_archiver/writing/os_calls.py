"""File system steps that Python does not offer: renames that refuse or exchange, and flushing a whole tree.

Each has an answer for platforms and file systems that lack it; the caller is told which one it got.
"""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, BinaryIO

_AT_FDCWD = -100
_NOREPLACE, _EXCHANGE = (1, 2) if sys.platform == "linux" else (4, 2)  # RENAME_* of Linux, RENAME_EXCL/SWAP of macOS
_SYNC_FILE_RANGE_WRITE = 2
_FICLONE = 0x40049409
_LACKING = {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOTSUP}
_MANY = 64


def rename_new(source: Path, destination: Path) -> None:
    """Give a file or folder a name that must be free.

    Raises:
        FileExistsError: the name is taken, be it since a moment ago.
    """
    if not source.is_dir() and _link_new(source, destination):
        source.unlink()
    elif not _rename(source, destination, _NOREPLACE):
        if os.path.lexists(destination):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(destination))
        source.rename(destination)


def exchange(one: Path, other: Path) -> bool:
    """Exchange the names of two files or folders in one step; False where the kernel or file system cannot."""
    return _rename(one, other, _EXCHANGE)


def _link_new(source: Path, destination: Path) -> bool:
    """Give a file a second name, which must be free; False where the file system has no hard links."""
    try:
        os.link(source, destination)
    except FileExistsError:
        raise
    except OSError:
        return False
    return True


def _rename(source: Path, destination: Path, flag: int) -> bool:
    """Rename with a flag of the kernel's; False where it has none such."""
    function = _rename_function()
    if function is None:
        return False
    if function(os.fsencode(source), os.fsencode(destination), flag) == 0:
        return True
    import ctypes  # noqa: PLC0415 - as below

    number = ctypes.get_errno()
    if number in _LACKING:
        return False
    raise OSError(number, os.strerror(number), str(source), None, str(destination))


@cache
def _rename_function() -> Any:  # noqa: ANN401 - a foreign function
    if sys.platform == "win32":
        return None
    import ctypes  # noqa: PLC0415 - small builds do without it, and it takes longer to import than they take

    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "linux" and hasattr(library, "renameat2"):
        return lambda source, destination, flag: library.renameat2(_AT_FDCWD, source, _AT_FDCWD, destination, flag)
    return getattr(library, "renamex_np", None)


def start_writing_back(descriptor: int, offset: int, size: int) -> None:
    """Have the disk begin with a stretch of a file, so that the flush at the end has less to wait for."""
    if sys.platform == "linux":
        _sync_file_range()(descriptor, offset, size, _SYNC_FILE_RANGE_WRITE)


@cache
def _sync_file_range() -> Any:  # noqa: ANN401 - a foreign function
    import ctypes  # noqa: PLC0415 - as above

    function = ctypes.CDLL(None).sync_file_range
    function.argtypes = (ctypes.c_int, ctypes.c_int64, ctypes.c_int64, ctypes.c_uint)
    return function


def shares_blocks(source: Path, probe: Path) -> bool:
    """Whether the file system lets a copy share the blocks of its source, as copying in the kernel then does.

    Args:
        source: the file that is to be copied.
        probe: a free path on the file system of the copy; nothing is left there.
    """
    if sys.platform != "linux":
        return False
    import fcntl  # noqa: PLC0415 - not on every platform

    with source.open("rb") as original, probe.open("xb") as copy:
        try:
            fcntl.ioctl(copy, _FICLONE, original.fileno())
        except OSError:
            return False
        finally:
            probe.unlink()
    return True


def sync_folder(folder: Path) -> None:
    """Flush a folder's own list of names; nothing where folders cannot be opened (Windows) or flushed (some shares)."""
    with suppress(OSError):  # what was moved there is in its place, and no reason to call the build failed
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _sync_file_system(folder: Path) -> bool:
    """Flush the file system that a folder lies on; False where there is no such call."""
    if sys.platform != "linux":
        return False
    import ctypes  # noqa: PLC0415 - as above

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return bool(ctypes.CDLL(None).syncfs(descriptor) == 0)
    finally:
        os.close(descriptor)


def sync_tree(root: Path) -> None:
    """Flush every file and folder of a tree that was just written; by one call for all where there are many."""
    files = [Path(folder, name) for folder, _, names in os.walk(root) for name in names]
    if len(files) > _MANY and _sync_file_system(root):
        return
    for file in files:
        with file.open("rb") as opened:
            if sys.platform != "win32":  # which flushes files that are open for writing only
                os.fsync(opened.fileno())
    for folder, _, _ in os.walk(root):
        sync_folder(Path(folder))


_BUFFER = 1 << 20
_STRETCH = 1 << 24


class OutputFile:
    """A new file that the disk is kept busy with while it is written.

    Attributes:
        file: the file, buffered.
    """

    def __init__(self, path: Path, mode: int = 0o644) -> None:
        """Make it.

        Args:
            path: of a file that does not exist yet.
            mode: its permissions; the right to write is given to whom the user's umask does not keep from it.
        """
        descriptor = os.open(path, _NEW, mode | _ALL_MAY_WRITE)
        self.file: BinaryIO = os.fdopen(descriptor, "wb", buffering=_BUFFER)
        self._begun = 0

    def __enter__(self) -> OutputFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it."""
        self.file.close()

    def sync(self) -> None:
        """Wait until the disk has everything."""
        self.file.flush()
        os.fsync(self.file.fileno())

    def write(self, data: bytes) -> None:
        """Add some bytes at the end."""
        self.file.write(data)
        self.write_back()

    def write_back(self) -> None:
        """Have the disk begin with what was added since, if that is a good deal."""
        end = self.file.tell()
        if end - self._begun >= _STRETCH:
            self.file.flush()
            start_writing_back(self.file.fileno(), self._begun, end - self._begun)
            self._begun = end


_ALL_MAY_WRITE = 0o022
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
