"""The bytes between a front end and its worker: how requests are sent, and how answers are read.

All integers are 4 bytes, big-endian and signed; a string is its length and its bytes (TorchServe and Multi Model
Server: protocol/otf_message_handler.py).
"""

from __future__ import annotations

import struct
import time

from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable, Sequence
    from typing import Literal

    from model_archiver.core.request import Server
    from model_archiver.trial.report import TrialRequest

_INTEGER = struct.Struct("!i")
_END = _INTEGER.pack(-1)
_MOST_HEADERS = 1000
_LONGEST_TEXT = 1 << 24
_LARGEST_BODY = 1 << 30
_PIECE = 1 << 20


class AnswerError(Exception):
    """An answer that does not come.

    Attributes:
        reason: why: the worker closed the connection, nothing came in time, only a part of the answer came in time,
            or what came is not an answer.
    """

    def __init__(self, reason: Literal["closed", "late", "incomplete", "broken"]) -> None:
        super().__init__(reason)
        self.reason = reason


class Reply(Record):
    """The answer to one request of a batch.

    Attributes:
        status: the HTTP status that the handler set.
        reason: the reason phrase that the handler set.
        content_type: the content type that the handler set.
        headers: the headers that the handler set.
        body: the bytes.
    """

    status: int
    reason: str
    content_type: str
    headers: dict[str, str]
    body: bytes


class BatchReply(Record):
    """The answer to a batch.

    Attributes:
        code: the HTTP status of all requests if it is not 200.
        message: what the worker says about the batch.
        replies: the answers, by the requests' numbers.
    """

    code: int
    message: str
    replies: dict[int, Reply]


def load_message(  # noqa: PLR0913 - the fields of the message
    server: Server, *, name: str, path: str, batch_size: int, handler: str, gpu: int, envelope: str, pipes: str
) -> bytes:
    """Return the message that loads a model.

    Args:
        server: whose worker it is for.
        name: the model's name.
        path: the folder of the model.
        batch_size: the most requests of a batch.
        handler: the handler, as the manifest names it.
        gpu: the number of the GPU, or -1 for the CPU.
        envelope: the service envelope, or an empty string; TorchServe only.
        pipes: the name of the pipes that the worker creates for its log; Multi Model Server only.
    """
    parts = [b"L", _text(name), _text(path), _INTEGER.pack(batch_size), _text(handler), _INTEGER.pack(gpu)]
    # The last byte tells the worker to keep Pillow's limit on the size of images, as the server does by default.
    return b"".join([*parts, *([_text(pipes)] if server == "mms" else [_text(envelope), b"\1"])])


def predict_message(server: Server, requests: Sequence[TrialRequest]) -> bytes:
    """Return the message that sends a batch of requests."""
    parts = [b"I"]
    for number, request in enumerate(requests):
        headers = {"Content-Type": request.content_type}
        headers.update({} if server == "mms" else {"explain": "False", "url_path": ""})
        parts += [_text(str(number)), *(_text(text) for item in headers.items() for text in item), _END]
        for part in request.parts:
            parts += [_text(part.name), _text(part.content_type), _text(part.value)]
        parts.append(_END)
    return b"".join([*parts, _END])


def _text(value: str | bytes) -> bytes:
    raw = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return _INTEGER.pack(len(raw)) + raw


class AnswerReader:
    """Reads answers from the worker's connection, each until a deadline."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._deadline = 0.0
        self._has_begun = False

    def read_load(self, seconds: float) -> tuple[int, str]:
        """Return the status and the message with which the worker answers to a load."""
        self._expect(seconds)
        answer = self._integer(), self._string()
        self._integer()  # the end of an empty list
        return answer

    def read_batch(self, requests: Iterable[int], seconds: float) -> BatchReply:
        """Return the answer to some requests; the pieces of a streamed one are joined."""
        self._expect(seconds)
        numbers = frozenset(requests)
        batch = self._read_batch(numbers)
        bodies = {number: [reply.body] for number, reply in batch.replies.items()}
        while any(reply.headers.get("ts_stream_next") == "true" for reply in batch.replies.values()):
            batch = self._read_batch(numbers)
            for number, reply in batch.replies.items():
                bodies[number].append(reply.body)
        joined = {number: reply.replace(body=b"".join(bodies[number])) for number, reply in batch.replies.items()}
        return batch.replace(replies=joined)

    def _expect(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds
        self._has_begun = False

    def _read_batch(self, numbers: frozenset[int]) -> BatchReply:
        code, message = self._integer(), self._string()
        replies = {}
        while (length := self._integer()) != -1:
            name = self._bytes(length, _LONGEST_TEXT)
            number = int(name) if name.isdigit() else -1
            content_type, status, reason = self._string(), self._integer(), self._string()
            count = self._integer()
            if number not in numbers or not 0 <= count <= _MOST_HEADERS:
                raise AnswerError("broken")
            headers = {self._string(): self._string() for _ in range(count)}
            body = self._bytes(self._integer(), _LARGEST_BODY)
            replies[number] = Reply(status, reason, content_type, headers, body)
        if replies.keys() != numbers:
            raise AnswerError("broken")
        return BatchReply(code, message, replies)

    def _string(self) -> str:
        return self._bytes(self._integer(), _LONGEST_TEXT).decode(errors="replace")

    def _integer(self) -> int:
        return int(_INTEGER.unpack(self._bytes(_INTEGER.size, _INTEGER.size))[0])

    def _bytes(self, count: int, most: int) -> bytes:
        if not 0 <= count <= most:
            raise AnswerError("broken")
        data = bytearray()
        while len(data) < count:
            left = self._deadline - time.monotonic()
            try:
                if left <= 0:
                    raise TimeoutError
                self._connection.settimeout(left)
                piece = self._connection.recv(min(count - len(data), _PIECE))
            except TimeoutError:
                raise AnswerError("incomplete" if self._has_begun else "late") from None
            except OSError:
                piece = b""
            if not piece:
                raise AnswerError("closed")
            self._has_begun = True
            data += piece
        return bytes(data)
