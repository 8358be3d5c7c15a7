"""The interpreter that runs the worker, and which server's worker it has."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from shutil import which

from model_archiver.core.problems import error
from model_archiver.core.record import Record
from model_archiver.core.text import shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from model_archiver.core.request import Server, StrPath

# The package of each server, its distribution, what else it needs, and how to install all of that.
_SERVERS: Mapping[Server, tuple[str, str, tuple[str, ...], str]] = {
    "torchserve": ("ts", "torchserve", ("torch", "yaml"), "torchserve torch pyyaml"),
    "mms": ("mms", "multi-model-server", (), "multi-model-server"),
}
_TIMEOUT = 60  # seconds in which an interpreter starts, on a busy machine too

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
    server: Server  # whose worker it runs
    package: str  # the folder of the server's package
    versions: Mapping[str, str]  # of python, torch and server, as far as they are known


def find_interpreter(python: StrPath | None, wanted: Server, built_in: str | None = None) -> Interpreter:
    """Return the interpreter and the server to try: the one that is wanted, or the other one if only that is there.

    Args:
        python: the interpreter, or the folder of a virtual environment; None means the running interpreter.
        wanted: the server that the archive was made for.
        built_in: the handler, if it is one of TorchServe's own, which Multi Model Server does not have.

    Raises:
        ModelArchiverError: it cannot be run, or has neither server.
    """
    executable = _executable(os.fspath(sys.executable if python is None else python))
    found = _ask(executable)
    folders, versions = found["folders"], found["versions"]
    order: list[Server] = ["torchserve"] if built_in else sorted(_SERVERS, key=lambda server: server != wanted)
    server = next((server for server in order if _SERVERS[server][0] in folders), None)
    package, distribution, needed, installed = _SERVERS[server or order[0]]
    missing = [name for name in needed if name not in folders]
    if server is None or missing:
        lacks = f"has torchserve, but {' and '.join(missing)} is missing" if server else "has no server installed"
        if built_in and "mms" in folders:
            lacks = f"has Multi Model Server only, and the handler {built_in} is TorchServe's"
        hint = f"install it: {executable} -m pip install {installed}; or name another one with --python"
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
    import subprocess  # noqa: PLC0415 - only commands that run something need it

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
