"""A server's worker: started, asked to load a model, and asked for answers, as the server's front end does it.

TorchServe and Multi Model Server: WorkerLifeCycle.java, EnvironmentUtils.java; model_service_worker.py. In messages
(protocol/otf_message_handler.py), all integers have 4 bytes, big-endian and signed; a string is its length and its
bytes.
"""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Literal

from model_archiver.planning.samples import LARGEST_MESSAGE
from model_archiver.trial.interpreter import GuardedProcess, Interpreter
from model_archiver.trial.report import TrialAnswer, TrialRequest, TriedModel

Reason = Literal["closed", "late", "incomplete", "broken", "large"]

DONE = 200  # the status with which a worker says that it did what it was asked
# Variables by which a worker takes itself for one of several, or measures itself.
_REMOVED = ("LOCAL_RANK", "RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "TS_BENCHMARK")
_LONGEST_SOCKET = 100  # bytes of a Unix socket's path: Linux allows 107, macOS 103
_PIPES = "log"
_POLL = 0.01
_ENDING = 2.0  # seconds that a worker has to end by itself
_INTEGER = struct.Struct("!i")
_END = _INTEGER.pack(-1)
_MOST_HEADERS = 1000
_LARGEST_STREAM = 1 << 24
_PIECE = 1 << 20
_LEAST = 0.001  # seconds; 0 would mean not to wait at all, even for what is there


class AnswerError(Exception):
    """An answer that does not come, for a reason.

    The worker closed the connection, nothing or only a part came in time, or what came is not an answer or too large.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Worker:
    """A worker that runs."""

    _connection: _Connection  # once it is asked to load the model

    def __init__(self, interpreter: Interpreter, model: TriedModel, private: Path) -> None:
        """Start it; its socket and its temporary files are in a private folder."""
        self._model = model
        self._folder = private / "tmp"
        self._folder.mkdir()
        self._address = _free_address(private)
        self._writers = ExitStack()  # closes the pipes
        self._sockets = ExitStack()  # closes the connection
        command = self._command(interpreter.executable, Path(interpreter.package))
        self._process = GuardedProcess(command, Path(model.folder), self._environment())
        self.log = self._process.log  # what it writes

    def load(self, seconds: float) -> tuple[int, str]:
        """Have it load the model, and return status and message of its answer; raise AnswerError if there is none."""
        model, deadline = self._model, time.monotonic() + seconds
        parts = [b"L", _packed(model.name), _packed(model.folder), _INTEGER.pack(model.batch_size)]
        parts += [_packed(model.handler.given), _INTEGER.pack(model.gpu)]
        # The last byte tells the worker to keep Pillow's limit on the size of images, as the server does by default.
        parts += [_packed(_PIPES)] if model.server == "mms" else [_packed(model.envelope), b"\1"]
        self._connection = _Connection(self._sockets.enter_context(self._connect(deadline)))
        self._connection.send(b"".join(parts), deadline - time.monotonic())
        answer = self._connection.integer(), self._connection.string()
        self._connection.integer()  # the end of an empty list
        if model.server == "mms":  # its log is written to pipes from now on, which it opens one by one
            for name in ("stdout", "stderr"):
                with suppress(OSError):  # the model may have removed it
                    self._read_pipe(self._folder / f"{_PIPES}-{name}")
        return answer

    def ask(self, batch: Sequence[TrialRequest], seconds: float) -> tuple[str, list[TrialAnswer]]:
        """Send requests to the loaded model as one batch; raise AnswerError if none comes.

        Return what the worker says if the batch failed, else an empty text, and the answers as clients get them.
        """
        start = time.monotonic()
        self._connection.send(self._batch_message(batch), seconds)
        code, said, answers = self._connection.batch(batch)
        bodies = [bytearray(answer.body) for answer in answers]
        while any(answer.headers.get("ts_stream_next") == "true" for answer in answers):
            if sum(map(len, bodies)) > _LARGEST_STREAM:
                raise AnswerError("large")
            self._connection.expect(seconds)  # as the front end, which waits so long for each piece
            code, said, answers = self._connection.batch(batch)
            for body, answer in zip(bodies, answers, strict=True):
                body.extend(answer.body)
        taken = time.monotonic() - start
        if code == DONE:
            joined = zip(answers, bodies, strict=True)
            return "", [answer.replace(body=bytes(body), seconds=taken) for answer, body in joined]
        # As org/pytorch/serve/http/ErrorResponse.java
        text = json.dumps({"code": code, "type": "InternalServerException", "message": said}, indent=2)
        kind, raw, batched = "application/json", f"{text}\n".encode(), len(batch) > 1
        refused = [TrialAnswer(request.name, batched, code, "", kind, {}, raw, taken) for request in batch]
        return said or str(code), refused

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

    def _batch_message(self, batch: Sequence[TrialRequest]) -> bytes:
        parts = [b"I"]
        for number, request in enumerate(batch):
            headers = {"Content-Type": request.content_type}
            headers.update({} if self._model.server == "mms" else {"explain": "False", "url_path": ""})
            parts += [_packed(str(number)), *(_packed(text) for item in headers.items() for text in item), _END]
            for part in request.parts:
                parts += [_packed(part.name), _packed(part.content_type), _packed(part.value)]
            parts.append(_END)
        return b"".join([*parts, _END])

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
        path = filter(None, [*self._model.search_path, environment.get("PYTHONPATH"), self._model.folder])
        environment |= dict.fromkeys(("TEMP", "TMP", "TMPDIR"), str(self._folder))
        # Without a buffer, the last lines of a worker that ends at once are not lost.
        own = {"PYTHONPATH": os.pathsep.join(path), "PYTHONUNBUFFERED": "1", "TS_DECODE_INPUT_REQUEST": "true"}
        return environment | own

    def _connect(self, deadline: float) -> socket.socket:
        """Return a connection, once the worker listens."""
        family = getattr(socket, "AF_UNIX", socket.AF_INET) if isinstance(self._address, str) else socket.AF_INET
        while True:
            connection = socket.socket(family, socket.SOCK_STREAM)
            with suppress(OSError):
                connection.settimeout(max(_POLL, deadline - time.monotonic()))
                connection.connect(self._address)
                return connection
            connection.close()
            if self._process.wait(_POLL) is not None:
                raise AnswerError("closed")
            if time.monotonic() > deadline:
                raise AnswerError("late")


class _Connection:
    """A connection to a worker, on which a message is sent and then its answer is read, both until a deadline."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._deadline = 0.0
        self._has_begun = False  # the answer

    def send(self, message: bytes, seconds: float) -> None:
        self.expect(seconds)
        try:
            self._socket.settimeout(max(_LEAST, seconds))
            self._socket.sendall(message)
        except TimeoutError:
            raise AnswerError("late") from None
        except OSError:
            raise AnswerError("closed") from None

    def expect(self, seconds: float) -> None:
        """Wait so long for what is read from now on."""
        self._deadline, self._has_begun = time.monotonic() + seconds, False

    def batch(self, requests: Sequence[TrialRequest]) -> tuple[int, str, list[TrialAnswer]]:
        """Read the answers to a batch, or pieces of them, after the worker's status and message."""
        code, message = self.integer(), self.string()
        answers = {}
        while (length := self.integer()) != -1:
            name = self._bytes(length)
            number = int(name) if name.isdigit() else -1
            content_type, status, reason = self.string(), self.integer(), self.string()
            count = self.integer()
            if not 0 <= number < len(requests) or not 0 <= count <= _MOST_HEADERS:
                raise AnswerError("broken")
            headers = {self.string(): self.string() for _ in range(count)}
            fields = (status, reason, content_type, headers, self._bytes(self.integer()), 0.0)
            answers[number] = TrialAnswer(requests[number].name, len(requests) > 1, *fields)
        if len(answers) != len(requests):
            raise AnswerError("broken")
        return code, message, [answers[number] for number in range(len(requests))]

    def string(self) -> str:
        return self._bytes(self.integer()).decode(errors="replace")

    def integer(self) -> int:
        return int(_INTEGER.unpack(self._bytes(_INTEGER.size))[0])

    def _bytes(self, count: int) -> bytes:
        if not 0 <= count <= LARGEST_MESSAGE:
            raise AnswerError("broken" if count < 0 else "large")
        data = bytearray()
        while len(data) < count:
            try:
                self._socket.settimeout(max(_LEAST, self._deadline - time.monotonic()))
                piece = self._socket.recv(min(count - len(data), _PIECE))
            except TimeoutError:
                raise AnswerError("incomplete" if self._has_begun else "late") from None
            except OSError:
                piece = b""
            if not piece:
                raise AnswerError("closed")
            self._has_begun = True
            data += piece
        return bytes(data)


def _packed(value: str | bytes) -> bytes:
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return _INTEGER.pack(len(raw)) + raw


def _free_address(private: Path) -> str | tuple[str, int]:
    path = str(private / "worker.1")
    if hasattr(socket, "AF_UNIX") and len(os.fsencode(path)) <= _LONGEST_SOCKET and sys.platform != "win32":
        return path
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as free:
        free.bind(("127.0.0.1", 0))
        return "127.0.0.1", int(free.getsockname()[1])
