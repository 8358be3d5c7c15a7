"""The private folder in which the model's code runs: an archive is unpacked, a model folder is copied or linked."""

from __future__ import annotations

import os
import shutil
import sys
from functools import partial

from model_archiver.core.entries import mode
from model_archiver.core.problems import Problem, error
from model_archiver.core.text import human_size
from model_archiver.reading.archive import ReadContext
from model_archiver.reading.content import read_content
from model_archiver.reading.opening import FolderArchive
from model_archiver.writing.os_calls import OutputFile, convert_write_errors, make_folders

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path, PurePosixPath

    from model_archiver.core.plan import FileSource
    from model_archiver.core.report import ArchiveReport
    from model_archiver.core.running import Progress
    from model_archiver.reading.archive import Archive, FoundMember

_FICLONE = 0x40049409  # of ioctl_ficlonerange(2)
_LARGE = 1 << 26
"""Bytes above which a file is linked where its blocks cannot be shared."""
_ELSEWHERE = "set TMPDIR to a folder with more space"


class PrivateTree:
    """A model's files in a private folder.

    Attributes:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        """Create the folder, empty."""
        self.folder = folder
        self._linked: dict[str, FileSource] = {}
        folder.mkdir()

    def fill(self, archive: Archive, report: ArchiveReport, max_size: int | None, progress: Progress) -> None:
        """Put the files of a verified archive into it.

        Raises:
            ModelArchiverError: there is too little space, or the archive has changed since it was verified.
        """
        with convert_write_errors(self.folder, _ELSEWHERE):
            if isinstance(archive, FolderArchive):
                self._take(archive.files, progress)
                return
            self._check_space(report.unpacked_size)
            unpacked = read_content(archive, ReadContext(archive, max_size, progress), partial(_write, self.folder))
        if tuple(unpacked.entries) != report.files:
            hint = "try again when nothing writes to it any more"
            raise error("file-changed", "changed while it was unpacked", hint, report.path)

    def changes(self) -> Iterator[Problem]:
        """Yield an error for each file of a model folder that was linked and has changed."""
        for path, source in self._linked.items():
            try:
                status = os.stat(source.path)  # noqa: PTH116 - as cheap as it gets
                is_same = source == source.from_stat(source.path, status)
            except OSError:
                is_same = False
            if not is_same:
                message = "is a file of your model folder that changed during the trial"
                hint = "restore it, and have the handler write to a file that it creates"
                yield Problem("error", "trial-file-changed", message, hint, path)

    def _check_space(self, needed: int) -> None:
        free = shutil.disk_usage(self.folder).free
        if needed > free:
            message = f"needs {human_size(needed)} for the files of the model, but has {human_size(free)}"
            raise error("disk-full", message, _ELSEWHERE, self.folder.parent.parent)

    def _take(self, files: dict[PurePosixPath, FileSource], progress: Progress) -> None:
        """Share, link or copy the files of a model folder."""
        left = {}
        for path, source in files.items():
            target = self.folder / path
            make_folders(target.parent)
            if _share(source, target):
                progress(source.size)
            elif source.size > _LARGE:
                target.symlink_to(os.path.abspath(source.path))  # noqa: PTH100 - a link in it is followed by the system
                self._linked[str(path)] = source
                progress(source.size)
            else:
                left[target] = source
        self._check_space(sum(source.size for source in left.values()))
        for target, source in left.items():
            shutil.copyfile(source.path, target)
            target.chmod(mode(executable=source.executable))
            progress(source.size)


def _share(source: FileSource, target: Path) -> bool:
    """Create a file that shares its blocks with another one, and return whether the file system can."""
    if sys.platform != "linux":
        return False
    import fcntl  # noqa: PLC0415 - Linux only

    with source.path.open("rb") as original, OutputFile(target, mode(executable=source.executable)) as copy:
        try:
            fcntl.ioctl(copy.file.fileno(), _FICLONE, original.fileno())
        except OSError:
            pass
        else:
            return True
    target.unlink()
    return False


def _write(root: Path, member: FoundMember, blocks: Iterable[bytes]) -> None:
    """Write a file of an archive; of two with one path, servers use the last."""
    make_folders((root / member.path).parent)
    (root / member.path).unlink(missing_ok=True)
    with OutputFile(root / member.path, mode(executable=member.executable)) as output:
        for block in blocks:
            output.write(block)
