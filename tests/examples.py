"""The examples of the table of codes, run in private folders.

Calls that no user can make fail on purpose are replaced, so that every example runs anywhere, and as root.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from unittest import mock

import yaml

from model_archiver.cli import main, mms_main
from model_archiver.trial import private_tree

PROGRAMS = {"torch-model-archiver": main, "model-archiver": mms_main}
TABLE = Path(__file__).parents[1] / "model_archiver" / "core" / "codes.yaml"
HOME = "/home/me/model"
"""What the printed lines have in place of the folder of the example."""

_PROBLEM = re.compile(r"(error|warning): .*\[([a-z]+(?:-[a-z]+)+)\]$", re.MULTILINE)
_PYTHON = re.compile(rf"Python {sys.version_info[0]}\.{sys.version_info[1]}\b")
_WEIGHTS = ("weights.pt", "torchscript.pt")


def table() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return read


def commands_of(transcript: str) -> list[tuple[str, str]]:
    """Return each command of a transcript, with what it prints."""
    parts = re.split(r"^\$ ", transcript, flags=re.MULTILINE)[1:]
    return [(command, printed) for command, _, printed in (part.partition("\n") for part in parts)]


def problems_of(printed: str) -> list[tuple[str, str]]:
    return _PROBLEM.findall(printed)


def needs_torch(entry: dict[str, Any]) -> bool:
    """Return whether the example reads weights that torch has made."""
    return any(name in entry["example"]["run"] for name in _WEIGHTS)


def needs_server(entry: dict[str, Any]) -> bool:
    """Return whether the example runs the worker of a server."""
    return "needs" in entry["example"]


class Examples:
    """Runs examples.

    Args:
        folder: a private folder, in which each example has a folder of its own.
        server_python: the interpreter that has a server's package, for the examples that need one.
    """

    def __init__(self, folder: Path, server_python: Path | None = None) -> None:
        self._folder = folder
        self._server_python = server_python
        self._shared = table()["files"]

    def run(self, code: str, entry: dict[str, Any]) -> str:
        """Run an example and return its transcript, with the problems that its commands print."""
        here = self._folder / code / "model"
        files = {**self._shared, **entry["example"].get("files", {})}
        for name, text in files.items():
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            (here / name).write_text(text)
        if needs_torch(entry):
            self._add_weights(here)
        with _working_in(here):
            commands = [command for command, _ in commands_of(entry["example"]["run"])]
            return "".join(f"$ {command}\n{self._run(code, command, entry)}" for command in commands)

    def _add_weights(self, here: Path) -> None:
        made = self._folder / "weights"
        if not made.exists():
            made.mkdir()
            for name in ("files.py", "net.py"):
                (made / name).write_text(self._shared[name])
            subprocess.run([sys.executable, "files.py"], cwd=made, check=True, stderr=subprocess.DEVNULL)
        for name in _WEIGHTS:
            shutil.copy(made / name, here)

    def _run(self, code: str, command: str, entry: dict[str, Any]) -> str:
        words = shlex.split(command)
        if needs_server(entry) and words[1] == "test":
            words += ["--python", str(self._server_python)]
        variables = {}
        while "=" in words[0]:
            name, _, variables[name] = words.pop(0).partition("=")
        if words[0] in PROGRAMS:
            printed = _call(code, words, variables)
        else:
            path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
            environment = {**os.environ, "PATH": path, "PYTHONPATH": str(TABLE.parents[2])}
            done = subprocess.run(command, shell=True, check=True, env=environment, text=True, stdout=subprocess.PIPE)
            printed = done.stdout
        here = str(Path.cwd())
        lines = [line.replace(here, HOME) for line in printed.splitlines() if _PROBLEM.search(line)]
        return "".join(f"{_PYTHON.sub('Python 3.11', line)}\n" for line in lines)


def _call(code: str, words: list[str], variables: dict[str, str]) -> str:
    """Run one of our programs in this process and return what it prints."""
    printed = io.StringIO()
    stdout: Any = printed
    if ">" in words:
        *words, _, name = words
        stdout = open(name, "w")  # noqa: PTH123, SIM115 - closing a full device fails
    replaced = mock.patch.object(*REPLACED[code]) if code in REPLACED else contextlib.nullcontext()
    with (
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(printed),
        mock.patch.dict(os.environ, variables),
        replaced,
    ):
        PROGRAMS[words[0]](words[1:])
    return printed.getvalue()


@contextlib.contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _failing(error: Exception) -> Callable[..., NoReturn]:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


def _system_error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


_open, _scandir = os.open, os.scandir


def _open_and_change(path: str, *rest: int) -> int:
    if str(path).endswith("weights.bin"):
        os.utime(path, ns=(1, 1))
    return _open(path, *rest)


def _scandir_by_mode(path: str) -> object:
    if not os.stat(path).st_mode & stat.S_IRUSR:  # noqa: PTH116 - what replaces os.scandir
        raise _system_error(errno.EACCES)
    return _scandir(path)


def _access_by_mode(path: str, right: int) -> bool:
    return bool(os.stat(path).st_mode >> 6 & right == right)  # noqa: PTH116 - what replaces os.access


REPLACED: dict[str, tuple[object, str, Callable[..., Any]]] = {
    "disk-full": (os, "fsync", _failing(_system_error(errno.ENOSPC))),
    "file-changed": (os, "open", _open_and_change),
    "file-unreadable": (os, "access", _access_by_mode),
    "folder-unreadable": (os, "scandir", _scandir_by_mode),
    "trial-file-changed": (private_tree, "share_blocks", lambda *_: False),
    "threads-refused": (threading.Thread, "start", _failing(RuntimeError("can't start new thread"))),
    "write-failed": (os, "fsync", _failing(_system_error(errno.EIO))),
}
"""The calls that are replaced while an example runs, by its code: of what, which, and by what."""
