"""The private directory in which an output is assembled, locks, and moving what is finished to its place."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from model_archiver.core.problems import error
from model_archiver.core.running import Unblocked, Undo, warn
from model_archiver.planning.gathering import walk_tree
from model_archiver.writing.os_calls import make_folders, rename_new

_NO_LOCKS = -1  # in place of a descriptor: the file system has no locks
_LOCK = "lock"
_SET_ASIDE = "set-aside"
_RANDOM_BYTES = 4
_RANDOM = r"[0-9a-f]{8}\.building"  # what follows the model's name in the name of a staging directory
_TRIES = 100
_LONGEST_NAME = 200  # of 255 bytes that file systems give a name


class StagingDirectory:
    """A directory that exists for the time of one build.

    Enter and leave it while the signals that end a command are blocked, or a signal could leave it behind.
    """

    def __init__(self, target: Path, name: str) -> None:
        """Store the target and the name; entering creates the directory there, and removes those of killed builds."""
        self.target = target
        self._name = name[:_LONGEST_NAME]
        self._made_folders: list[Path] = []
        self._lock = _NO_LOCKS
        self.path = target  # entering sets these three
        self.new = target  # where the output is assembled
        self.set_aside = target  # where existing output waits if the system cannot exchange it for the new one
        self.is_kept = False  # it holds what the user needs: no build removes it, because it loses its lock

    def __enter__(self) -> StagingDirectory:
        try:
            self._make()
        except BaseException as failure:
            self._clean_up(failure)
            raise
        return self

    def __exit__(self, _kind: object, failure: BaseException | None, _traceback: object) -> None:
        if self.is_kept:
            (self.path / _LOCK).unlink(missing_ok=True)
            _close(self._lock)
        else:
            _remove(self.path, self._lock)
        if failure is not None:
            self._clean_up(failure)

    def _make(self) -> None:
        for _ in range(_TRIES):  # other builds may remove the folder or the directory between two steps
            make_folders(self.target.parent, self._made_folders.append)
            try:
                self._remove_abandoned()
                self.path = self.target.parent / f".{self._name}.{os.urandom(_RANDOM_BYTES).hex()}.building"
                self.path.mkdir(0o700)
                try:
                    lock = _lock_file(self.path / _LOCK)
                except OSError:
                    with suppress(OSError):
                        self.path.rmdir()
                    raise
            except (FileNotFoundError, FileExistsError):
                continue
            if lock is not None:
                self._lock = lock
                self.new = self.path / "new"
                self.set_aside = self.path / _SET_ASIDE / self.target.name
                return
        raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(self.target.parent))

    def _clean_up(self, failure: BaseException) -> None:
        """Remove the folders that were made, and have the failure name paths that the user knows."""
        for name in ("filename", "filename2") if isinstance(failure, OSError) else ():
            path = Path(str(getattr(failure, name)))
            if self.path in (path, *path.parents):
                is_new = self.new in (path, *path.parents)
                setattr(failure, name, str(self.target / path.relative_to(self.new) if is_new else self.target))
        for folder in reversed(self._made_folders):
            try:
                folder.rmdir()
            except OSError:  # another program uses it meanwhile
                return

    def _remove_abandoned(self) -> None:
        prefix = f".{self._name}."
        try:
            names = os.listdir(self.target.parent)  # noqa: PTH208 - most names need no Path
        except PermissionError:  # the folder may be writable and not readable
            return
        for name in names:
            if name.startswith(prefix) and re.fullmatch(_RANDOM, name.removeprefix(prefix)):
                path = self.target.parent / name
                try:
                    _remove_if_abandoned(path)
                except PermissionError:
                    hint = "if that build no longer runs, ask them to remove it"
                    warn(f"{path} is a temporary folder of another user's build; {hint}")
                except OSError:  # another build was faster
                    pass


def _remove_if_abandoned(path: Path) -> None:
    if path.is_symlink():
        return
    try:
        lock = _lock_file(path / _LOCK, create=False)
    except FileNotFoundError:
        path.rmdir()  # it is empty: its build was killed before it could lock it, or is about to and creates another
        return
    if lock is not None and lock != _NO_LOCKS:
        _remove(path, lock)


def _remove(directory: Path, lock: int) -> None:
    """Remove a staging directory whose lock is held."""
    with suppress(OSError, ImportError):  # reported below
        kept = directory / _SET_ASIDE
        for existing in kept.iterdir() if kept.is_dir() and not kept.is_symlink() else ():
            with suppress(FileExistsError):  # the new output is in place; otherwise the old one is moved back
                rename_new(existing, directory.parent / existing.name)
        for path in directory.iterdir():
            if path.name != _LOCK:
                _remove_tree(path)
        if sys.platform == "win32":
            _close(lock)  # before: Windows does not remove open files
            lock = _NO_LOCKS
        if [path.name for path in directory.iterdir()] == [_LOCK]:
            (directory / _LOCK).unlink()  # last, and locked: so no other build takes what is left for an abandoned one
            directory.rmdir()
    _close(lock)
    if os.path.lexists(directory):
        warn(f"{directory} could not be removed; the next build of this model tries it again")


def _close(lock: int) -> None:
    with suppress(OSError):  # it is closed all the same, and nothing was written to it
        os.close(lock)


def _remove_tree(path: Path) -> None:
    if path.is_symlink() or not path.is_dir():
        path.unlink()
        return
    for folder, entries in reversed(list(walk_tree(path))):
        folder.chmod(0o700)  # the user may have made a folder of an existing output read-only
        for entry in entries:
            (os.rmdir if entry.is_dir(follow_symlinks=False) else os.unlink)(entry.path)
    path.rmdir()


def _lock_file(path: Path, *, create: bool = True) -> int | None:
    """Lock a file, and return the open descriptor that holds the lock, `_NO_LOCKS`, or None if another process has it.

    It raises FileNotFoundError if the file is missing and must not be created, or was removed meanwhile.
    """
    no_link = getattr(os, "O_NOFOLLOW", 0)
    descriptor = os.open(path, os.O_RDWR | no_link | (os.O_CREAT if create else 0), 0o600)
    try:
        _lock(descriptor)
        if os.path.samestat(os.fstat(descriptor), path.lstat()):
            return descriptor
    except (BlockingIOError, PermissionError):
        pass
    except FileNotFoundError:
        os.close(descriptor)
        raise
    except OSError:
        os.close(descriptor)
        return _NO_LOCKS
    os.close(descriptor)
    return None


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(descriptor: int, *, wait: bool = False) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


@contextmanager
def folder_lock(folder: Path, unblocked: Unblocked) -> Iterator[None]:
    """Wait for the lock of a folder, and hold it: builds take turns to replace what is in the folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # it may be writable and not readable; Windows opens no folders
        yield
        return
    try:
        if sys.platform != "win32":
            with suppress(OSError), unblocked():  # a file system without locks
                _lock(descriptor, wait=True)
        yield
    finally:
        _close(descriptor)


def place_new(built: Path, target: Path, undo: Undo) -> None:
    """Give a finished file or folder its name; raise ModelArchiverError if it is taken, perhaps only now."""
    try:
        rename_new(built, target)
    except FileExistsError:
        message = "already exists: another build created it meanwhile"
        raise error("target-exists", message, "use -f to replace it", target) from None
    undo.append(partial(target.rename, built))


@contextmanager
def undoing() -> Iterator[Undo]:
    """If the block fails, do the steps of the list, the last one first, up to one that fails."""
    steps: Undo = []
    try:
        yield steps
    except BaseException:
        while steps:
            steps.pop()()
        raise


def replace_file(built: Path, path: Path, kept: Path, undo: Undo) -> None:
    """Move a finished file to its place; `undo` restores what was there, a link too, which is kept meanwhile."""
    exists = os.path.lexists(path) and (path.is_symlink() or not path.is_dir())
    if exists:
        kept.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(path, kept, follow_symlinks=os.link not in os.supports_follow_symlinks)
        except OSError:  # a file system without links
            path.rename(kept)
        undo.append(partial(kept.replace, path))
    built.replace(path)
    if not exists:
        undo.append(path.unlink)
