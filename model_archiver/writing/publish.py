"""Moving finished files to their places, and moving them back if a later step fails."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial

from model_archiver.core.problems import error
from model_archiver.writing.os_calls import rename_new, sync_folder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def publish_file(built: Path, target: Path, *, replace: bool) -> None:
    """Move a finished file to its target.

    Raises:
        ModelArchiverError: the target exists, perhaps only since a moment ago, and must not be replaced.
    """
    if replace:
        built.replace(target)
    else:
        place_new(built, target)
    sync_folder(target.parent)


def place_new(built: Path, target: Path) -> None:
    """Give a finished file or folder its name, which must be free."""
    try:
        rename_new(built, target)
    except FileExistsError:
        message = "already exists: another build created it meanwhile"
        raise error("target-exists", message, "use -f to replace it", target) from None


@contextmanager
def undoing() -> Iterator[list[Callable[[], object]]]:
    """If the block fails, do the steps of the list, the last one first, up to one that fails, which stays in it."""
    steps: list[Callable[[], object]] = []
    try:
        yield steps
    except BaseException:
        while steps:
            steps[-1]()
            steps.pop()
        raise


def replace_file(built: Path, path: Path, kept: Path, undo: list[Callable[[], object]]) -> None:
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
