"""A folder that exists where the output goes: how much of it a previous build wrote, and how much is the user's."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path, PurePosixPath

from model_archiver.core.manifest import SUMS_PATH
from model_archiver.core.problems import Problem
from model_archiver.core.sums import file_sha256, read_sums

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    Snapshot = dict[PurePosixPath, tuple[int, int, int]]

_ROOT = PurePosixPath()


class ExistingOutput:
    """An existing folder at the target.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def is_unchanged(self) -> bool:
        """Return whether everything in it is as a previous build left it, and nothing was added."""
        ours = {*self.sums, PurePosixPath(SUMS_PATH)}
        folders = {parent for path in ours for parent in path.parents}
        return bool(self.sums) and set(self._tree(_ROOT)) == ours | folders and self.unchanged_files() == set(self.sums)

    def snapshot(self) -> Snapshot:
        """Return inode, size and modification time of everything in it: equal as long as nobody writes to it."""
        paths = [path for path in self._tree(_ROOT) if path.parts]
        statuses = {path: (self.path / path).lstat() for path in paths}
        return {path: (status.st_ino, status.st_size, status.st_mtime_ns) for path, status in statuses.items()}

    def unchanged_files(self) -> set[PurePosixPath]:
        """Return the files that a previous build wrote and that still have their checksums."""
        return set(self._unchanged)

    def obstacles(self, paths: Iterable[PurePosixPath], removable: Collection[PurePosixPath]) -> Iterator[Problem]:
        """Yield an error for everything that prevents files from being written into this folder.

        Args:
            paths: of the files, below the folder.
            removable: paths that will be removed before.
        """
        reported: set[PurePosixPath] = set()
        for path in paths:
            for parent in reversed(path.parents):  # from the top: below an obstacle nothing else is reported
                place = self.path / parent
                if parent in reported or (problem := None if parent in removable else _folder_problem(place)):
                    if parent not in reported:
                        yield _obstacle(place, f"{problem}, but {path} goes there")
                    reported.add(parent)
                    break
            place = self.path / path
            if place.is_dir() and not place.is_symlink() and not self._has_only(path, removable):
                yield _obstacle(place, "is a folder, but a file with that name goes there")

    def _has_only(self, folder: PurePosixPath, removable: Collection[PurePosixPath]) -> bool:
        """Return whether a folder is empty without these files; empty folders go with the last file in them."""
        gone = {*removable, *(parent for path in removable for parent in path.parents)}
        return gone.issuperset(self._tree(folder))

    @cached_property
    def sums(self) -> dict[PurePosixPath, str]:
        """The checksums of the files that a previous build wrote, as its sums file records them."""
        try:
            return read_sums((self.path / SUMS_PATH).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return {}

    @cached_property
    def _unchanged(self) -> frozenset[PurePosixPath]:
        return frozenset(path for path, digest in self.sums.items() if self._has_sum(path, digest))

    def _has_sum(self, path: PurePosixPath, digest: str) -> bool:
        """Return whether the file is there, not behind a link, with that content."""
        steps = [self.path / parent for parent in path.parents[:-1]] + [self.path / path]
        try:
            exists = not any(step.is_symlink() for step in steps) and (self.path / path).is_file()
            return exists and file_sha256(self.path / path) == digest
        except OSError:  # for example a name that is too long
            return False

    def _tree(self, below: PurePosixPath) -> Iterator[PurePosixPath]:
        """Yield a folder in it and every path below that; links are not followed."""
        yield below
        for folder, folders, files in os.walk(self.path / below):
            for name in folders + files:
                yield PurePosixPath(Path(folder, name).relative_to(self.path).as_posix())


def _folder_problem(place: Path) -> str | None:
    """Return what prevents files from being written into a folder, or None; the folder may be missing."""
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        return "is not a folder"
    if place.exists() and not os.access(place, os.W_OK | os.X_OK):
        return "is not writable"
    return None


def _obstacle(place: Path, message: str) -> Problem:
    return Problem("error", "target-in-the-way", message, "move it away, or choose another --export-path", str(place))
