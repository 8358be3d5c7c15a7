"""A server's worker: started, asked to load a model, and asked for answers, as the server's front end does it.

TorchServe and Multi Model Server: WorkerLifeCycle.java, EnvironmentUtils.java; model_service_worker.py.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from model_archiver.core.record import Record
from model_archiver.trial.protocol import AnswerError, AnswerReader, load_message, predict_message
from model_archiver.trial.report import TrialAnswer
from model_archiver.trial.worker_log import WorkerLog

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from model_archiver.trial.interpreter import Interpreter
    from model_archiver.trial.processes import Processes
    from model_archiver.trial.protocol import BatchReply
    from model_archiver.trial.report import TrialRequest

_REMOVED = ("LOCAL_RANK", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "TS_BENCHMARK")
"""Variables by which a worker takes itself for one of several, or measures itself."""
_LONGEST_SOCKET = 100  # bytes of a Unix socket's path: Linux allows 107, macOS 103
_PIPES = "log"
_POLL = 0.01
_ENDING = 2.0
"""Seconds that a worker has to end by itself."""


class WorkerSettings(Record):
    """How a worker is started, and what it loads.

    Attributes:
        name: the model's name.
        handler: the handler, as the manifest names it.
        folder: the unpacked archive, with its links resolved.
        search_path: folders of the archive that the front end puts before all others.
        batch_size: the most requests of a batch.
        gpu: the number of the GPU, or -1 for the CPU.
        envelope: the service envelope, or an empty string.
        is_async: whether the handler is a coroutine.
    """

    name: str
    handler: str
    folder: Path
    search_path: Sequence[str]
    batch_size: int
    gpu: int
    envelope: str
    is_async: bool


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
            self._process = processes.start(self._command(), settings.folder, self._environment(), writing)
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
        settings = self._settings
        message = load_message(
            self._interpreter.server,
            name=settings.name,
            path=str(settings.folder),
            batch_size=settings.batch_size,
            handler=settings.handler,
            gpu=settings.gpu,
            envelope=settings.envelope,
            pipes=_PIPES,
        )
        answer = self._send(message, deadline).read_load(deadline - time.monotonic())
        if self._interpreter.server == "mms":  # its log is written to pipes from now on, which it opens one by one
            for name in ("stdout", "stderr"):
                self._read_pipe(self._private / f"{_PIPES}-{name}")
        self._processes.look()
        return answer

    def ask(self, requests: Sequence[TrialRequest], seconds: float) -> tuple[BatchReply, list[TrialAnswer]]:
        """Send requests as one batch, and return the answer as it came, and as the clients get it.

        Raises:
            AnswerError: it does not answer.
        """
        start = time.monotonic()
        reader = self._send(predict_message(self._interpreter.server, requests), start + seconds)
        batch = reader.read_batch(range(len(requests)), start + seconds - time.monotonic())
        taken = time.monotonic() - start
        self._processes.look()
        answers = []
        for number, request in enumerate(requests):
            reply = batch.replies[number]
            fields = (reply.status, reply.reason, reply.content_type, reply.headers, reply.body)
            if batch.code != 200:
                fields = (batch.code, "", "application/json", {}, _error_body(batch))
            answers.append(TrialAnswer(request.name, len(requests) > 1, *fields, taken))
        return batch, answers

    def has_ended(self) -> int | None:
        """Return the exit status of the process, negative if a signal killed it; None while it runs."""
        return self._process.poll()

    def wait(self) -> int | None:
        """Wait, not long, until a worker that closed the connection has ended; return its status, or None."""
        self._close_writers()
        # Of Multi Model Server, the process that accepts connections goes on.
        status = self._wait_for_end() if self._interpreter.server == "torchserve" else None
        self.log.settle(to_end=status is not None)
        return status

    def close(self, *, wait: bool) -> None:
        """Close the connection; give a worker that ends by itself then a moment to do so if `wait`."""
        self._close_writers()
        if self._connection is not None:
            self._connection.close()
            if wait and self._interpreter.server == "torchserve" and not self._settings.is_async:
                self._wait_for_end()

    def _wait_for_end(self) -> int | None:
        try:
            return self._process.wait(_ENDING)
        except subprocess.TimeoutExpired:
            return None

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
        if self._interpreter.server == "torchserve":
            command += ["--metrics-config", str(Path(folder, "configs", "metrics.yaml"))]
            return [*command, *(["--async"] if settings.is_async else [])]
        command += ["--handler", settings.handler, "--model-path", str(settings.folder)]
        return [*command, "--model-name", settings.name, "--preload-model", "false", "--tmp-dir", str(self._private)]

    def _environment(self) -> dict[str, str]:
        environment = {name: value for name, value in os.environ.items() if name not in _REMOVED}
        inherited = environment.get("PYTHONPATH")
        path = [*self._settings.search_path, *([inherited] if inherited else []), str(self._settings.folder)]
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
            if self.has_ended() is not None:
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


def _error_body(batch: BatchReply) -> bytes:
    """Return what clients get for a batch that failed (org/pytorch/serve/http/ErrorResponse.java)."""
    import json  # noqa: PLC0415 - as above

    fields = {"code": batch.code, "type": "InternalServerException", "message": batch.message}
    return json.dumps(fields, indent=2).encode()
