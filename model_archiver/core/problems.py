"""What is wrong with a request, an archive or a build, and the exceptions that carry it."""

from __future__ import annotations

import errno
import os
import re

from model_archiver.core.record import Record
from model_archiver.core.text import closest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import Literal, TypeAlias

Level: TypeAlias = "Literal['error', 'warning']"

FILE_MISSING = "file-missing"  # the code of every error that says that an input does not exist
_USAGE = {"usage-invalid", "flag-unknown", "command-unknown", "convert-retired"}  # the codes of a UsageError
LARGEST_TEXT = 1 << 22  # bytes of the largest file that a check reads whole, and that is kept whole of an archive
LARGEST_CONFIG = 1 << 17  # bytes of the largest config file that is read, because PyYAML is slow
_LONGEST = 1000
_CONTROL = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_INVISIBLE = r"\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff"  # or cannot be encoded

_CHECK_PATH = "check the path and its permissions"
PATH_ERRORS = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOENT),
    *(errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG),
}
"""The errors of system calls that can be due to the path, and not to a limit or a disk."""

_SYSTEM_HINTS = {
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f), or use a file system that takes larger ones",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.EIO: "check the disk, or the connection to it",
}


class Problem(Record):
    """One thing that is wrong: what, where, and what to do about it.

    Attributes:
        level: ``error``, which stops the build, or ``warning``, which stops it only with ``--strict``.
        code: a stable name of the rule, such as ``file-missing``, which the command ``explain`` explains; may be empty.
        message: what is wrong, as a fact.
        hint: what to do, as an imperative; empty where there is nothing certain to advise.
        path: the file or value that it is about, as the user wrote it; may be empty.
        line: the line in that file, counted from 1; None where there is none.
    """

    level: Level
    code: str
    message: str
    hint: str = ""
    path: str = ""
    line: int | None = None

    def __str__(self) -> str:
        """Return the problem as one line, as compilers print it, without its level."""
        place = f"{self.path}:{self.line}" if self.line is not None else self.path
        text = ": ".join(_without_middle(part) for part in (place, self.message) if part)
        hint = f"; {_without_middle(self.hint)}" if self.hint else ""
        code = f" [{self.code}]" if self.code else ""
        return printable(f"{text}{hint}{code}")


