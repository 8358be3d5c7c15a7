"""File locks, which the system lets go of when their holder ends, however it ends."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

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
