"""What is left out of folders that are walked, and the only place that knows."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from model_archiver.manifest_components.manifest import MANIFEST_PATH, MAR_INF
from model_archiver.sums import SUMS_PATH

_NAMES = {"__MACOSX", "__pycache__", MAR_INF}
_FILES = re.compile(r"MANIFEST\.json|.*\.(pyc|pyo|mar)", re.DOTALL)


class Exclusions:
    """The rules for one build: the fixed ones, the caller's patterns, and the build's own output.

    Left out are hidden files and folders (``.DS_Store`` and ``._*`` among them, and the temporary directories of
    builds), ``__MACOSX``, ``MAR-INF``, ``__pycache__``, compiled Python, every ``MANIFEST.json``, and archives.

    Attributes:
        left_out: how many files were left out so far.
    """

    def __init__(self, patterns: Sequence[str], outputs: Collection[tuple[int, int]]) -> None:
        """Make the rules.

        Args:
            patterns: the caller's; each is matched against a name and against the path below the walked folder.
            outputs: device and inode of the output and of former outputs.
        """
        self._patterns = [pattern.removeprefix("./").rstrip("/") for pattern in patterns]
        self._outputs = frozenset(outputs)
        self.left_out = 0

    def excludes_name(self, below: PurePosixPath, *, is_folder: bool) -> bool:
        """Whether the path `below` the walked folder is left out for its name."""
        name = below.name
        if name.startswith(".") or name in _NAMES:
            return True
        if not is_folder and _FILES.fullmatch(name):
            return True
        return any(fnmatchcase(name, pattern) or fnmatchcase(str(below), pattern) for pattern in self._patterns)

    def is_output(self, path: Path, status: os.stat_result) -> bool:
        """Whether this is the build's own output, or the folder of a former build, of whatever name."""
        is_ours = stat.S_ISDIR(status.st_mode) and (path / SUMS_PATH).is_file() and (path / MANIFEST_PATH).is_file()
        return is_ours or (status.st_dev, status.st_ino) in self._outputs

    def count(self, path: Path, *, is_folder: bool) -> None:
        """Count a file, or all files of a folder, as left out; a link is one, whatever it leads to."""
        is_tree = is_folder and not path.is_symlink()
        self.left_out += sum(len(files) for _, _, files in os.walk(path)) if is_tree else 1
