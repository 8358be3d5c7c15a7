"""The interpreter that runs the worker, which server it has, and its processes, which end with the trial."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from shutil import which
from typing import Any

from model_archiver.core import request
from model_archiver.core.problems import error
from model_archiver.core.record import Record
from model_archiver.core.text import shortened

# The package of each server, its distribution, what else it needs, and how to install all of that.
_SERVERS: Mapping[request.Server, tuple[str, str, tuple[str, ...], str]] = {
    "torchserve": ("ts", "torchserve", ("torch", "yaml"), "torchserve torch pyyaml"),
    "mms": ("mms", "multi-model-server", (), "multi-model-server"),
}
_TIMEOUT = 60  # seconds in which an interpreter starts, on a busy machine too
_PATIENCE = 10.0  # seconds in which the guardian ends
_MOST_LINES, _LONGEST_LINE = 1000, 4096  # lines of a log that are kept, and bytes after which a line is cut in two
_METRICS = b"[METRICS]"
_QUIET, _LONGEST_WAIT = 0.05, 2.0  # seconds without output after which nothing more is expected, and the most to wait

# The current folder is not searched, because the worker runs in another one.
_ELSEWHERE = "import sys; sys.path[:] = [path for path in sys.path if path]\n"
_QUESTION = """
import json
from importlib.metadata import version
from importlib.util import find_spec
answer = {"version": "%d.%d.%d" % sys.version_info[:3], "folders": {}, "versions": {}}
for name in ("ts", "mms", "torch", "yaml"):
    spec = find_spec(name)
    if spec and spec.submodule_search_locations:
        answer["folders"][name] = list(spec.submodule_search_locations)[0]
for name in ("torchserve", "multi-model-server", "torch"):
    try:
        answer["versions"][name] = version(name)
    except Exception:
        pass
print("\\n" + json.dumps(answer))
"""


class Interpreter(Record):
    """A Python that has the package of a server."""

    executable: str  # absolute; links are kept, because the python of a virtual environment is one
    server: request.Server  # whose worker it runs
    package: str  # the folder of the server's package
    versions: Mapping[str, str]  # of python, torch and server, as far as they are known


def find_interpreter(python: request.StrPath | None, wanted: request.Server, built_in: str | None) -> Interpreter:
    """Return the interpreter with the server that is wanted, or the other one, or raise ModelArchiverError.

    The interpreter may be given as the folder of a virtual environment; None means the running one. `built_in` is the
    handler if it is one of TorchServe's own, which Multi Model Server does not have.
    """
    executable = _executable(os.fspath(sys.executable if python is None else python))
    found = _ask(executable)
    folders, versions = found["folders"], found["versions"]
    order: list[request.Server] = ["torchserve"] if built_in else sorted(_SERVERS, key=lambda server: server != wanted)
    server = next((server for server in order if _SERVERS[server][0] in folders), None)
    package, distribution, needed, installed = _SERVERS[server or order[0]]
    missing = [name for name in needed if name not in folders]
    if server is None or missing:
        lacks = f"has torchserve, but {' and '.join(missing)} is missing" if server else "has no server installed"
        if built_in and "mms" in folders:
            lacks = f"has Multi Model Server only, and the handler {built_in} is TorchServe's"
        hint = f"install it: {executable} -m pip install {installed}; or name another one with --python"
        if executable == sys.executable and package == "mms":  # its package model-archiver would overwrite this tool
            hint = f"install it elsewhere: python -m venv serving && serving/bin/pip install {installed}"
            hint += "; then give --python serving"
        raise error("trial-worker-missing", f"this Python {lacks}", hint, executable)
    known = {"python": found["version"], "torch": versions.get("torch"), "server": versions.get(distribution)}
    shown = {name: version for name, version in known.items() if version}
    return Interpreter(executable, server, folders[package], shown)


def count_gpus(interpreter: Interpreter) -> int:
    """Return how many GPUs torch finds with an interpreter."""
    status, output, _ = _run(interpreter.executable, "import torch; print(torch.cuda.device_count())")
    last = (output.split() or ["0"])[-1]
    return int(last) if not status and last.isdigit() else 0


def _executable(given: str) -> str:
    """Return the absolute path of an interpreter that was given by its path, its name or its environment's folder."""
    found = which(given) or which(os.path.join(os.curdir, given))  # noqa: PTH118 - a Path would drop the dot
    if Path(given).is_dir():
        names = ("Scripts/python.exe",) if os.name == "nt" else ("bin/python", "bin/python3")
        found = next((str(path) for name in names if (path := Path(given, name)).is_file()), None)
        message, hint = "is a folder without a Python", "name the interpreter itself"
    else:
        message = "is not an executable file" if Path(given).exists() else "no such interpreter"
        hint = "name a Python, or the folder of a virtual environment"
    if found is None:
        raise error("trial-python", message, hint, given)
    return os.path.abspath(found)  # noqa: PTH100 - keeps links


