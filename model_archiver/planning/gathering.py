"""From the values of the flags to the members: which file lands where."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from model_archiver.model_archiver_config import StrPath
from model_archiver.planning.exclusions import Exclusions
from model_archiver.planning.findings import Findings
from model_archiver.planning.folders import FolderWalk, regular_source, status_of
from model_archiver.planning.plan import Member

_ROOT = PurePosixPath()


class Gatherer:
    """Turns what one flag names into members, under one set of exclusions."""

    def __init__(self, exclusions: Exclusions, findings: Findings) -> None:
        self._exclusions = exclusions
        self._findings = findings

    def single_file(self, value: StrPath, flag: str) -> list[Member]:
        """A file that a flag names: to the root, under its own name."""
        path = Path(value)
        status = status_of(path, flag, self._findings)
        if status is None:
            return []
        if stat.S_ISDIR(status.st_mode):
            hint = "name a file; folders go to --extra-files, --include or --model-path"
            self._findings.error("file-is-folder", f"is a folder, not a file ({flag})", hint, path=path)
            return []
        return list(self._file(path, status, flag))

    def model_path(self, value: StrPath) -> list[Member]:
        """A folder: its tree, to the root."""
        path = Path(value)
        status = status_of(path, "--model-path", self._findings)
        if status is None:
            return []
        if not stat.S_ISDIR(status.st_mode):
            hint = "name the folder that holds the model's files"
            self._findings.error("folder-is-file", "is a file, not a folder (--model-path)", hint, path=path)
            return []
        so_far = self._findings.count
        members = list(self._tree(path, _ROOT, "--model-path"))
        if not members and self._findings.count == so_far:
            hint = "put the model's files there; hidden files, caches and archives do not count"
            self._findings.error("folder-empty", "holds nothing to pack (--model-path)", hint, path=path)
        return members

    def include(self, value: StrPath) -> list[Member]:
        """A file or folder: to the root, under its own name, so that a package can be imported by it."""
        return list(self._under_own_name(Path(value), "--include"))

    def extra_files(self, value: StrPath) -> list[Member]:
        """Files, the contents of folders, and what patterns match: to the root."""
        return [member for piece in _pieces(value) for member in self._extra(piece)]

    def _extra(self, piece: str) -> Iterator[Member]:
        flag = "--extra-files"
        path = Path(piece)
        if os.path.lexists(path) or not glob.has_magic(piece):
            status = status_of(path, flag, self._findings)
            if status is not None:
                is_folder = stat.S_ISDIR(status.st_mode)
                yield from self._tree(path, _ROOT, flag) if is_folder else self._file(path, status, flag)
            return
        hits = [hit for hit in _hits(piece) if not self._leaves_out(hit)]
        if not hits:
            hint = "check the pattern, and what is there"
            self._findings.warning("pattern-unmatched", f"matches nothing that is packed ({flag})", hint, path=piece)
        for hit in hits:
            yield from self._under_own_name(hit, flag)

    def _leaves_out(self, hit: Path) -> bool:
        is_folder = hit.is_dir()
        left_out = self._exclusions.excludes_name(PurePosixPath(hit.name), is_folder=is_folder) or (
            hit.exists() and self._exclusions.is_output(hit, hit.stat())
        )
        if left_out:
            self._exclusions.count(hit, is_folder=is_folder)
        return left_out

    def _under_own_name(self, path: Path, flag: str) -> Iterator[Member]:
        status = status_of(path, flag, self._findings)
        if status is None:
            return
        if stat.S_ISDIR(status.st_mode):
            name = Path(os.path.abspath(path)).name  # noqa: PTH100 - resolve() would follow links
            yield from self._tree(path, PurePosixPath(name), flag)
        else:
            yield from self._file(path, status, flag)

    def _file(self, path: Path, status: os.stat_result, flag: str) -> Iterator[Member]:
        source = regular_source(path, status, flag, self._findings)
        if source is not None:
            yield Member(PurePosixPath(path.name), source, flag)

    def _tree(self, root: Path, into: PurePosixPath, flag: str) -> Iterator[Member]:
        for below, source in FolderWalk(flag, self._exclusions, self._findings).files(root):
            yield Member(into / below, source, flag)


def _pieces(value: StrPath) -> list[str]:
    """The paths and patterns of one value; what exists as it is written is never taken apart."""
    text = os.fspath(value)
    if os.path.lexists(text):
        return [text]
    pieces = [piece if os.path.lexists(piece) else piece.strip() for piece in text.split(",")]
    return [piece for piece in pieces if piece]


def _hits(pattern: str) -> list[Path]:
    """What a pattern matches, sorted, without what lies in a folder that it matches too.

    ``dir/**`` matches `dir` itself as well; it means what is in there, as ``dir/*`` does.
    """
    start = Path(pattern[: pattern.find("**")]) if "**" in pattern else None
    paths = sorted({Path(hit) for hit in glob.glob(pattern, recursive=True)} - {start})  # noqa: PTH207 - takes any text
    folders = {path for path in paths if path.is_dir()}
    return [path for path in paths if folders.isdisjoint(path.parents)]
