"""An archive and what a platform wants beside it, placed so that a server always finds what it reads of."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from model_archiver.formats.locks import folder_lock
from model_archiver.formats.output import OutputFile
from model_archiver.formats.placement import place_file
from model_archiver.interruption import uninterrupted
from model_archiver.issue import Issue
from model_archiver.model_archiver_error import ModelArchiverError
from model_archiver.planning.plan import Companion, Target


def place_with_companions(built: Path, target: Target, companions: Sequence[Companion]) -> None:
    """Move a finished file to its target, and its companions, which name it, to theirs after it.

    Args:
        built: the file, in the temporary directory, where the companions are written too.
        target: where it goes.
        companions: what goes beside it.

    Raises:
        ModelArchiverError: the target exists and is not to be replaced, or a companion's former content has changed
            since the build was planned; everything is then as it was.
    """
    with ExitStack() as turns:
        for companion in companions:
            turns.enter_context(_turn(companion))
        ready = [_written(companion, built.with_name(f"companion {companion.path.name}")) for companion in companions]
        with uninterrupted():
            place_file(built, target.path, replace=target.replace)
            for path, companion in zip(ready, companions, strict=True):
                place_file(path, companion.path, replace=True)


@contextmanager
def _turn(companion: Companion) -> Iterator[None]:
    """Have a companion's folder, and no other build at it; the folder goes again where nothing came of it."""
    folder = companion.path.parent
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with folder_lock(folder):
            _check_unchanged(companion)
            yield
    except BaseException:
        with suppress(OSError):  # it is in use
            folder.rmdir()
        raise


def _check_unchanged(companion: Companion) -> None:
    """Refuse to write over what another build, or a person, wrote there meanwhile.

    Raises:
        ModelArchiverError: it is not what the companion's content builds on.
    """
    now = companion.path.read_bytes() if companion.path.exists() else None
    if now != companion.former:
        message = "changed while the archive was packed"
        raise ModelArchiverError(issues=[Issue("error", "file-changed", message, "package again", str(companion.path))])


def _written(companion: Companion, path: Path) -> Path:
    """The file of a companion, with the mode of the one that it replaces."""
    with OutputFile(path) as output:
        output.write(companion.content)
        output.sync()
    if companion.former is not None:
        shutil.copymode(companion.path, path)
    return path
