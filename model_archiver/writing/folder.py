"""The folder: the archive's files as they are, for servers and platforms that take one."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path, PurePosixPath

from model_archiver.core.entries import mode
from model_archiver.core.manifest import MANIFEST_PATH, SUMS_PATH
from model_archiver.core.problems import error, error_of
from model_archiver.core.report import ArchiveEntry
from model_archiver.core.running import block_signals
from model_archiver.core.sums import sha256
from model_archiver.planning.target import ExistingOutput
from model_archiver.writing.copying import copy, feed
from model_archiver.writing.destination import Destination
from model_archiver.writing.os_calls import OutputFile, exchange, rename_new, sync_folder, sync_tree
from model_archiver.writing.publish import place_new
from model_archiver.writing.staging import folder_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from model_archiver.core.plan import FileSource, Plan
    from model_archiver.writing.deflate import Workers
    from model_archiver.writing.staging import StagingDirectory

    Snapshot = dict[PurePosixPath, tuple[int, int, int]]

_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}
"""Another file system, another user's file, too many links, or a file system without links."""

_FICLONE = 0x40049409


class FolderDestination(Destination):
    """A folder."""

    def __init__(self, plan: Plan, staging: StagingDirectory, workers: Workers) -> None:
        super().__init__(plan, staging, workers)
        self.built.mkdir()
        self._folders: set[PurePosixPath] = set()

    def needed_space(self) -> int:
        """Return the bytes of the copies, or 0 if they share the blocks of the sources."""
        largest = max(self.plan.members, key=lambda member: member.size)
        shared = self.plan.link or _can_share_blocks(largest.source_path, self.staging.path / "probe")
        return 0 if shared else self.plan.size

    def add(self, path: PurePosixPath, source: FileSource) -> ArchiveEntry:
        """Write a file, or make a hard link to it."""
        if self.plan.link:
            self._link(path, source)
            hasher = hashlib.sha256()
            work = self.workers.hashing.submit(feed, source, self.workers, hasher.update)
            with self.workers.joining(work):
                self.workers.finish(work)
            self.workers.progress(source.size)
            digest = hasher.hexdigest()
        else:
            with OutputFile(self._place(path), mode(executable=source.executable)) as output:
                digest, _ = copy(source, output, self.workers, with_crc32=False)
        self.size += source.size
        return ArchiveEntry(path, source.size, source.size, digest)

    def add_text(self, path: PurePosixPath, text: str) -> ArchiveEntry:
        """Write a text as UTF-8."""
        data = text.encode()
        self._place(path).write_bytes(data)
        self.size += len(data)
        return ArchiveEntry(path, len(data), len(data), sha256(data))

    def finish(self) -> None:
        """Wait until the disk has every file."""
        sync_tree(self.built)

    def publish(self) -> None:
        """Move the folder to its target."""
        target = self.plan.target
        publish_folder(self.built, target.path, self.staging.set_aside, replace=target.force)

    def _link(self, path: PurePosixPath, source: FileSource) -> None:
        try:
            os.link(os.path.realpath(source.path), self._place(path))
        except OSError as failure:
            if failure.errno not in _NO_LINK:
                raise
            message = f"no hard link to it can be made from the export path: {failure.strerror}"
            raise error("link-impossible", message, "leave out --link", source.path) from failure

    def _place(self, path: PurePosixPath) -> Path:
        """Return where a member goes, in a folder that exists."""
        if path.parent not in self._folders:
            (self.built / path.parent).mkdir(parents=True, exist_ok=True)
            self._folders.add(path.parent)
        return self.built / path


def _can_share_blocks(source: Path, probe: Path) -> bool:
    """Return whether a copy shares the blocks of its source, as copies in the kernel do on some file systems."""
    if sys.platform != "linux":
        return False
    import fcntl  # noqa: PLC0415 - Windows does not have it

    with source.open("rb") as original, probe.open("xb") as copied:
        probe.unlink()
        try:
            fcntl.ioctl(copied, _FICLONE, original.fileno())
        except OSError:
            return False
    return True


def publish_folder(built: Path, target: Path, set_aside: Path, *, replace: bool) -> None:
    """Move a finished folder to its target; an existing one may wait at `set_aside`, in the staging directory.

    Raises:
        ModelArchiverError: the target exists and must not be replaced, or something in it cannot be replaced.
    """
    if not replace:
        place_new(built, target)
    else:
        with folder_lock(target.parent):
            _replace(built, target, set_aside)
    sync_folder(target.parent)


def _replace(built: Path, target: Path, set_aside: Path) -> None:
    if not target.exists():
        with suppress(FileExistsError):  # made by a build without -f: it does not wait for the lock
            rename_new(built, target)
            return
    existing = ExistingOutput(target)
    judged = existing.snapshot()
    if not (existing.is_unchanged() and _exchange(built, target, set_aside, judged)):
        _merge(built, ExistingOutput(target))


def _exchange(built: Path, target: Path, set_aside: Path, judged: Snapshot) -> bool:
    """Exchange the new folder for the existing one, which is then in the staging directory.

    Returns:
        False if the existing folder has changed since it was judged; everything is then as it was before.
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
    """Move the new files into a folder that holds other files too, and remove what only the previous build wrote."""
    files = (Path(folder, name) for folder, _, names in os.walk(built) for name in names)
    paths = [PurePosixPath(file.relative_to(built).as_posix()) for file in files]
    stale = existing.unchanged_files().difference(paths)
    obstacles = list(existing.obstacles(paths, stale))
    if obstacles:
        raise error_of(obstacles)
    last = [path for path in (PurePosixPath(SUMS_PATH), PurePosixPath(MANIFEST_PATH)) if path in paths]
    with block_signals():
        for path in stale:
            _remove_file(existing.path, path)
        for path in [path for path in paths if path not in last] + last:
            place = existing.path / path
            place.parent.mkdir(parents=True, exist_ok=True)
            (built / path).replace(place)


def _remove_file(folder: Path, path: PurePosixPath) -> None:
    """Remove a file, and the folders that are empty without it."""
    (folder / path).unlink()
    for parent in list(path.parents)[:-1]:
        with suppress(OSError):  # something else is in it
            (folder / parent).rmdir()
