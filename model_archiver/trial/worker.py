"""A server's worker: started, asked to load a model, and asked for answers, as the server's front end does it.

TorchServe and Multi Model Server: WorkerLifeCycle.java, EnvironmentUtils.java; model_service_worker.py.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from model_archiver.trial.interpreter import GuardedProcess, Interpreter
from model_archiver.trial.protocol import AnswerError, Connection, load_message, predict_message
from model_archiver.trial.report import TrialAnswer, TrialRequest, TriedModel

# Variables by which a worker takes itself for one of several, or measures itself.
_REMOVED = ("LOCAL_RANK", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "TS_BENCHMARK")
_LONGEST_SOCKET = 100  # bytes of a Unix socket's path: Linux allows 107, macOS 103
_PIPES = "log"
_POLL = 0.01
_ENDING = 2.0  # seconds that a worker has to end by itself


class Worker:
    """A worker that runs."""

    def __init__(self, interpreter: Interpreter, model: TriedModel, private: Path) -> None:
        """Start it; its socket and its temporary files are in a private folder."""
        self._model = model
        self._folder = private / "tmp"
        self._folder.mkdir()
        self._address = _free_address(private)
        self._connection: Connection | None = None
        self._writers = ExitStack()  # closes the pipes
        self._sockets = ExitStack()  # closes the connection
        command = self._command(interpreter.executable, Path(interpreter.package))
        self._process = GuardedProcess(command, Path(model.folder), self._environment())
        self.log = self._process.log  # what it writes

    def load(self, seconds: float) -> tuple[int, str]:
        """Have it load the model, and return status and message of its answer; raise AnswerError if there is none."""
        deadline = time.monotonic() + seconds
        self._connection = Connection(self._sockets.enter_context(self._connect(deadline)))
        answer = self._connection.load(load_message(self._model, _PIPES), deadline - time.monotonic())
        if self._model.server == "mms":  # its log is written to pipes from now on, which it opens one by one
            for name in ("stdout", "stderr"):
                with suppress(OSError):  # the model may have removed it
                    self._read_pipe(self._folder / f"{_PIPES}-{name}")
        return answer

    def ask(self, requests: Sequence[TrialRequest], seconds: float) -> tuple[str, list[TrialAnswer]]:
        """Send requests as one batch, and return what `Connection.predict` does, or raise AnswerError."""
        if self._connection is None:
            raise AnswerError("closed")
        return self._connection.predict(predict_message(self._model, requests), requests, seconds)

    def wait(self) -> int | None:
        """Wait, not long, until a worker that closed the connection has ended; return its status, or None."""
        self._writers.close()
        # Of Multi Model Server, the process that accepts connections goes on.
        status = self._process.wait(_ENDING) if self._model.server == "torchserve" else None
        self.log.wait_until_quiet()
        return status

    def close(self) -> None:
        """Kill it, as the front end does, and before it sees that the connection is closed, which it would log."""
        self._process.close()
        self._writers.close()
        self._sockets.close()

    def _read_pipe(self, path: Path) -> None:
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        # Without a writer, it would have ended before the worker opens it.
        self._writers.callback(os.close, os.open(path, os.O_WRONLY))
        os.set_blocking(reading, True)
        self.log.read(reading)

    def _command(self, python: str, package: Path) -> list[str]:
        model = self._model
        command = [python, str(package / "model_service_worker.py")]
        if isinstance(self._address, str):
            command += ["--sock-type", "unix", "--sock-name", self._address]
        else:
            command += ["--sock-type", "tcp", "--host", self._address[0], "--port", str(self._address[1])]
        if model.server == "torchserve":
            command += ["--metrics-config", str(package / "configs" / "metrics.yaml")]
            return [*command, *(["--async"] if model.is_async else [])]
        command += ["--handler", model.handler.given, "--model-path", model.folder, "--model-name", model.name]
        return [*command, "--preload-model", "false", "--tmp-dir", str(self._folder)]

    def _environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if name not in _REMOVED}
        inherited = environment.get("PYTHONPATH")
        path = [*self._model.search_path, *([inherited] if inherited else []), self._model.folder]
        environment |= dict.fromkeys(("TEMP", "TMP", "TMPDIR"), str(self._folder))
        # Without a buffer, the last lines of a worker that ends at once are not lost.
        own = {"PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1", "TS_DECODE_INPUT_REQUEST": "true"}
        return environment | own

    def _connect(self, deadline: float) -> socket.socket:
        """Return a connection, once the worker listens."""
        family = getattr(socket, "AF_UNIX", socket.AF_INET) if isinstance(self._address, str) else socket.AF_INET
        while True:
            connection = socket.socket(family, socket.SOCK_STREAM)
            try:
                connection.settimeout(max(_POLL, deadline - time.monotonic()))
                connection.connect(self._address)
            except OSError:
                connection.close()
            else:
                return connection
            if self._process.wait(_POLL) is not None:
                raise AnswerError("closed")
            if time.monotonic() > deadline:
                raise AnswerError("late")


def _free_address(private: Path) -> str | tuple[str, int]:
    path = str(private / "worker.1")
    if hasattr(socket, "AF_UNIX") and len(os.fsencode(path)) <= _LONGEST_SOCKET and sys.platform != "win32":
        return path
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as free:
        free.bind(("127.0.0.1", 0))
        return "127.0.0.1", int(free.getsockname()[1])
