"""An archive and what a platform wants beside it, placed so that a server always finds what it reads of."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from model_archiver.formats.locks import folder_lock
from model_archiver.formats.output import OutputFile
from model_archiver.formats.placement import place_file
from model_archiver.formats.temporary import TemporaryDirectory
from model_archiver.planning.plan import Companion, Target


def place_with_companions(
    temporary: TemporaryDirectory, target: Target, companions: Sequence[Companion], name: str
) -> None:
    """Move a finished file to its target, and its companions, which tell of it, to theirs after it.

    It is called while the signals that end a command are held back: all of it is done, or nothing.

    Args:
        temporary: the directory that holds the file.
        target: where it goes.
        companions: what goes beside it.
        name: the model's name.

    Raises:
        ModelArchiverError: the target exists and is not to be replaced, or a companion cannot build on what lies there;
            everything is then as it was.
        OSError: something cannot be placed; everything is then as it was, too.
    """
    with ExitStack() as stack, ExitStack() as undo:
        # Each in a directory of its own beside its place, which may lie on another file system than the archive.
        ready = [_written(companion, name, stack) for companion in companions]
        if not companions:
            place_file(temporary.path / target.path.name, target.path, replace=target.replace)
            return
        _place(temporary, target.path, _set_aside, undo, replace=target.replace)
        for directory, companion in zip(ready, companions, strict=True):
            _place(directory, companion.path, _copy, undo, replace=True)
        undo.pop_all()


def _place(
    temporary: TemporaryDirectory, path: Path, keep: Callable[[Path, Path], None], undo: ExitStack, *, replace: bool
) -> None:
    """Move a file to its place; `undo` gives back what was there, which `keep` kept."""
    built = temporary.path / path.name
    if replace and path.is_file():
        temporary.set_aside.parent.mkdir()
        keep(path, temporary.set_aside)
        undo.callback(temporary.set_aside.replace, path)
        place_file(built, path, replace=True)
    else:
        place_file(built, path, replace=replace)
        undo.callback(path.unlink)


def _set_aside(path: Path, place: Path) -> None:
    try:
        os.link(path, place)
    except OSError:  # a file system without links; after a kill, the next build gives it its place back
        path.rename(place)


def _copy(path: Path, place: Path) -> None:
    """Copy a companion, which is small, and which builds of other models must find at any moment."""
    shutil.copyfile(path, place)
    _copy_rights(path, place)


def _written(companion: Companion, name: str, stack: ExitStack) -> TemporaryDirectory:
    """A directory with a companion's file, with the rights of the former one, which no other build touches meanwhile.

    Raises:
        ModelArchiverError: the companion cannot build on what lies there.
    """
    temporary = stack.enter_context(TemporaryDirectory(companion.path, name))
    stack.enter_context(folder_lock(companion.path.parent))
    path = temporary.path / companion.path.name
    with OutputFile(path) as output:
        output.write(companion.content())
        output.sync()
    if companion.path.exists():
        _copy_rights(companion.path, path)
    return temporary


def _copy_rights(former: Path, path: Path) -> None:
    status = former.stat()
    if os.name != "nt":
        with suppress(OSError):  # only root gives files away
            os.chown(path, status.st_uid, status.st_gid)
    shutil.copymode(former, path)
