"""File locks, which the system lets go of when their holder ends, however it ends."""

from __future__ import annotations

import errno
import os
import re
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

from model_archiver.writing.os_calls import rename_new

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

NO_LOCKS = -1
"""In place of a descriptor: the file system has no locks."""


def lock_file(path: Path, *, make: bool = True) -> int | None:
    """Lock a file; None where somebody else holds it.

    Args:
        path: of the file.
        make: make it if it is missing.

    Returns:
        The open descriptor, which holds the lock until it is closed, or `NO_LOCKS`.

    Raises:
        FileNotFoundError: it is missing and not to be made, or was removed meanwhile.
        OSError: it can be neither made nor opened.
    """
    descriptor = os.open(path, os.O_RDWR | (os.O_CREAT if make else 0), 0o600)
    try:
        _lock(descriptor)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, PermissionError):
        pass
    except FileNotFoundError:
        os.close(descriptor)
        raise
    except OSError:
        os.close(descriptor)
        return NO_LOCKS
    os.close(descriptor)
    return None


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

    @contextmanager
    def folder_lock(_folder: Path) -> Iterator[None]:
        """No lock: there is none on folders here, and no exchange of folders either."""
        yield

else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @contextmanager
    def folder_lock(folder: Path) -> Iterator[None]:
        """Wait for, and hold, the lock of a folder, by which builds take turns to replace what is in it."""
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except PermissionError:  # it may be written to and not listed
            yield
            return
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)


_LOCK = "lock"
_FORMER = "former"
_TRIES = 100
_LONGEST_NAME = 200  # of 255 bytes that file systems give a name


class StagingDirectory:
    """A directory that is there for the time of one build.

    It is entered and left while the signals that end a command are held back, or what it makes could be left behind.

    Attributes:
        path: the directory.
        set_aside: where a former output waits while the kernel cannot exchange it for the new one in one step.
    """

    def __init__(self, target: Path, name: str) -> None:
        """Describe it.

        Args:
            target: the output; the directory is made beside it, and its folder too if it is missing.
            name: the model's name; directories that killed builds of it have left here are removed.
        """
        self._target = target
        self._name = name[:_LONGEST_NAME]
        self._made_folders: list[Path] = []
        self._lock = NO_LOCKS
        self.path = Path()
        self.set_aside = Path()

    def __enter__(self) -> StagingDirectory:
        try:
            self._make()
        except BaseException:
            self._remove_made_folders()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _remove(self.path, self._lock)
        if kind is not None:
            self._remove_made_folders()

    def _make(self) -> None:
        for _ in range(_TRIES):  # other builds may remove the folder or the directory between two steps
            self._make_folders()
            try:
                self._remove_abandoned()
                self.path = self._target.parent / f".{self._name}.{os.urandom(4).hex()}.building"
                self.path.mkdir(0o700)
                lock = _lock_new(self.path)
            except FileNotFoundError:
                continue
            if lock is not None:
                self._lock = lock
                self.set_aside = self.path / _FORMER / self._target.name
                return
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(self._target.parent))

    def _make_folders(self) -> None:
        missing = [folder for folder in self._target.parents if not folder.exists()]
        for folder in reversed(missing):
            try:
                folder.mkdir()
            except FileExistsError:
                continue
            self._made_folders.append(folder)

    def _remove_made_folders(self) -> None:
        for folder in reversed(self._made_folders):
            try:
                folder.rmdir()
            except OSError:  # somebody else uses it meanwhile
                return

    def _remove_abandoned(self) -> None:
        pattern = re.compile(rf"\.{re.escape(self._name)}\.[0-9a-f]{{8}}\.building")
        try:
            paths = [path for path in self._target.parent.iterdir() if pattern.fullmatch(path.name)]
        except PermissionError:  # the folder may be written to and not listed
            return
        for path in paths:
            if path.is_symlink():
                continue
            with suppress(OSError):  # another user's, or another build was faster
                _remove_if_abandoned(path)


def is_staging(path: Path) -> bool:
    """Whether a path lies in the temporary directory of a build, of which users know nothing."""
    return any(part.startswith(".") and part.endswith(".building") for part in path.parts)


def _lock_new(directory: Path) -> int | None:
    """Lock a directory that was just made, which is gone again where that is impossible; as `lock_file`."""
    try:
        return lock_file(directory / _LOCK)
    except OSError:
        with suppress(OSError):
            directory.rmdir()
        raise


def _remove_if_abandoned(path: Path) -> None:
    try:
        lock = lock_file(path / _LOCK, make=False)
    except FileNotFoundError:
        path.rmdir()  # which is empty: its build was killed before it could lock it, or is about to and makes another
        return
    if lock is not None and lock != NO_LOCKS:
        _restore_set_aside(path)
        _remove(path, lock)


def _restore_set_aside(abandoned: Path) -> None:
    """Give a former output its place back, where its build was killed after setting it aside."""
    folder = abandoned / _FORMER
    for existing in folder.iterdir() if folder.is_dir() else ():
        with suppress(FileExistsError):  # the new one came
            rename_new(existing, abandoned.parent / existing.name)


def _remove(directory: Path, lock: int) -> None:
    """Remove a temporary directory whose lock is held.

    The lock file goes last and while it is locked, so that nobody takes what is left for a directory of their own.
    """
    with suppress(OSError):  # told below
        for path in directory.iterdir():
            if path.name != _LOCK:
                _remove_tree(path)
        if sys.platform == "win32" and lock != NO_LOCKS:
            os.close(lock)  # before: Windows does not remove what is open
            lock = NO_LOCKS
        if [path.name for path in directory.iterdir()] == [_LOCK]:
            (directory / _LOCK).unlink()
            directory.rmdir()
    if lock != NO_LOCKS:
        os.close(lock)
    if directory.exists():
        import logging  # noqa: PLC0415 - nearly never used

        logging.getLogger(__name__).warning("%s could not be removed: remove it yourself", directory)


def _remove_tree(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink()
        return
    import shutil  # noqa: PLC0415 - not needed where only a file was built

    for folder, _, _ in os.walk(path):
        Path(folder).chmod(0o700)  # the user may have made a folder of a former output read-only
    shutil.rmtree(path, ignore_errors=True)
