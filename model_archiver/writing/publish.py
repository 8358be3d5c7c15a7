"""Moving a finished file to its target, with the files that a platform needs next to it."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress

from model_archiver.core.problems import error
from model_archiver.writing.os_calls import OutputFile, rename_new, sync_folder
from model_archiver.writing.staging import StagingDirectory, folder_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from model_archiver.core.plan import Plan, SidecarFile


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


def publish_archive(staging: StagingDirectory, plan: Plan) -> None:
    """Move a finished archive to its target, and the platform's files, which name the archive, to theirs after it.

    Call it while the signals that end a command are blocked: all of it is done, or nothing.

    Raises:
        ModelArchiverError: the target exists and must not be replaced, or an existing file of the platform cannot be
            extended; everything is then as it was before.
        OSError: something cannot be written; everything is then as it was before, too.
    """
    target = plan.target
    if not plan.sidecars:
        publish_file(staging.path / target.path.name, target.path, replace=target.force)
        return
    with ExitStack() as stack, ExitStack() as undo:
        # Each has a staging directory next to its own target, which may be on another file system than the archive.
        ready = [_written(sidecar, plan.name, stack) for sidecar in plan.sidecars]
        _place(staging, target.path, _set_aside, undo, replace=target.force)
        for directory, sidecar in zip(ready, plan.sidecars, strict=True):
            _place(directory, sidecar.path, _copy, undo, replace=True)
        undo.pop_all()


def _place(
    staging: StagingDirectory, path: Path, keep: Callable[[Path, Path], None], undo: ExitStack, *, replace: bool
) -> None:
    """Move a file to its target; `undo` restores the file that was there, which `keep` has kept."""
    built = staging.path / path.name
    if replace and path.is_file():
        staging.set_aside.parent.mkdir()
        keep(path, staging.set_aside)
        undo.callback(staging.set_aside.replace, path)
        publish_file(built, path, replace=True)
    else:
        publish_file(built, path, replace=replace)
        undo.callback(path.unlink)


def _set_aside(path: Path, kept: Path) -> None:
    try:
        os.link(path, kept)
    except OSError:  # a file system without links; if this build is killed now, the next one moves it back
        path.rename(kept)


def _copy(path: Path, kept: Path) -> None:
    """Copy a platform's file, which is small, and which builds of other models must find at any moment."""
    kept.write_bytes(path.read_bytes())
    _copy_permissions(path, kept)


def _written(sidecar: SidecarFile, name: str, stack: ExitStack) -> StagingDirectory:
    """Return a staging directory with a platform's file, which no other build changes until the stack is closed.

    Raises:
        ModelArchiverError: the existing file cannot be extended.
    """
    from model_archiver.planning.kserve import config_content  # noqa: PLC0415 - most archives have no such file

    staging = stack.enter_context(StagingDirectory(sidecar.path, name))
    stack.enter_context(folder_lock(sidecar.path.parent))
    path = staging.path / sidecar.path.name
    with OutputFile(path) as output:
        output.write(config_content(sidecar))
        output.sync()
    if sidecar.path.exists():
        _copy_permissions(sidecar.path, path)
    return staging


def _copy_permissions(existing: Path, path: Path) -> None:
    status = existing.stat()
    if os.name != "nt":
        with suppress(OSError):  # only root gives files away
            os.chown(path, status.st_uid, status.st_gid)
    path.chmod(status.st_mode & 0o7777)
