"""The private folder in which the model's code runs: an archive is unpacked, a model folder is copied or linked."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path, PurePosixPath

from model_archiver.core import running
from model_archiver.core.entries import mode
from model_archiver.core.plan import FileSource
from model_archiver.core.problems import Problem, error
from model_archiver.core.report import ArchiveReport
from model_archiver.core.text import human_size
from model_archiver.reading.archive import Archive
from model_archiver.reading.opening import FolderArchive
from model_archiver.writing.folder import unpack
from model_archiver.writing.os_calls import convert_write_errors, make_folders, share_blocks

_LARGE = 1 << 26  # bytes above which a file is linked where its blocks cannot be shared
_ELSEWHERE = "set TMPDIR to a folder with more space"


class PrivateTree:
    """A model's files in a private folder."""

    def __init__(self, folder: Path) -> None:
        """Create the folder, empty."""
        self._folder = folder
        self._linked: dict[str, FileSource] = {}
        folder.mkdir()

    def unpack(self, archive: Archive, report: ArchiveReport, max_size: int | None, progress: running.Progress) -> None:
        """Unpack a verified archive into it, or copy a model folder; raise ModelArchiverError if full or changed."""
        if isinstance(archive, FolderArchive):
            self.copy(archive.files, {}, progress)
            return
        running.add_total(progress, archive.size)
        with convert_write_errors(self._folder, _ELSEWHERE):
            self._check_space(report.unpacked_size)
            unpack(archive, report, self._folder, max_size, progress)

    def copy(
        self,
        files: Mapping[PurePosixPath, FileSource],
        texts: Mapping[PurePosixPath, bytes],
        progress: running.Progress,
    ) -> None:
        """Copy or link `files` to their paths in the folder, and write `texts`; raise ModelArchiverError if full."""
        with convert_write_errors(self._folder, _ELSEWHERE):
            self._check_space(sum(source.size for source in files.values() if source.size <= _LARGE))
            sources = {path: source for path, source in files.items() if path not in texts}
            running.add_total(progress, sum(source.size for source in sources.values()))
            for path, source in sources.items():
                self._add(str(path), source)
                progress(source.size)
            for path, text in texts.items():
                make_folders((self._folder / path).parent)
                (self._folder / path).write_bytes(text)

    def changes(self) -> Iterator[Problem]:
        """Yield an error for each file of a model folder that was linked and has changed."""
        for path, source in self._linked.items():
            with suppress(OSError):
                if source == source.from_stat(source.path, os.stat(source.path)):  # noqa: PTH116
                    continue
            message = "the model changed this file, which was linked"
            hint = "let the handler write to a new file; if this one is your own, restore it"
            yield Problem("error", "trial-file-changed", message, hint, path)

    def _check_space(self, needed: int) -> None:
        free = shutil.disk_usage(self._folder).free
        if needed > free:
            message = f"needs {human_size(needed)} for the files of the model, but has {human_size(free)}"
            raise error("disk-full", message, _ELSEWHERE, self._folder.parent.parent)

    def _add(self, path: str, source: FileSource) -> None:
        """Copy a file of a model folder; share the blocks of a large one, or else link it."""
        target = self._folder / path
        make_folders(target.parent)
        if source.size <= _LARGE:
            with source.open() as original, target.open("wb") as copied:
                shutil.copyfileobj(original, copied)
        elif not share_blocks(source.path, target):
            target.symlink_to(os.path.abspath(source.path))  # noqa: PTH100 - a link in it is followed by the system
            self._linked[path] = source
            return
        target.chmod(mode(executable=source.executable))
