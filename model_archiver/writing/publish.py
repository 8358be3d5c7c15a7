"""Moving a finished file to its target, with the files that a platform needs next to it."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from functools import partial

from model_archiver.core.problems import error
from model_archiver.writing.os_calls import OutputFile, keep_owner, rename_new, sync_folder
from model_archiver.writing.staging import StagingDirectory, folder_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from model_archiver.core.plan import Plan, SidecarFile
    from model_archiver.core.running import Unblocked


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


def publish_archive(staging: StagingDirectory, plan: Plan, unblocked: Unblocked) -> None:
    """Move a finished archive to its target, and the platform's files, which name the archive, to theirs after it.

    Call it while the signals that end a command are blocked: all of it is done, or nothing.

    Raises:
        ModelArchiverError: the target exists and must not be replaced, or an existing file of the platform cannot be
            extended; everything is then as it was before.
        OSError: something cannot be written; everything is then as it was before, too.
    """
    target = plan.target
    if not plan.sidecars:
        publish_file(staging.new, target.path, replace=target.force)
        return
    with ExitStack() as stack, undoing() as undo:
        # Each has a staging directory next to its own target, which may be on another file system than the archive.
        ready = [_written(sidecar, plan.name, stack, unblocked) for sidecar in plan.sidecars]
        if target.force:  # if this build is killed between, the next one moves back what was set aside
            replace_file(staging.new, target.path, staging.set_aside, undo)
        else:
            place_new(staging.new, target.path)
            undo.append(target.path.unlink)
        sync_folder(target.path.parent)
        for directory, sidecar in zip(ready, plan.sidecars, strict=True):
            # Each platform has at most one such file. Its rename is the last step, so nothing after it can fail.
            publish_file(directory.new, sidecar.path, replace=True)


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


def _written(sidecar: SidecarFile, name: str, stack: ExitStack, unblocked: Unblocked) -> StagingDirectory:
    """Return a staging directory with a platform's file, which no other build changes until the stack is closed.

    Raises:
        ModelArchiverError: the existing file cannot be extended.
    """
    from model_archiver.planning.kserve import config_content  # noqa: PLC0415 - most archives have no such file

    staging = stack.enter_context(StagingDirectory(sidecar.path, name))
    stack.enter_context(folder_lock(sidecar.path.parent, unblocked))
    with OutputFile(staging.new) as output:
        output.write(config_content(sidecar))
        output.sync()
    if sidecar.path.exists():
        keep_owner(staging.new, sidecar.path.stat())
    return staging
