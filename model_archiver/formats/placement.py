"""Moving what was built to its target, in one step wherever a former output is only ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from model_archiver.formats.kernel import exchange, rename_new, sync_folder
from model_archiver.formats.locks import folder_lock
from model_archiver.interruption import uninterrupted
from model_archiver.issue import Issue
from model_archiver.manifest_components.manifest import MANIFEST_PATH
from model_archiver.model_archiver_error import ModelArchiverError
from model_archiver.planning.former import FormerFolder
from model_archiver.sums import SUMS_PATH

Snapshot = dict[PurePosixPath, tuple[int, int, int]]


def place_file(built: Path, target: Path, *, replace: bool) -> None:
    """Move a finished file to its target.

    Raises:
        ModelArchiverError: the target exists, be it since a moment ago, and is not to be replaced.
    """
    if replace:
        built.replace(target)
    else:
        _place_new(built, target)
    sync_folder(target.parent)


def place_folder(built: Path, target: Path, set_aside: Path, *, replace: bool) -> None:
    """Move a finished folder to its target.

    Args:
        built: the folder, in the temporary directory.
        target: where it goes.
        set_aside: a free path in the temporary directory.
        replace: whether it may take the place of a former one.

    Raises:
        ModelArchiverError: the target exists and is not to be replaced, or something in it stands in the way.
    """
    if not replace:
        _place_new(built, target)
    else:
        with folder_lock(target.parent):
            _replace_folder(built, target, set_aside)
    sync_folder(target.parent)


def _place_new(built: Path, target: Path) -> None:
    try:
        rename_new(built, target)
    except FileExistsError:
        message = "exists already: another build made it meanwhile"
        issue = Issue("error", "target-exists", message, "-f replaces it", str(target))
        raise ModelArchiverError(issues=[issue]) from None


def _replace_folder(built: Path, target: Path, set_aside: Path) -> None:
    if not target.exists():
        try:
            rename_new(built, target)
        except FileExistsError:  # from a build that replaces nothing, and so takes no turn
            pass
        else:
            return
    former = FormerFolder(target)
    judged = former.snapshot()
    if not (former.is_untouched() and _exchange(built, target, set_aside, judged)):
        _merge(built, FormerFolder(target))


def _exchange(built: Path, target: Path, set_aside: Path, judged: Snapshot) -> bool:
    """Put the new folder into the place of the former one, which is then in the temporary directory.

    False, and everything is as it was, where the former one is no more as it was when it was judged: somebody has put
    something there since.
    """
    with uninterrupted():
        if exchange(built, target):
            if FormerFolder(built).snapshot() == judged:
                return True
            exchange(built, target)
            return False
        set_aside.parent.mkdir()
        target.rename(set_aside)
        try:
            if FormerFolder(set_aside).snapshot() == judged:
                built.rename(target)
                return True
        except BaseException:
            set_aside.rename(target)
            raise
        set_aside.rename(target)
        return False


def _merge(built: Path, former: FormerFolder) -> None:
    """Lay the new files over a folder that holds others too, and remove what only a former build left there."""
    paths = list(_files(built))
    stale = former.unchanged_files().difference(paths)
    obstacles = list(former.in_the_way(paths, stale))
    if obstacles:
        raise ModelArchiverError(issues=obstacles)
    last = [path for path in (PurePosixPath(SUMS_PATH), PurePosixPath(MANIFEST_PATH)) if path in paths]
    with uninterrupted():
        for path in stale:
            _remove_file(former.path, path)
        for path in [path for path in paths if path not in last] + last:
            _lay(built, former.path, path)


def _remove_file(folder: Path, path: PurePosixPath) -> None:
    """Remove a file, and the folders that are empty without it."""
    (folder / path).unlink()
    for parent in list(path.parents)[:-1]:
        with suppress(OSError):  # something else is in there
            (folder / parent).rmdir()


def _lay(built: Path, folder: Path, path: PurePosixPath) -> None:
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    (built / path).replace(place)


def _files(root: Path) -> Iterator[PurePosixPath]:
    for folder, _, names in os.walk(root):
        for name in names:
            yield PurePosixPath(Path(folder, name).relative_to(root).as_posix())
