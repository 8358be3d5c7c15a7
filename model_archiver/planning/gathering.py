"""From the values of the flags to the members: which file lands where, and what is left out."""

from __future__ import annotations

import errno
import glob
import os
import re
import stat
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from model_archiver.core.manifest import MANIFEST_PATH, MAR_INF, SUMS_PATH
from model_archiver.core.plan import FileSource, Member

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from model_archiver.core.problems import ProblemList
    from model_archiver.core.request import StrPath

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
        self.excluded = 0

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
        self.excluded += sum(len(files) for _, _, files in os.walk(path)) if is_tree else 1


Identity = tuple[int, int]


class FolderWalk:
    """A walk that reports what cannot be packed and goes on."""

    def __init__(self, flag: str, exclusions: Exclusions, problems: ProblemList) -> None:
        self._flag = flag
        self._exclusions = exclusions
        self._problems = problems

    def files(self, root: Path) -> Iterator[tuple[PurePosixPath, FileSource]]:
        """The files below `root`, each with its path below it. Folders as such are not packed."""
        status = status_of(root, self._flag, self._problems)
        if status is not None:
            yield from self._walk(root, PurePosixPath(), (_identity(status),))

    def _walk(
        self, folder: Path, below: PurePosixPath, ancestors: tuple[Identity, ...]
    ) -> Iterator[tuple[PurePosixPath, FileSource]]:
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            reason = error.strerror or "unreadable"
            self._problems.error("folder-unreadable", f"{reason} ({self._flag})", _MAKE_READABLE, path=folder)
            return
        for entry in entries:
            yield from self._visit(entry, below / entry.name, ancestors)

    def _visit(
        self, entry: os.DirEntry[str], below: PurePosixPath, ancestors: tuple[Identity, ...]
    ) -> Iterator[tuple[PurePosixPath, FileSource]]:
        is_folder = _leads_to_folder(entry)
        path = Path(entry.path)
        if self._exclusions.excludes_name(below, is_folder=is_folder):
            self._exclusions.count(path, is_folder=is_folder)
            return
        status = status_of(path, self._flag, self._problems)
        if status is None:
            return
        if self._exclusions.is_output(path, status):
            self._exclusions.count(path, is_folder=is_folder)
        elif not is_folder:
            source = regular_source(path, status, self._flag, self._problems)
            if source is not None:
                yield below, source
        elif _identity(status) in ancestors:
            message = f"is a link to a folder that it lies in ({self._flag})"
            self._problems.error("link-loop", message, "remove the link or --exclude it", path=path)
        else:
            yield from self._walk(path, below, (*ancestors, _identity(status)))


_MAKE_READABLE = "give yourself the right to read it, or leave it out"


def status_of(path: Path, flag: str, problems: ProblemList) -> os.stat_result | None:
    """The status of what a path leads to; None, and a finding, where it leads to nothing."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            message = f"is a link to {os.readlink(path)}, which does not exist ({flag})"  # noqa: PTH115 - as written
            problems.error("link-dangling", message, "mend or remove the link", path=path)
        else:
            problems.missing(path, flag)
    except OSError as error:
        is_loop = error.errno == errno.ELOOP
        code = "link-loop" if is_loop else "file-unreadable"
        hint = "mend or remove the link" if is_loop else "check the path and its rights"
        problems.error(code, f"{error.strerror} ({flag})", hint, path=path)
    except ValueError:  # a NUL in a name that came from Python code
        problems.missing(path, flag)
    return None


def regular_source(path: Path, status: os.stat_result, flag: str, problems: ProblemList) -> FileSource | None:
    """The source at a path that is no folder; None, and a finding, where it is no file that can be read."""
    if not stat.S_ISREG(status.st_mode):
        message = f"is {_kind(status.st_mode)}, not a file ({flag})"
        problems.error("file-special", message, "save its content to a file and name that", path=path)
    elif not os.access(path, os.R_OK):
        problems.error("file-unreadable", f"may not be read ({flag})", _MAKE_READABLE, path=path)
    else:
        return FileSource.from_stat(path, status)
    return None


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself, or into a folder that is closed: told where its status is asked for
        return False


def _kind(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a named pipe"
    if stat.S_ISSOCK(mode):
        return "a socket"
    return "a device"


def _identity(status: os.stat_result) -> Identity:
    return status.st_dev, status.st_ino


_ROOT = PurePosixPath()


class Gatherer:
    """Turns what one flag names into members, under one set of exclusions."""

    def __init__(self, exclusions: Exclusions, problems: ProblemList) -> None:
        self._exclusions = exclusions
        self._problems = problems

    def single_file(self, value: StrPath, flag: str) -> list[Member]:
        """A file that a flag names: to the root, under its own name."""
        path = Path(value)
        status = status_of(path, flag, self._problems)
        if status is None:
            return []
        if stat.S_ISDIR(status.st_mode):
            hint = "name a file; folders go to --extra-files, --include or --model-path"
            self._problems.error("file-is-folder", f"is a folder, not a file ({flag})", hint, path=path)
            return []
        return list(self._file(path, status, flag))

    def model_path(self, value: StrPath) -> list[Member]:
        """A folder: its tree, to the root."""
        path = Path(value)
        status = status_of(path, "--model-path", self._problems)
        if status is None:
            return []
        if not stat.S_ISDIR(status.st_mode):
            hint = "name the folder that holds the model's files"
            self._problems.error("folder-is-file", "is a file, not a folder (--model-path)", hint, path=path)
            return []
        so_far = len(self._problems)
        members = list(self._tree(path, _ROOT, "--model-path"))
        if not members and len(self._problems) == so_far:
            hint = "put the model's files there; hidden files, caches and archives do not count"
            self._problems.error("folder-empty", "holds nothing to pack (--model-path)", hint, path=path)
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
            status = status_of(path, flag, self._problems)
            if status is not None:
                is_folder = stat.S_ISDIR(status.st_mode)
                yield from self._tree(path, _ROOT, flag) if is_folder else self._file(path, status, flag)
            return
        hits = [hit for hit in _hits(piece) if not self._leaves_out(hit)]
        if not hits:
            hint = "check the pattern, and what is there"
            self._problems.warning("pattern-unmatched", f"matches nothing that is packed ({flag})", hint, path=piece)
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
        status = status_of(path, flag, self._problems)
        if status is None:
            return
        if stat.S_ISDIR(status.st_mode):
            name = Path(os.path.abspath(path)).name  # noqa: PTH100 - resolve() would follow links
            yield from self._tree(path, PurePosixPath(name), flag)
        else:
            yield from self._file(path, status, flag)

    def _file(self, path: Path, status: os.stat_result, flag: str) -> Iterator[Member]:
        source = regular_source(path, status, flag, self._problems)
        if source is not None:
            yield Member(PurePosixPath(path.name), source, flag)

    def _tree(self, root: Path, into: PurePosixPath, flag: str) -> Iterator[Member]:
        for below, source in FolderWalk(flag, self._exclusions, self._problems).files(root):
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
