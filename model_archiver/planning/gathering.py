"""From the values of the flags to the members: which file goes where in the archive, and what is left out."""

from __future__ import annotations

import errno
import os
import re
import stat
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatch, fnmatchcase
from pathlib import Path, PurePosixPath

from model_archiver.core.entries import GZIP_HEADER, TIME
from model_archiver.core.manifest import MANIFEST_PATH, MAR_INF, SUMS_PATH
from model_archiver.core.plan import FileSource, Member
from model_archiver.core.problems import ProblemList, as_error, system_hint
from model_archiver.core.request import ModelArchiverConfig, StrPath, as_list
from model_archiver.core.text import expand_home
from model_archiver.planning.handler import BUILT_IN, split_function

Identity = tuple[int, int]  # device and inode of a file

_EXCLUDED_NAMES = {"__MACOSX", "__pycache__", MAR_INF}
_EXCLUDED_SUFFIXES = (".pyc", ".pyo", ".mar")
_START = 4096  # bytes of a tar of which the first header is read
_MAGIC = r"[*?]|\[[^/][^]/]*\]"
_PATHS = ("serialized_file", "model_file", "requirements_file", "config_file", "model_path", "samples")
_MAKE_READABLE = "give yourself permission to read it, or leave it out"


class Exclusions:
    """What is left out of walked folders: always, by the user's patterns, and the build's own output.

    Always left out are hidden files and folders (so ``.DS_Store``, ``._*`` and staging directories), ``__MACOSX``,
    ``MAR-INF``, ``__pycache__``, compiled Python, every ``MANIFEST.json``, and archives.
    """

    def __init__(self, patterns: Sequence[StrPath], outputs: Collection[Identity]) -> None:
        """Collect the user's patterns, for names and paths below the walked folder, and the outputs of builds."""
        self._patterns = [os.fspath(pattern).removeprefix("./").rstrip("/") for pattern in patterns]
        self._outputs = frozenset(outputs)
        self.excluded = 0  # files and folders so far

    def excludes_name(self, below: PurePosixPath, *, is_folder: bool) -> bool:
        """Return whether the path `below` the walked folder is left out because of its name."""
        name = below.name
        is_excluded = name.startswith(".") or name in _EXCLUDED_NAMES
        is_excluded |= not is_folder and (name == "MANIFEST.json" or name.endswith(_EXCLUDED_SUFFIXES))
        texts = (name, str(below))
        return is_excluded or any(fnmatchcase(text, pattern) for pattern in self._patterns for text in texts)

    def is_output(self, path: Path, status: os.stat_result) -> bool:
        """Return whether this is the build's own output, or the folder or ``.tar.gz`` of any build."""
        # Of a folder that is closed, `Path.is_file` would raise an error that names one of these files.
        if stat.S_ISDIR(status.st_mode):
            is_ours = all(map(os.path.isfile, (path / SUMS_PATH, path / MANIFEST_PATH)))
        else:
            is_ours = path.name.endswith(".tar.gz") and stat.S_ISREG(status.st_mode) and _is_our_tar(path)
        return is_ours or identity(status) in self._outputs


class FolderWalk:
    """A walk that reports what cannot be packed and goes on; without `exclusions`, nothing is left out."""

    def __init__(self, flag: str, exclusions: Exclusions | None, problems: ProblemList) -> None:
        self._flag = flag
        self._exclusions = exclusions
        self._problems = problems

    def files(self, root: Path) -> Iterator[tuple[PurePosixPath, FileSource]]:
        """Yield the files below `root`, each with its path below it; if it is a file, only it, with an empty path."""
        for path, below, status in self.walk(root):
            is_folder = stat.S_ISDIR(status.st_mode)
            if not is_folder and (source := regular_source(path, status, self._flag, self._problems)):
                yield below, source

    def walk(self, root: Path, *, only_folders: bool = False) -> Iterator[tuple[Path, PurePosixPath, os.stat_result]]:
        """Yield `root` and what is below it, each with its path below it and its status; links are followed."""
        # A stack, because a tree may be deeper than functions can call each other.
        waiting: list[tuple[Path, PurePosixPath, set[Identity]]] = [(root, PurePosixPath(), set())]
        while waiting:
            path, below, ancestors = waiting.pop()
            is_folder = os.path.isdir(path)  # noqa: PTH112 - no errors: they are reported where the status is read
            if only_folders and not is_folder:
                continue
            rules = self._exclusions if path is not root else None  # what is named is packed
            is_excluded = rules is not None and rules.excludes_name(below, is_folder=is_folder)
            status = None if is_excluded else status_of(path, self._flag, self._problems)
            if rules and (is_excluded or (status and rules.is_output(path, status))):
                rules.excluded += 1
            elif status and is_folder and identity(status) in ancestors:
                message = f"is a link to a folder that contains it ({self._flag})"
                hint = "remove the link or --exclude it" if rules else "remove the link"
                self._problems.error("link-loop", message, hint, path=path)
            elif status:
                yield path, below, status
                if is_folder:
                    waiting += [(one, below / one.name, {*ancestors, identity(status)}) for one in self.paths_in(path)]

    def exists(self, path: Path) -> bool:
        """Return whether there is anything at a path."""
        try:
            return bool(path.lstat())
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            self._problems.extend(as_error(error, path).problems)
            return False

    def paths_in(self, folder: Path) -> list[Path]:
        """Return what is in a folder, the last one first."""
        try:
            return sorted((Path(entry.path) for entry in os.scandir(folder)), key=lambda path: path.name, reverse=True)
        except OSError as error:
            message, hint = f"{error.strerror or 'not readable'} ({self._flag})", system_hint(error, _MAKE_READABLE)
            self._problems.error("folder-unreadable", message, hint, path=folder)
            return []