class ModelArchiverError(Exception):
    """The root of all exceptions of this package: a request was rejected, or a build failed.

    Attributes:
        problems: everything that is wrong; empty where only a message was given.
    """

    def __init__(self, message: str = "", problems: Sequence[Problem] = ()) -> None:
        self.problems = tuple(problems)
        super().__init__(message or "\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle all attributes: by default, an exception is made again from its message alone."""
        return type(self).__new__, (type(self),), {"args": self.args, **vars(self)}


class MissingInputError(ModelArchiverError, FileNotFoundError):
    """At least one input does not exist."""


class UsageError(ModelArchiverError):
    """The command line is invalid."""


class NotSampledError(ModelArchiverError):
    """A part of a file of an opened archive that was not kept while the archive was read: it cannot be checked."""


class ProblemList:
    """The problems found so far, in the order in which they were found; equal ones count once."""

    def __init__(self, ignored_codes: Collection[str] = ()) -> None:
        """Create an empty list that takes no warnings of some codes, and only counts them."""
        self._problems: dict[Problem, None] = {}
        self._ignored_codes = ignored_codes
        self.ignored = 0  # how many warnings it did not take

    def __iter__(self) -> Iterator[Problem]:
        return iter(tuple(self._problems))

    def __len__(self) -> int:
        return len(self._problems)

    def error(self, code: str, message: str, hint: str = "", *, path: object = "") -> None:
        """Add an error."""
        self.add(Problem("error", code, message, hint, str(path)))

    def warning(self, code: str, message: str, hint: str = "", *, path: object = "") -> None:
        """Add a warning."""
        self.add(Problem("warning", code, message, hint, str(path)))

    def missing(self, path: Path, flag: str) -> None:
        """Add the error for a path that does not exist, named by a flag."""
        hint = _advice_on_missing(path)
        if "," in str(path) and any(map(os.path.lexists, map(str.strip, str(path).split(",")))):
            more = "weights" if flag == "--serialized-file" else "files"
            hint = f"{flag} takes one file; more {more} go to --extra-files"
            hint = f"{flag} takes one path; repeat --include" if flag in ("--include", "--model-path") else hint
        self.error(FILE_MISSING, f"no such file or folder ({flag})", hint, path=path)

    def add(self, problem: Problem) -> None:
        """Add a problem, unless it is a warning that is ignored."""
        if problem.level == "warning" and problem.code in self._ignored_codes:
            self.ignored += 1
        else:
            self._problems[problem] = None

    def extend(self, problems: Iterable[Problem]) -> None:
        """Add several problems."""
        for problem in problems:
            self.add(problem)

    def downgrade(self, code: str) -> None:
        """Turn the errors with this code into warnings."""
        found = [problem.replace(level="warning") if problem.code == code else problem for problem in self._problems]
        self._problems = {}
        self.extend(found)

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """The warnings."""
        return tuple(problem for problem in self._problems if problem.level == "warning")

    @property
    def has_errors(self) -> bool:
        """Whether there is an error."""
        return any(problem.level == "error" for problem in self._problems)

    def raise_errors(self, *, strict: bool) -> None:
        """Raise all problems, the warnings too, if there is an error; with `strict`, warnings are errors."""
        raise_errors([problem.replace(level="error") if strict else problem for problem in self._problems])


def raise_errors(problems: Sequence[Problem]) -> None:
    """Raise all problems, the warnings too, if there is an error among them."""
    if any(problem.level == "error" for problem in problems):
        raise error_of(problems)


def error_of(problems: Iterable[Problem]) -> ModelArchiverError:
    """Return a UsageError, a MissingInputError or a ModelArchiverError with these problems, as their codes say."""
    carried = tuple(problems)
    codes = {problem.code for problem in carried}
    kind = MissingInputError if FILE_MISSING in codes else ModelArchiverError
    return (kind if codes.isdisjoint(_USAGE) else UsageError)(problems=carried)


def error(code: str, message: str, hint: str = "", path: object = "") -> ModelArchiverError:
    """Return the exception that carries one error."""
    return error_of([Problem("error", code, message, hint, str(path))])


def system_hint(failure: OSError, about_path: str = _CHECK_PATH) -> str:
    """Return what to do about a failed system call: `about_path` only where the path can be at fault."""
    return about_path if failure.errno in PATH_ERRORS else _SYSTEM_HINTS.get(failure.errno or 0, "")


def as_error(failure: ModelArchiverError | OSError, place: object = "the current folder") -> ModelArchiverError:
    """Return the exception of a failure: of a system call, it names its path, or the place if it has none."""
    if isinstance(failure, ModelArchiverError):
        return failure
    reason, hint = failure.strerror or str(failure), system_hint(failure)
    if failure.errno == errno.ENOENT and not failure.filename:  # of os.getcwd()
        reason, hint = "no longer exists", "change to another folder"
    return error("file-unreadable", reason, hint, failure.filename or place)


def as_seen(path: Path) -> Path:
    """Return the path relative to the current folder, if it is below that."""
    try:
        current = path.cwd()
    except OSError:  # it was removed, and the archive is written all the same
        return path
    return path.relative_to(current) if path.is_relative_to(current) else path


def printable(text: str) -> str:
    r"""Return the text as one line: invisible characters and lone surrogates become escapes (``\n``, ``\x1b``)."""
    if text.isprintable():
        return text
    return re.sub(f"[{_CONTROL}{_INVISIBLE}]", lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def has_control(text: str) -> bool:
    """Return whether the text has a character that ends a line or controls a terminal."""
    return not text.isprintable() and re.search(f"[{_CONTROL}]", text) is not None


def _without_middle(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"


def _advice_on_missing(path: Path) -> str:
    """Return what exists under nearly that name, or where the path was looked for."""
    try:
        names = os.listdir(path.parent)  # noqa: PTH208 - one undecodable name must not fail the others
    except (OSError, ValueError):  # a ValueError: a NUL in a name that came from Python code
        return f"the folder {path.parent} does not exist"
    otherwise = "check the path" if path.is_absolute() else "paths are relative to the current folder"
    shown = [path.parent / name for name in names if not name.startswith(".") and not name.endswith((".pyc", ".pyo"))]
    # Compared by their stems: model.py must not be suggested for model.pt.
    stems = {other.stem: other for other in shown if other.suffix == path.suffix}
    near = [other for other in shown if _without_style(other.name) == _without_style(path.name)]
    near += [stems[stem] for stem in [closest(path.stem, stems)] if stem]
    near += [other for other in shown if other.stem == path.stem and other.suffix.startswith(path.suffix)]
    near = [other for other in near if os.path.isfile(other) or os.path.isdir(other)]  # noqa: PTH112, PTH113 - no errors
    return f"did you mean {near[0]}?" if near else otherwise


def _without_style(name: str) -> str:
    """Return a name without what tells MyHandler.py from my_handler.py."""
    return name.casefold().replace("_", "").replace("-", "")
