"""The bytes between a front end and its worker: how requests are sent, and how answers are read.

All integers are 4 bytes, big-endian and signed; a string is its length and its bytes (TorchServe and Multi Model
Server: protocol/otf_message_handler.py).
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Sequence
from typing import Literal

from model_archiver.planning.samples import LARGEST_MESSAGE
from model_archiver.trial.report import TrialAnswer, TrialRequest, TriedModel

Reason = Literal["closed", "late", "incomplete", "broken", "large"]

_INTEGER = struct.Struct("!i")
_END = _INTEGER.pack(-1)
DONE = 200  # the status with which a worker says that it did what it was asked
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


def load_message(model: TriedModel, pipes: str) -> bytes:
    """Return the message that loads a model; Multi Model Server creates `pipes` with this name for its log."""
    parts = [b"L", _text(model.name), _text(model.folder), _INTEGER.pack(model.batch_size)]
    parts += [_text(model.handler.given), _INTEGER.pack(model.gpu)]
    # The last byte tells the worker to keep Pillow's limit on the size of images, as the server does by default.
    parts += [_text(pipes)] if model.server == "mms" else [_text(model.envelope), b"\1"]
    return b"".join(parts)


def predict_message(model: TriedModel, requests: Sequence[TrialRequest]) -> bytes:
    """Return the message that sends a batch of requests."""
    parts = [b"I"]
    for number, request in enumerate(requests):
        headers = {"Content-Type": request.content_type}
        headers.update({} if model.server == "mms" else {"explain": "False", "url_path": ""})
        parts += [_text(str(number)), *(_text(text) for item in headers.items() for text in item), _END]
        for part in request.parts:
            parts += [_text(part.name), _text(part.content_type), _text(part.value)]
        parts.append(_END)
    return b"".join([*parts, _END])


def _text(value: str | bytes) -> bytes:
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return _INTEGER.pack(len(raw)) + raw


class Connection:
    """A connection to a worker, on which a message is sent and then its answer is read, both until a deadline."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._deadline = 0.0
        self._has_begun = False  # the answer

    def load(self, message: bytes, seconds: float) -> tuple[int, str]:
        """Return the status and the message with which the worker answers to a load."""
        self._send(message, seconds)
        answer = self._integer(), self._string()
        self._integer()  # the end of an empty list
        return answer

    def predict(self, message: bytes, batch: Sequence[TrialRequest], seconds: float) -> tuple[str, list[TrialAnswer]]:
        """Return what the worker says if the batch failed, else an empty text, and the answers as clients get them."""
        start = time.monotonic()
        self._send(message, seconds)
        code, said, answers = self._read_batch(batch)
        bodies = [bytearray(answer.body) for answer in answers]
        while any(answer.headers.get("ts_stream_next") == "true" for answer in answers):
            if sum(map(len, bodies)) > _LARGEST_STREAM:
                raise AnswerError("large")
            self._expect(seconds)  # as the front end, which waits so long for each piece
            code, said, answers = self._read_batch(batch)
            for body, answer in zip(bodies, answers, strict=True):
                body.extend(answer.body)
        taken = time.monotonic() - start
        if code == DONE:
            joined = zip(answers, bodies, strict=True)
            return "", [answer.replace(body=bytes(body), seconds=taken) for answer, body in joined]
        # As org/pytorch/serve/http/ErrorResponse.java
        text = json.dumps({"code": code, "type": "InternalServerException", "message": said}, indent=2)
        batched = len(batch) > 1
        return said or str(code), [
            TrialAnswer(request.name, batched, code, "", "application/json", {}, f"{text}\n".encode(), taken)
            for request in batch
        ]

    def _send(self, message: bytes, seconds: float) -> None:
        self._expect(seconds)
        try:
            self._socket.settimeout(max(_LEAST, seconds))
            self._socket.sendall(message)
        except TimeoutError:
            raise AnswerError("late") from None
        except OSError:
            raise AnswerError("closed") from None

    def _expect(self, seconds: float) -> None:
        self._deadline, self._has_begun = time.monotonic() + seconds, False

    def _read_batch(self, requests: Sequence[TrialRequest]) -> tuple[int, str, list[TrialAnswer]]:
        code, message = self._integer(), self._string()
        answers = {}
        while (length := self._integer()) != -1:
            name = self._bytes(length, LARGEST_MESSAGE)
            number = int(name) if name.isdigit() else -1
            content_type, status, reason = self._string(), self._integer(), self._string()
            count = self._integer()
            if not 0 <= number < len(requests) or not 0 <= count <= _MOST_HEADERS:
                raise AnswerError("broken")
            headers = {self._string(): self._string() for _ in range(count)}
            body = self._bytes(self._integer(), LARGEST_MESSAGE)
            fields = (status, reason, content_type, headers, body, 0.0)
            answers[number] = TrialAnswer(requests[number].name, len(requests) > 1, *fields)
        if len(answers) != len(requests):
            raise AnswerError("broken")
        return code, message, [answers[number] for number in range(len(requests))]

    def _string(self) -> str:
        return self._bytes(self._integer(), LARGEST_MESSAGE).decode(errors="replace")

    def _integer(self) -> int:
        return int(_INTEGER.unpack(self._bytes(_INTEGER.size, _INTEGER.size))[0])

    def _bytes(self, count: int, most: int) -> bytes:
        if not 0 <= count <= most:
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
