"""A folder that stands where the output goes: how much of it is a former build's, and how much somebody else's."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from model_archiver.issue import Issue
from model_archiver.sums import SUMS_PATH, file_sha256, read_sums


class FormerFolder:
    """An existing folder at the target.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def is_untouched(self) -> bool:
        """Whether everything in it is as a former build left it, and nothing came in since."""
        ours = {*self.sums, PurePosixPath(SUMS_PATH)}
        folders = {parent for path in ours for parent in path.parents}
        return (
            bool(self.sums)
            and set(self._tree(PurePosixPath())) == ours | folders
            and self.unchanged_files() == set(self.sums)
        )

    def snapshot(self) -> dict[PurePosixPath, tuple[int, int, int]]:
        """Inode, size and time of the last change of everything in it: equal as long as nobody writes there."""
        paths = [path for path in self._tree(PurePosixPath()) if path.parts]
        statuses = {path: (self.path / path).lstat() for path in paths}
        return {path: (status.st_ino, status.st_size, status.st_mtime_ns) for path, status in statuses.items()}

    def unchanged_files(self) -> set[PurePosixPath]:
        """The files that a former build wrote and that still have their sums."""
        return set(self._unchanged)

    def in_the_way(self, paths: Iterable[PurePosixPath], removable: Collection[PurePosixPath]) -> Iterator[Issue]:
        """What keeps files from being laid at their paths in this folder.

        Args:
            paths: of the files.
            removable: what will be gone by then.
        """
        told: set[PurePosixPath] = set()
        for path in paths:
            for parent in reversed(path.parents):  # from the top: what lies below an obstacle is no further one
                place = self.path / parent
                if parent in told or (problem := None if parent in removable else _folder_problem(place)):
                    if parent not in told:
                        yield _obstacle(place, f"{problem}, and {path} goes there")
                    told.add(parent)
                    break
            place = self.path / path
            if place.is_dir() and not place.is_symlink() and not self._holds_only(path, removable):
                yield _obstacle(place, "is a folder, and a file of that name goes there")

    def _holds_only(self, folder: PurePosixPath, removable: Collection[PurePosixPath]) -> bool:
        """Whether nothing is left of a folder without these files; folders go with the last file in them."""
        gone = {*removable, *(parent for path in removable for parent in path.parents)}
        return gone.issuperset(self._tree(folder))

    @cached_property
    def sums(self) -> dict[PurePosixPath, str]:
        """What a former build wrote, as far as its sums file tells."""
        try:
            return read_sums((self.path / SUMS_PATH).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return {}

    @cached_property
    def _unchanged(self) -> frozenset[PurePosixPath]:
        return frozenset(path for path, digest in self.sums.items() if self._has_sum(path, digest))

    def _has_sum(self, path: PurePosixPath, digest: str) -> bool:
        """Whether the file is there, reached through no link, with that content."""
        steps = [self.path / parent for parent in path.parents[:-1]] + [self.path / path]
        try:
            is_there = not any(step.is_symlink() for step in steps) and (self.path / path).is_file()
            return is_there and file_sha256(self.path / path) == digest
        except OSError:  # such as a name that is too long to be one
            return False

    def _tree(self, below: PurePosixPath) -> Iterator[PurePosixPath]:
        """Every path below a folder in it, that folder included; links are not followed."""
        yield below
        for folder, folders, files in os.walk(self.path / below):
            for name in folders + files:
                yield PurePosixPath(Path(folder, name).relative_to(self.path).as_posix())


def _folder_problem(place: Path) -> str | None:
    """What keeps files from being laid into a folder; None where nothing does, or where there is none yet."""
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        return "is no folder"
    if place.exists() and not os.access(place, os.W_OK | os.X_OK):
        return "may not be written to"
    return None


def _obstacle(place: Path, message: str) -> Issue:
    return Issue("error", "target-in-the-way", message, "move it away, or choose another --export-path", str(place))
