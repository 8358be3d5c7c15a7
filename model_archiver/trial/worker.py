"""A server's worker: started, asked to load a model, and asked for answers, as the server's front end does it.

TorchServe and Multi Model Server: WorkerLifeCycle.java, EnvironmentUtils.java; model_service_worker.py.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from model_archiver.trial.protocol import AnswerError, AnswerReader, load_message, predict_message
from model_archiver.trial.worker_log import WorkerLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from model_archiver.trial.interpreter import Interpreter
    from model_archiver.trial.processes import Processes
    from model_archiver.trial.protocol import WorkerSettings
    from model_archiver.trial.report import TrialAnswer, TrialRequest

_REMOVED = ("LOCAL_RANK", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "TS_BENCHMARK")
"""Variables by which a worker takes itself for one of several, or measures itself."""
_LONGEST_SOCKET = 100  # bytes of a Unix socket's path: Linux allows 107, macOS 103
_PIPES = "log"
_POLL = 0.01
_ENDING = 2.0
"""Seconds that a worker has to end by itself."""


class Worker:
    """A worker that runs.

    Attributes:
        log: what it writes.
    """

    def __init__(self, interpreter: Interpreter, settings: WorkerSettings, private: Path, processes: Processes) -> None:
        """Start it; its socket and its temporary files are in a private folder."""
        self.log = WorkerLog()
        self._interpreter = interpreter
        self._settings = settings
        self._private = private / "tmp"
        self._private.mkdir()
        self._processes = processes
        self._address = self._choose_address()
        self._connection: socket.socket | None = None
        self._writers: list[int] = []
        reading, writing = os.pipe()
        try:
            self._process = processes.start(self._command(), Path(settings.folder), self._environment(), writing)
        finally:
            os.close(writing)
            self.log.read(reading)

    def load(self, seconds: float) -> tuple[int, str]:
        """Have it load the model, and return status and message of its answer.

        Raises:
            AnswerError: it does not answer.
        """
        deadline = time.monotonic() + seconds
        self._connection = self._connect(deadline)
        message = load_message(self._settings, _PIPES)
        answer = self._send(message, deadline).read_load(deadline - time.monotonic())
        if self._settings.server == "mms":  # its log is written to pipes from now on, which it opens one by one
            for name in ("stdout", "stderr"):
                with suppress(OSError):  # the model may have removed it
                    self._read_pipe(self._private / f"{_PIPES}-{name}")
        self._processes.look()
        return answer

    def ask(self, requests: Sequence[TrialRequest], seconds: float) -> tuple[str, list[TrialAnswer]]:
        """Send requests as one batch; return what `AnswerReader.read_batch` does.

        Raises:
            AnswerError: it does not answer.
        """
        deadline = time.monotonic() + seconds
        reader = self._send(predict_message(self._settings.server, requests), deadline)
        answer = reader.read_batch(requests, deadline - time.monotonic())
        self._processes.look()
        return answer

    def wait(self) -> int | None:
        """Wait, not long, until a worker that closed the connection has ended; return its status, or None."""
        self._close_writers()
        status = None
        if self._settings.server == "torchserve":  # of the other one, the process that accepts connections goes on
            with suppress(subprocess.TimeoutExpired):
                status = self._process.wait(_ENDING)
        self.log.settle(to_end=status is not None)
        return status

    def close(self) -> None:
        """Close the connection. The process is then killed by its owner, as the front end does it."""
        self._close_writers()
        if self._connection is not None:
            self._connection.close()

    def _read_pipe(self, path: Path) -> None:
        reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._writers.append(os.open(path, os.O_WRONLY))  # or it would have ended before the worker opens it
        os.set_blocking(reading, True)
        self.log.read(reading)

    def _close_writers(self) -> None:
        while self._writers:
            os.close(self._writers.pop())

    def _choose_address(self) -> str | tuple[str, int]:
        path = str(self._private.parent / "worker.1")
        if hasattr(socket, "AF_UNIX") and len(os.fsencode(path)) <= _LONGEST_SOCKET and sys.platform != "win32":
            return path
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as free:
            free.bind(("127.0.0.1", 0))
            return "127.0.0.1", int(free.getsockname()[1])

    def _command(self) -> list[str]:
        folder, settings = self._interpreter.package, self._settings
        command = [self._interpreter.executable, str(Path(folder, "model_service_worker.py"))]
        if isinstance(self._address, str):
            command += ["--sock-type", "unix", "--sock-name", self._address]
        else:
            command += ["--sock-type", "tcp", "--host", self._address[0], "--port", str(self._address[1])]
        if self._settings.server == "torchserve":
            command += ["--metrics-config", str(Path(folder, "configs", "metrics.yaml"))]
            return [*command, *(["--async"] if settings.is_async else [])]
        command += ["--handler", settings.handler, "--model-path", settings.folder]
        return [*command, "--model-name", settings.name, "--preload-model", "false", "--tmp-dir", str(self._private)]

    def _environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if name not in _REMOVED}
        inherited = environment.get("PYTHONPATH")
        path = [*self._settings.search_path, *([inherited] if inherited else []), self._settings.folder]
        environment |= dict.fromkeys(("TEMP", "TMP", "TMPDIR"), str(self._private))
        # Without a buffer, the last lines of a worker that ends at once are not lost.
        own = {"PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1", "TS_DECODE_INPUT_REQUEST": "true"}
        return environment | own

    def _connect(self, deadline: float) -> socket.socket:
        """Return a connection, once the worker listens."""
        family = getattr(socket, "AF_UNIX", None) if isinstance(self._address, str) else socket.AF_INET
        while True:
            connection = socket.socket(family or socket.AF_INET, socket.SOCK_STREAM)
            try:
                connection.settimeout(max(_POLL, deadline - time.monotonic()))
                connection.connect(self._address)
            except OSError:
                connection.close()
            else:
                return connection
            if self._process.poll() is not None:
                raise AnswerError("closed")
            if time.monotonic() > deadline:
                raise AnswerError("late")
            time.sleep(_POLL)

    def _send(self, message: bytes, deadline: float) -> AnswerReader:
        if self._connection is None:
            raise AnswerError("closed")
        try:
            self._connection.settimeout(max(_POLL, deadline - time.monotonic()))
            self._connection.sendall(message)
        except TimeoutError:
            raise AnswerError("late") from None
        except OSError:
            raise AnswerError("closed") from None
        return AnswerReader(self._connection)