class Gatherer:
    """Turns what one flag names into members."""

    def __init__(self, exclusions: Exclusions, problems: ProblemList) -> None:
        self._exclusions = exclusions
        self.problems = problems

    def single_file(self, value: StrPath, flag: str) -> list[Member]:
        """Return the file that a flag names: at the root, under its own name."""
        path = Path(value)
        if os.path.isdir(path):  # noqa: PTH112 - no errors
            hint = "name a file; folders are for --extra-files, --include and --model-path"
            self.problems.error("file-is-folder", f"is a folder, not a file ({flag})", hint, path=path)
            return []
        return list(self._members(path, flag))

    def model_path(self, value: StrPath) -> list[Member]:
        """Return the files of a folder: its tree, at the root."""
        path, flag = Path(value), "--model-path"
        if os.path.exists(path) and not os.path.isdir(path):  # noqa: PTH110, PTH112 - no errors
            hint = "name the folder with the model's files"
            self.problems.error("folder-is-file", f"is a file, not a folder ({flag})", hint, path=path)
            return []
        found = len(self.problems)
        members = list(self._members(path, flag))
        if not members and len(self.problems) == found:
            hint = "put the model's files there; hidden files, caches and archives are not packed"
            self.problems.error("folder-empty", f"has nothing to pack ({flag})", hint, path=path)
        return members

    def include(self, value: StrPath) -> list[Member]:
        """Return a file or folder: at the root, under its own name, so that a package can be imported by it."""
        return list(self._members(Path(expand_home(os.fspath(value))), "--include", under_own_name=True))

    def extra_files(self, value: StrPath) -> list[Member]:
        """Return files, the contents of folders, and what patterns match: at the root."""
        return [member for piece in split_pieces(value) for member in self._extra(piece)]

    def _extra(self, piece: str) -> Iterator[Member]:
        path, flag = Path(piece), "--extra-files"
        if os.path.lexists(path) or not re.search(_MAGIC, piece):
            yield from self._members(path, flag)
            return
        paths = self._matches(piece)
        folders = {path for path in paths if path.is_dir()}  # which are packed with what is in them
        matches = [path for path in sorted(paths) if folders.isdisjoint(path.parents) and not self._leaves_out(path)]
        if not matches:
            hint = "check the pattern and the folder"
            self.problems.warning("pattern-unmatched", f"matches nothing to pack ({flag})", hint, path=piece)
        for match in matches:
            yield from self._members(match, flag, under_own_name=True)

    def _matches(self, pattern: str) -> set[Path]:
        """Return what a pattern matches; ``**`` matches a folder and all folders below it.

        At the end, it means what is in a folder that is named, and the whole of each folder that a pattern matches.
        """
        hits = {Path(Path(pattern).anchor)}
        walk = FolderWalk("--extra-files", self._exclusions, self.problems)
        given = Path(pattern).relative_to(*hits).parts
        parts = [part for part, before in zip(given, ("", *given), strict=False) if not part == before == "**"]
        only_folders = pattern.endswith((os.sep, os.altsep or os.sep))
        if parts[-1] == "**":
            is_named = not any(re.search(_MAGIC, part) for part in parts[:-1])
            parts[-1:] = "*" if is_named else ()
            only_folders |= not is_named
        for part in parts:
            folders = {hit for hit in hits if os.path.isdir(hit)}  # noqa: PTH112 - no errors
            if part == "**":
                hits = folders.union(path for hit in folders for path, *_ in walk.walk(hit, only_folders=True))
            elif re.search(_MAGIC, part):
                found = [path for hit in folders for path in walk.paths_in(hit)]
                hits = {path for path in found if fnmatch(path.name, part) and (part[0] == "." or path.name[0] != ".")}
            else:
                hits = {hit / part for hit in folders if walk.exists(hit / part)}
        return {hit for hit in hits if os.path.isdir(hit)} if only_folders else hits  # noqa: PTH112 - no errors

    def _leaves_out(self, match: Path) -> bool:
        rules = self._exclusions
        is_named = rules.excludes_name(PurePosixPath(match.name), is_folder=match.is_dir())
        left_out = is_named or (match.exists() and rules.is_output(match, match.stat()))
        rules.excluded += left_out
        return left_out

    def _members(self, path: Path, flag: str, *, under_own_name: bool = False) -> Iterator[Member]:
        """Yield a file at the root, or what is in a folder: at the root, or below it under the folder's own name."""
        own_name = os.path.basename(os.path.abspath(path))  # noqa: PTH100, PTH119 - resolve() would follow links
        into = PurePosixPath(own_name if under_own_name or not os.path.isdir(path) else "")  # noqa: PTH112 - no errors
        for below, source in FolderWalk(flag, self._exclusions, self.problems).files(path):
            yield Member(into / below, source, flag)


