"""Problems as workflow commands of GitHub Actions, which shows each of them at its line of its file."""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from model_archiver.core.problems import FILE_MISSING, Problem, printable
from model_archiver.core.request import StrPath

_FLAG = r"(?s)-|--[a-z][a-z-]*( .*)?"  # a flag, with its value or without, or stdin
_NOT_FILES = ("", "stdout", "the current folder")
# The path of a problem with these codes is a file, whether it exists or not, and never a member of an archive.
_OF_FILES = {FILE_MISSING, "file-unreadable", "trial-python", "trial-worker-missing", "disk-full", "write-failed"}
# What may follow the file in a path: a case of samples, a function of a handler, and the flag that named the file.
_FILE_AND_MORE = r"(?s)(.+?)(?:: case \d+|:\w*| \(--[a-z-]+\))"


def workflow_command(problem: Problem, archive: StrPath | None, own_files: Collection[str]) -> str:
    """Return the workflow command for a problem: of the contents of `archive`, if that was read.

    `own_files` are the user's files that were read beside the archive, such as inputs, as they were given.
    """
    file, named = _place(problem, None if archive is None else Path(archive), own_files)
    line = "" if problem.line is None else str(problem.line)
    place = ":".join(filter(None, (named, line)))
    fields = {"file": _in_workspace(file) if file else "", "line": line if file and not named else ""}
    fields["title"] = problem.code or problem.level
    given = {name: _escape(value).replace(":", "%3A").replace(",", "%2C") for name, value in fields.items() if value}
    text = _escape(str(problem.replace(path=place if named else "", line=None)))
    return f"::{problem.level} {','.join(f'{name}={value}' for name, value in given.items())}::{text}"


def _escape(text: str) -> str:
    """Escape a text as GitHub's toolkit does (packages/core/src/command.ts)."""
    return printable(text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A"))


def _place(problem: Problem, archive: Path | None, own_files: Collection[str]) -> tuple[str, str]:
    """Return the file of a problem, if it has one, and what the message must name: nothing if the file says it."""
    path, match = problem.path, re.fullmatch(_FILE_AND_MORE, problem.path)
    if path in _NOT_FILES or re.fullmatch(_FLAG, path):
        return "", path
    readings = {path: "", match[1]: path} if match else {path: ""}
    is_own = Path(path) == archive or not readings.keys().isdisjoint(own_files) or problem.code in _OF_FILES
    if archive is None or is_own:
        unknown = (path, "") if is_own else ("", path)
        return next(((file, named) for file, named in readings.items() if os.path.lexists(file)), unknown)
    is_folder = os.path.isdir(archive)  # noqa: PTH112 - raises no errors
    return _place_in_folder(path, archive, readings) if is_folder else (str(archive), path)


def _place_in_folder(path: str, archive: Path, readings: dict[str, str]) -> tuple[str, str]:
    from model_archiver.reading.opening import entered_folder  # noqa: PLC0415 - a folder was read, so it is loaded

    root = archive
    with suppress(OSError):  # it was removed since
        root = entered_folder(archive)
    for file, named in readings.items():
        # A file that cannot be packed is named by its whole path.
        for place in (root / file, *([Path(file)] if Path(file).is_relative_to(archive) else ())):
            if os.path.lexists(place):
                return str(place), named
    # A file that is missing, or no file but a built-in handler.
    return (str(root / path), "") if "/" in path else (str(archive), path)


def _in_workspace(file: str) -> str:
    """Return the path of a file relative to the repository that GitHub has checked out, if the file is in it."""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    if not workspace:
        return Path(file).as_posix()
    with suppress(OSError, ValueError):  # the current folder was removed
        file, real = os.path.abspath(file), os.path.realpath(file)  # noqa: PTH100 - links matter
        for full in (Path(real), Path(file)):
            for folder in (os.path.realpath(workspace), os.path.abspath(workspace)):  # noqa: PTH100
                if full.is_relative_to(folder):
                    return full.relative_to(folder).as_posix()
    return Path(file).as_posix()
