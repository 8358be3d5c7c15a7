"""What TorchServe and Multi Model Server (MMS) have in common."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlencode

from . import loopback

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from typing import Self

START_TIMEOUT = 90
STOP_TIMEOUT = 30
WORKER_TIMEOUT = 120
POLL = 0.2

LEASH = Path(__file__).with_name("leash.py")
LOG_LAG = 0.5
LOG_TAIL = 40
LOG_PREFIX = re.compile(r"^\S+ \[\w+ *\] \S+ \S+ - ")


class ServerError(Exception):
    """The server did not start, or refused something: its answer and the end of the worker's log."""


@contextmanager
def leashed(command: list[str | Path], console: Path, folder: Path, environ: dict[str, str]) -> Iterator[Any]:
    """Run a command within the block; letting go of its leash ends the whole process group."""
    with console.open("wb") as log:
        leash = subprocess.Popen(
            [sys.executable, LEASH, *command],
            cwd=folder,
            env=environ,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield leash
    finally:
        leash.stdin.close()
        try:
            leash.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            os.killpg(leash.pid, signal.SIGKILL)
            leash.wait(STOP_TIMEOUT)


class ModelServer(ABC):
    """A server with a model store, logs and temporary files of its own; as a context manager, a running one.

    Args:
        python: The interpreter of the environment that it is installed in.
        folder: Where everything of this server goes.
        settings: More lines of its ``config.properties``.
    """

    module: ClassVar[str]
    ports: ClassVar[int]

    def __init__(self, python: Path, folder: Path, **settings: object) -> None:
        self.python = python
        self.folder = folder
        self.store = folder / "store"
        self.logs = folder / "logs"
        self.temp = folder / "temp"
        self.config = folder / "config.properties"
        self.console = folder / "console.log"
        self._settings = settings
        self._running = ExitStack()
        for subfolder in (self.store, self.logs, self.temp):
            subfolder.mkdir(parents=True)

    @abstractmethod
    def properties(self, inference: int, management: int, *more_ports: int) -> dict[str, object]:
        """Return the settings of a server on these ports."""

    @abstractmethod
    def options(self) -> list[str]:
        """Return the command line after ``--start --foreground``."""

    # Its life

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            self._wait_until_healthy(starting.enter_context(self._started()))
            self._running = starting.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._running.close()

    def stop(self) -> None:
        """Stop it with its own command, as people do."""
        command = [self.python, "-m", self.module, "--stop"]
        subprocess.run(command, cwd=self.folder, env=self._environ(), check=True, stdout=subprocess.DEVNULL)

    def _started(self) -> AbstractContextManager[Any]:
        ports = loopback.free_ports(self.ports)
        self.inference_port, self.management_port = ports[:2]
        properties = self.properties(*ports) | self._settings
        lines = [f"{key}={value}\n" for key, value in properties.items()]
        self.config.write_text("".join(lines), encoding="utf-8")
        command = [self.python, "-m", self.module, "--start", "--foreground", *self.options()]
        return leashed(command, self.console, self.folder, self._environ())

    def _environ(self) -> dict[str, str]:
        """Return this process's environment without its Python settings, and with the server's own folders.

        Java takes the encoding of file names from the locale; ``python3`` is to be the server's.
        """
        environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        return environ | {
            "PATH": os.pathsep.join([str(self.python.parent), environ.get("PATH", os.defpath)]),
            "LC_ALL": "C.UTF-8",
            "TEMP": str(self.temp),
            "TMPDIR": str(self.temp),
            "LOG_LOCATION": str(self.logs),
            "METRICS_LOCATION": str(self.logs),
            "TS_CONFIG_FILE": str(self.config),
        }

    def _wait_until_healthy(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and process.poll() is None:
            with suppress(OSError, http.client.HTTPException, loopback.RefusedError):
                loopback.request(self.inference_port, "GET", "/ping", timeout=5)
                return
            time.sleep(POLL)
        raise ServerError(f"{self.module} did not start\n{self.log_tail()}")

    # Its models

    def copy_to_store(self, archive: Path) -> str:
        """Copy an archive, packed or a folder, into the model store, and return the name it has there."""
        if archive.is_dir():
            shutil.copytree(archive, self.store / archive.name)
        else:
            shutil.copyfile(archive, self.store / archive.name)
        return archive.name

    def register(self, archive: Path | str, **parameters: object) -> str:
        """Register an archive, wait for a worker that loaded it, and return the server's answer.

        Args:
            archive: A path, which is copied to the model store, or the name of something there, or a URL.
            parameters: More of the query; None leaves out what is sent otherwise.
        """
        url = self.copy_to_store(archive) if isinstance(archive, Path) else archive
        query = {"url": url, "initial_workers": 1, "synchronous": "true"} | parameters
        path = "/models?" + urlencode({key: value for key, value in query.items() if value is not None})
        return self._request(self.management_port, "POST", path, timeout=WORKER_TIMEOUT).decode()

    def predict(self, name: str, body: bytes = b"{}", content_type: str = "application/json") -> bytes:
        path = f"/predictions/{quote(name)}"
        return self._request(self.inference_port, "POST", path, body, content_type, model=name)

    def ask(self, name: str, question: object) -> Any:
        return json.loads(self.predict(name, json.dumps(question).encode()))

    def describe(self, name: str) -> dict[str, Any]:
        described = json.loads(self._request(self.management_port, "GET", f"/models/{quote(name)}"))
        return described[0] if isinstance(described, list) else described

    def unregister(self, name: str) -> None:
        self._request(self.management_port, "DELETE", f"/models/{quote(name)}")

    def wait_until_ready(self, name: str) -> None:
        """Return once model *name*, loaded when the server started, has a worker that answers."""
        deadline = time.monotonic() + WORKER_TIMEOUT
        while time.monotonic() < deadline:
            if any(worker["status"] == "READY" for worker in self.describe(name)["workers"]):
                return
            time.sleep(POLL)
        raise ServerError(f"{name} has no worker\n{self.log_tail(name)}")

    @contextmanager
    def serving(self, archive: Path, name: str, **parameters: object) -> Iterator[Callable[[object], Any]]:
        """Serve *archive*, whose model is called *name*, within the block; gives a function that asks it."""
        try:
            self.register(archive, **parameters)
            yield partial(self.ask, name)
        finally:
            with suppress(ServerError):
                self.unregister(name)
            self._remove_from_store(archive.name)

    def _remove_from_store(self, name: str) -> None:
        if (self.store / name).is_dir():
            shutil.rmtree(self.store / name)
        else:
            (self.store / name).unlink(missing_ok=True)

    def _request(self, port: int, method: str, path: str, *body: Any, model: str = "", **limits: float) -> bytes:
        try:
            return loopback.request(port, method, path, *body, **limits)
        except (OSError, http.client.HTTPException, loopback.RefusedError) as error:
            time.sleep(LOG_LAG)
            raise ServerError(f"{method} {path}: {error}\n{self.log_tail(model)}") from None

    def log_tail(self, model: str = "") -> str:
        """Return the last lines of the workers of *model*, or else of any worker, or else of the server."""
        lines = self.console.read_text(encoding="utf-8", errors="replace").splitlines()
        worker = re.compile(rf" W-(\d+-)?{re.escape(model)}[_-]" if model else " W-")
        relevant = [line for line in lines if worker.search(line)] or lines
        return "\n".join(LOG_PREFIX.sub("", line) for line in relevant[-LOG_TAIL:])