def walk_tree(root: Path) -> Iterator[tuple[Path, list[os.DirEntry[str]]]]:
    """Yield a folder and those below it, each with its entries, as `os.walk` does, but however deep they are."""
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        yield folder, entries
        waiting += [Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False)]


def resolved(path: Path) -> Path:
    """Return the path with its links followed, wherever they lead; raise OSError if they are too many."""
    try:
        return Path(os.path.realpath(path))
    except RecursionError:  # more than functions can call each other, and than systems follow
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from None


def status_of(path: Path, flag: str, problems: ProblemList) -> os.stat_result | None:
    """Return the status of what a path leads to; add an error and return None if there is nothing."""
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # a ValueError: a NUL in a name from Python code
        if path.is_symlink():
            message = f"is a link to {os.readlink(path)}, which does not exist ({flag})"  # noqa: PTH115 - as written
            problems.error("link-dangling", message, "fix or remove the link", path=path)
        else:
            problems.missing(path, flag)
    except OSError as error:
        is_loop = error.errno == errno.ELOOP
        code = "link-loop" if is_loop else "file-unreadable"
        hint = "fix or remove the link" if is_loop else system_hint(error)
        problems.error(code, f"{error.strerror} ({flag})", hint, path=path)
    return None


def regular_source(path: Path, status: os.stat_result, flag: str, problems: ProblemList) -> FileSource | None:
    """Return the source at a path that is not a folder; add an error and return None if it cannot be read."""
    if not stat.S_ISREG(status.st_mode):
        kinds = {stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
        message = f"is {kinds.get(stat.S_IFMT(status.st_mode), 'a device')}, not a file ({flag})"
        problems.error("file-special", message, "save its content to a file and name that", path=path)
    elif not os.access(path, os.R_OK):
        problems.error("file-unreadable", f"is not readable ({flag})", _MAKE_READABLE, path=path)
    else:
        return FileSource.from_stat(path, status)
    return None


def split_pieces(value: StrPath, folder: str = "") -> list[str]:
    """Return the paths and patterns of one value, below a folder; a path that exists as written is never split."""
    if os.path.lexists(whole := _below(folder, value)):
        return [whole]
    pieces = [each if os.path.lexists(_below(folder, each)) else each.strip() for each in os.fspath(value).split(",")]
    escaped = re.sub("([*?[])", r"[\1]", folder)
    patterns = {piece for piece in pieces if re.search(_MAGIC, piece) and not os.path.lexists(_below(folder, piece))}
    return [_below(escaped if piece in patterns else folder, piece) for piece in pieces if piece]


def rebased(config: ModelArchiverConfig, folder: str, output_folder: str) -> ModelArchiverConfig:
    """Return a request whose relative paths start in a folder, and its export path in another one."""
    changes: dict[str, object] = {name: _below(folder, path) for name in _PATHS if (path := getattr(config, name))}
    changes["include"] = [_below(folder, path) for path in as_list(config.include)]
    changes["extra_files"] = [piece for value in as_list(config.extra_files) for piece in split_pieces(value, folder)]
    if "://" not in (export_path := os.fspath(config.export_path or "")):
        changes["export_path"] = _below(output_folder, export_path)
    python = os.fspath(config.test_python or "")
    if "/" in python or (python and os.path.lexists(_below(folder, python))):
        changes["test_python"] = _below(folder, python)
    handler = os.fspath(config.handler or "")
    module, function = split_function(handler)
    is_file = _has_module(folder, module)
    if not (config.model_path or config.include or config.extra_files):  # else it may be packed below one of them
        is_file |= "/" in module or module.endswith(".py")
    is_packed = config.model_path and _has_module(_below(folder, config.model_path), module)
    if is_file and not is_packed and handler not in BUILT_IN:
        changes["handler"] = _below(folder, module) + function
    return config.replace(**changes)


def _has_module(folder: str, module: str) -> bool:
    return bool(module) and any(os.path.lexists(_below(folder, module + end)) for end in ("", ".py", ".so", ".dylib"))


def _below(folder: str, path: StrPath) -> str:
    return os.path.join(folder, expand_home(os.fspath(path)))  # noqa: PTH118 - as it was written


def _is_our_tar(path: Path) -> bool:
    """Return whether a file begins as the tars of builds do: gzip's header names no time, and tar's first one ours."""
    with suppress(OSError, zlib.error), path.open("rb") as file:
        start = file.read(_START)
        return start.startswith(GZIP_HEADER) and b"%011o" % TIME in zlib.decompressobj(31).decompress(start, _START)
    return False


def identity(status: os.stat_result) -> Identity:
    """Return device and inode of a file."""
    return status.st_dev, status.st_ino
