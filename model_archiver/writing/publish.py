"""Moving what was built to its target, with the files that a platform wants next to it."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack, suppress
from pathlib import Path, PurePosixPath

from model_archiver.core.manifest import MANIFEST_PATH, SUMS_PATH
from model_archiver.core.problems import ModelArchiverError, Problem
from model_archiver.core.running import block_signals
from model_archiver.planning.kserve import config_content
from model_archiver.planning.target import ExistingOutput
from model_archiver.writing.os_calls import OutputFile, exchange, rename_new, sync_folder
from model_archiver.writing.staging import StagingDirectory, folder_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from model_archiver.core.plan import SidecarFile, Target

Snapshot = dict[PurePosixPath, tuple[int, int, int]]


def publish_file(built: Path, target: Path, *, replace: bool) -> None:
    """Move a finished file to its target.

    Raises:
        ModelArchiverError: the target exists, be it since a moment ago, and is not to be replaced.
    """
    if replace:
        built.replace(target)
    else:
        _place_new(built, target)
    sync_folder(target.parent)


def publish_folder(built: Path, target: Path, set_aside: Path, *, replace: bool) -> None:
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
        problem = Problem("error", "target-exists", message, "-f replaces it", str(target))
        raise ModelArchiverError(problems=[problem]) from None


def _replace_folder(built: Path, target: Path, set_aside: Path) -> None:
    if not target.exists():
        try:
            rename_new(built, target)
        except FileExistsError:  # from a build that replaces nothing, and so takes no turn
            pass
        else:
            return
    existing = ExistingOutput(target)
    judged = existing.snapshot()
    if not (existing.is_unchanged() and _exchange(built, target, set_aside, judged)):
        _merge(built, ExistingOutput(target))


def _exchange(built: Path, target: Path, set_aside: Path, judged: Snapshot) -> bool:
    """Put the new folder into the place of the former one, which is then in the temporary directory.

    False, and everything is as it was, where the former one is no more as it was when it was judged: somebody has put
    something there since.
    """
    with block_signals():
        if exchange(built, target):
            if ExistingOutput(built).snapshot() == judged:
                return True
            exchange(built, target)
            return False
        set_aside.parent.mkdir()
        target.rename(set_aside)
        try:
            if ExistingOutput(set_aside).snapshot() == judged:
                built.rename(target)
                return True
        except BaseException:
            set_aside.rename(target)
            raise
        set_aside.rename(target)
        return False


def _merge(built: Path, existing: ExistingOutput) -> None:
    """Lay the new files over a folder that holds others too, and remove what only a former build left there."""
    paths = list(_files(built))
    stale = existing.unchanged_files().difference(paths)
    obstacles = list(existing.obstacles(paths, stale))
    if obstacles:
        raise ModelArchiverError(problems=obstacles)
    last = [path for path in (PurePosixPath(SUMS_PATH), PurePosixPath(MANIFEST_PATH)) if path in paths]
    with block_signals():
        for path in stale:
            _remove_file(existing.path, path)
        for path in [path for path in paths if path not in last] + last:
            _lay(built, existing.path, path)


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


def publish_with_sidecars(
    staging: StagingDirectory, target: Target, sidecars: Sequence[SidecarFile], name: str
) -> None:
    """Move a finished file to its target, and its companions, which tell of it, to theirs after it.

    It is called while the signals that end a command are held back: all of it is done, or nothing.

    Args:
        staging: the directory that holds the file.
        target: where it goes.
        sidecars: what goes beside it.
        name: the model's name.

    Raises:
        ModelArchiverError: the target exists and is not to be replaced, or a companion cannot build on what lies there;
            everything is then as it was.
        OSError: something cannot be placed; everything is then as it was, too.
    """
    with ExitStack() as stack, ExitStack() as undo:
        # Each in a directory of its own beside its place, which may lie on another file system than the archive.
        ready = [_written(sidecar, name, stack) for sidecar in sidecars]
        if not sidecars:
            publish_file(staging.path / target.path.name, target.path, replace=target.force)
            return
        _place(staging, target.path, _set_aside, undo, replace=target.force)
        for directory, sidecar in zip(ready, sidecars, strict=True):
            _place(directory, sidecar.path, _copy, undo, replace=True)
        undo.pop_all()


def _place(
    staging: StagingDirectory, path: Path, keep: Callable[[Path, Path], None], undo: ExitStack, *, replace: bool
) -> None:
    """Move a file to its place; `undo` gives back what was there, which `keep` kept."""
    built = staging.path / path.name
    if replace and path.is_file():
        staging.set_aside.parent.mkdir()
        keep(path, staging.set_aside)
        undo.callback(staging.set_aside.replace, path)
        publish_file(built, path, replace=True)
    else:
        publish_file(built, path, replace=replace)
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


def _written(sidecar: SidecarFile, name: str, stack: ExitStack) -> StagingDirectory:
    """A directory with a companion's file, with the rights of the former one, which no other build touches meanwhile.

    Raises:
        ModelArchiverError: the companion cannot build on what lies there.
    """
    staging = stack.enter_context(StagingDirectory(sidecar.path, name))
    stack.enter_context(folder_lock(sidecar.path.parent))
    path = staging.path / sidecar.path.name
    with OutputFile(path) as output:
        output.write(config_content(sidecar))
        output.sync()
    if sidecar.path.exists():
        _copy_rights(sidecar.path, path)
    return staging


def _copy_rights(existing: Path, path: Path) -> None:
    status = existing.stat()
    if os.name != "nt":
        with suppress(OSError):  # only root gives files away
            os.chown(path, status.st_uid, status.st_gid)
    shutil.copymode(existing, path)
