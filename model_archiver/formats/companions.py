"""An archive and what a platform wants beside it, placed so that a server always finds what it reads of."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from model_archiver.formats.locks import folder_lock
from model_archiver.formats.output import OutputFile
from model_archiver.formats.placement import place_file
from model_archiver.formats.temporary import TemporaryDirectory
from model_archiver.issue import Issue
from model_archiver.model_archiver_error import ModelArchiverError
from model_archiver.planning.plan import Companion, Target


def place_with_companions(built: Path, target: Target, companions: Sequence[Companion], name: str) -> None:
    """Move a finished file to its target, and its companions, which tell of it, to theirs after it.

    It is called while the signals that end a command are held back: all of it is done, or nothing.

    Args:
        built: the file, in the temporary directory.
        target: where it goes.
        companions: what goes beside it.
        name: the model's name.

    Raises:
        ModelArchiverError: the target exists and is not to be replaced, or a companion's former content has changed
            since the build was planned; everything is then as it was.
    """
    with ExitStack() as stack:
        # Each in a directory of its own beside its place, which may lie on another file system than the archive.
        ready = [_written(companion, name, stack) for companion in companions]
        place_file(built, target.path, replace=target.replace)
        for path, companion in zip(ready, companions, strict=True):
            place_file(path, companion.path, replace=True)


def _written(companion: Companion, name: str, stack: ExitStack) -> Path:
    """A companion's file, with the mode of the one that it replaces; no other build touches that until the stack ends.

    Raises:
        ModelArchiverError: another build, or a person, has written what the content does not build on.
    """
    temporary = stack.enter_context(TemporaryDirectory(companion.path, name))
    stack.enter_context(folder_lock(companion.path.parent))
    if (companion.path.read_bytes() if companion.path.exists() else None) != companion.former:
        message = "changed while the archive was packed"
        raise ModelArchiverError(issues=[Issue("error", "file-changed", message, "package again", str(companion.path))])
    path = temporary.path / companion.path.name
    with OutputFile(path) as output:
        output.write(companion.content)
        output.sync()
    if companion.former is not None:
        shutil.copymode(companion.path, path)
    return path
