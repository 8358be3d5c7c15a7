"""Writing folders: the output of a build, for servers and platforms that take one, and an unpacked archive."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path, PurePosixPath

from model_archiver.core.entries import mode
from model_archiver.core.manifest import MANIFEST_PATH, MAR_INF, SUMS_PATH
from model_archiver.core.plan import FileSource, Plan
from model_archiver.core.problems import error, raise_errors
from model_archiver.core.report import ArchiveEntry, ArchiveReport
from model_archiver.core.running import Progress, Unblocked, Undo
from model_archiver.core.sums import sha256
from model_archiver.planning.gathering import walk_tree
from model_archiver.planning.target import ExistingOutput, Snapshot
from model_archiver.writing import os_calls
from model_archiver.writing.deflate import Workers
from model_archiver.writing.destination import Destination, copy
from model_archiver.writing.staging import StagingDirectory, folder_lock, place_new, replace_file

TYPE_CHECKING = False
if TYPE_CHECKING:
    from model_archiver.reading.archive import Archive, FoundMember

# Another file system, another user's file, too many links, or a file system without links.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}


class FolderDestination(Destination):
    """A folder."""

    def __init__(self, plan: Plan, staging: StagingDirectory, workers: Workers) -> None:
        super().__init__(plan, staging, workers)
        self.staging.new.mkdir()
        self._folders: set[PurePosixPath] = set()

    def needed_space(self) -> int:
        """Return the bytes of the copies, or 0 if they share the blocks of the sources."""
        largest = max(self.plan.members, key=lambda member: member.size)
        shared = self.plan.link or os_calls.share_blocks(largest.source.path, self.staging.path / "probe")
        return 0 if shared else self.plan.size

    def add(self, path: PurePosixPath, source: FileSource) -> ArchiveEntry:
        """Write a file, or make a hard link to it."""
        if not self.plan.link:
            return super().add(path, source)
        try:
            os.link(os.path.realpath(source.path), self._place(path))
        except OSError as failure:
            if failure.errno not in _NO_LINK:
                raise
            message = f"no hard link to it can be made from the export path: {failure.strerror}"
            raise error("link-impossible", message, "leave out --link", source.path) from failure
        return self._entry(path, source.size, self.pass_on(source))

    def add_bytes(self, path: PurePosixPath, data: bytes, *, executable: bool = False) -> ArchiveEntry:
        """Write a small file."""
        with os_calls.OutputFile(self._place(path), mode(executable=executable)) as output:
            output.write(data)
        return self._entry(path, len(data), sha256(data))

    def add_large(self, path: PurePosixPath, source: FileSource) -> ArchiveEntry:
        """Write a file block by block."""
        with os_calls.OutputFile(self._place(path), mode(executable=source.executable)) as output:
            digest, _ = copy(source, output, self.workers, with_crc32=False)
        return self._entry(path, source.size, digest)

    def finish(self) -> None:
        """Wait until the disk has every file."""
        os_calls.sync_tree(self.staging.new)

    def publish(self, unblocked: Unblocked, undo: Undo) -> None:
        """Move the folder to its target."""
        publish_folder(self.staging, unblocked, undo, replace=self.plan.target.force)

    def _entry(self, path: PurePosixPath, size: int, digest: str) -> ArchiveEntry:
        self.size += size
        return ArchiveEntry(path, size, size, digest)

    def _place(self, path: PurePosixPath) -> Path:
        """Return where a member goes, in a folder that exists."""
        if path.parent not in self._folders:
            os_calls.make_folders(self.staging.new / path.parent)
            self._folders.add(path.parent)
        return self.staging.new / path


def publish_folder(staging: StagingDirectory, unblocked: Unblocked, undo: Undo, *, replace: bool) -> None:
    """Move a finished folder to its target, while signals are blocked; `undo` restores all as it was before."""
    if not replace:
        place_new(staging.new, staging.target, undo)
    else:
        with folder_lock(staging.target.parent, unblocked):
            _replace(staging, staging.target, unblocked, undo)
    os_calls.sync_folder(staging.target.parent)


def _replace(staging: StagingDirectory, target: Path, unblocked: Unblocked, undo: Undo) -> None:
    if not os.path.lexists(target):
        with suppress(FileExistsError):  # made by a build without -f: it does not wait for the lock
            os_calls.rename_new(staging.new, target)
            undo.append(partial(target.rename, staging.new))
            return
    with unblocked():
        existing = ExistingOutput(target)
        try:
            judged = existing.snapshot()
            is_unchanged = existing.is_unchanged()
        except PermissionError:  # something in it is not readable, so a build did not leave it so
            is_unchanged = False
    if not (is_unchanged and _exchange(staging, target, judged, undo)):
        _merge(staging, ExistingOutput(target), unblocked, undo)


def _exchange(staging: StagingDirectory, target: Path, judged: Snapshot, undo: Undo) -> bool:
    """Exchange the new folder for the existing one, which is then in the staging directory.

    If the existing one has changed since it was judged, leave everything as it was before and return False.
    """
    if not os_calls.exchange(staging.new, target):
        staging.set_aside.parent.mkdir()
        target.rename(staging.set_aside)
        is_same = ExistingOutput(staging.set_aside).snapshot() == judged  # if this fails, the staging directory
        (staging.new if is_same else staging.set_aside).rename(target)  # moves back what was set aside
        undo += [partial(target.rename, staging.new)] if is_same else []  # likewise
        return is_same
    undo.append(partial(os_calls.exchange, staging.new, target))
    is_same = False
    try:
        is_same = ExistingOutput(staging.new).snapshot() == judged
    finally:
        if not is_same:
            undo.pop()()
    return is_same


def _merge(staging: StagingDirectory, existing: ExistingOutput, unblocked: Unblocked, undo: Undo) -> None:
    """Move the new files into a folder that holds other files too, and remove what only the previous build wrote.

    The manifest is removed first and written last, so that a build that is killed leaves nothing that looks complete.
    A build that fails restores everything, the manifest last; if it cannot, it keeps what it has replaced.
    """
    built, root, kept = staging.new, existing.path, staging.path / "replaced"
    manifest, sums = PurePosixPath(MANIFEST_PATH), PurePosixPath(SUMS_PATH)
    with unblocked():
        files = (Path(entry.path) for _, entries in walk_tree(built) for entry in entries if not entry.is_dir())
        paths = [PurePosixPath(file.relative_to(built).as_posix()) for file in files]
        stale = existing.unchanged_files.difference(paths)
        raise_errors(list(existing.obstacles(paths, stale)))
    steps: Undo = []
    undo.append(partial(_restore, staging, root, steps))
    for path in [manifest, *stale]:
        if os.path.lexists(root / path):
            _remove_file(root, path, kept, steps)
    for path in sorted(paths, key=lambda path: (path == manifest, path == sums)):
        os_calls.make_folders((root / path).parent, lambda folder: steps.append(folder.rmdir))
        replace_file(built / path, root / path, kept / path, steps)


def _restore(staging: StagingDirectory, root: Path, steps: Undo) -> None:
    """Do the steps, the last one first; if one fails, keep what was replaced."""
    try:
        while steps:
            steps.pop()()
    except OSError as failure:
        staging.is_kept = True
        message = f"{failure.strerror or failure}, and not all that was replaced could be put back"
        raise error("write-failed", message, f"move it back from {staging.path / 'replaced'}", root) from failure


def _remove_file(root: Path, path: PurePosixPath, kept: Path, undo: Undo) -> None:
    """Move a file away, and remove the folders that are empty without it."""
    (kept / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).rename(kept / path)
    undo.append(partial((kept / path).rename, root / path))
    for parent in list(path.parents)[:-1]:
        folder = root / parent
        with suppress(OSError):  # something else is in it
            status = folder.stat()
            if str(parent) != MAR_INF:  # in which the new manifest goes
                folder.rmdir()
                undo += [partial(os_calls.keep_owner, folder, status), folder.mkdir]


def unpack(archive: Archive, report: ArchiveReport, folder: Path, max_size: int | None, progress: Progress) -> None:
    """Unpack an archive that has not changed since the report; of two files with one path, the last one is kept."""
    from model_archiver.reading.archive import ReadContext  # noqa: PLC0415 - builds do not read archives
    from model_archiver.reading.content import read_content  # noqa: PLC0415

    written = read_content(archive, ReadContext(archive, max_size, progress), partial(_write_member, folder))
    if tuple(written.entries) != report.files:
        hint = "try again when nothing writes to it any more"
        raise error("file-changed", "changed while it was unpacked", hint, report.path)


def _write_member(folder: Path, member: FoundMember, blocks: Iterable[bytes]) -> None:
    target = folder / member.path
    os_calls.make_folders(target.parent)
    target.unlink(missing_ok=True)
    with os_calls.OutputFile(target, mode(executable=member.executable)) as output:
        for block in blocks:
            output.write(block)