def _ask(executable: str) -> dict[str, Any]:
    status, output, errors = _run(executable, _QUESTION)
    try:
        return dict(json.loads(output.strip().splitlines()[-1]))
    except (ValueError, IndexError, TypeError):
        last = next(iter(reversed(errors.strip().splitlines())), f"it ended with status {status}")
        message = f"does not run as a Python 3: {shortened(last, 200)}"
        raise error("trial-python", message, "name another interpreter with --python", executable) from None


def _run(executable: str, program: str) -> tuple[int, str, str]:
    """Run a program, and return its exit status, its output and its errors."""
    try:
        done = subprocess.run(  # noqa: S603 - the user named it
            [executable, "-c", _ELSEWHERE + program],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=_TIMEOUT,
        )
    except OSError as failure:
        return 1, "", failure.strerror or str(failure)
    except subprocess.TimeoutExpired:
        return 1, "", f"it did not answer within {_TIMEOUT} seconds"
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


class GuardedProcess:
    """A process that is killed with all that it started when it is closed, or when this process ends, however it does.

    On Linux that includes processes that left its session. See `guardian`, the program between the two.
    """

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        """Start it in a folder. The first word of the command is a Python 3, which runs the guardian too."""
        self.log = WorkerLog()  # what the process writes to stdout and stderr
        reading, writing = os.pipe()
        try:
            self._guardian = subprocess.Popen(  # noqa: S603 - what runs is what the user asked for
                [command[0], "-I", "-S", str(Path(__file__).with_name("guardian.py")), *command],
                cwd=folder,
                env=environment,
                stdin=subprocess.PIPE,
                stdout=writing,
                stderr=writing,
                start_new_session=os.name == "posix",
            )
        finally:
            os.close(writing)
            self.log.read(reading)

    def wait(self, seconds: float | None = None) -> int | None:
        """Return the exit status, negative if a signal ended it; None if it still runs after these seconds."""
        try:
            return self._guardian.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """Kill it and what it started. Do this while the signals that end a command are blocked."""
        if self._guardian.stdin:
            self._guardian.stdin.close()
        if self.wait(_PATIENCE) is None:  # the model stopped it
            self._guardian.kill()
            self._guardian.wait()
        self.log.wait_until_quiet()


class WorkerLog:
    """The last lines that a process wrote, without those that are metrics; read by threads of its own."""

    def __init__(self) -> None:
        self._lines = deque[bytes](maxlen=_MOST_LINES)
        self.count = 0  # of all lines so far; `text` returns what was written since such a count
        self._changed = 0.0
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def read(self, descriptor: int) -> None:
        """Read a pipe until all of its writers have closed it, and close it then."""
        thread = threading.Thread(target=self._read, args=(descriptor,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def text(self, start: int = 0) -> str:
        """Return the lines after the first `start` ones, as far as they are kept."""
        with self._lock:
            left_out = max(0, start - self.count + len(self._lines))
            return b"".join(islice(self._lines, left_out, None)).decode(errors="replace")

    def wait_until_quiet(self) -> None:
        """Wait until the pipes are closed, or nothing was written for a moment."""
        self._changed = time.monotonic()
        deadline = self._changed + _LONGEST_WAIT
        while any(thread.is_alive() for thread in self._threads):
            if time.monotonic() > min(deadline, self._changed + _QUIET):
                break
            time.sleep(_QUIET / 10)

    def _read(self, descriptor: int) -> None:
        with suppress(OSError), os.fdopen(descriptor, "rb") as pipe:
            for line in iter(partial(pipe.readline, _LONGEST_LINE), b""):
                with self._lock:
                    self._changed = time.monotonic()
                    if not line.startswith(_METRICS):
                        self._lines.append(line)
                        self.count += 1
