"""Ports and requests on this machine alone; no proxy is ever asked."""

from __future__ import annotations

import http.client
import random
import socket
from contextlib import ExitStack, suppress

HOST = "127.0.0.1"
TIMEOUT = 60


class RefusedError(Exception):
    """An answer with an error status."""


def free_ports(count: int) -> list[int]:
    """Return ports that nothing listens on, below those the kernel gives to clients.

    MMS takes none from 32768 on.
    """
    with ExitStack() as sockets:
        ports: list[int] = []
        for port in random.sample(range(10_000, 32_000), 200):
            candidate = sockets.enter_context(socket.socket())
            with suppress(OSError):
                candidate.bind((HOST, port))
                ports.append(port)
            if len(ports) == count:
                return ports
    raise OSError("no free port found")


def ask(
    port: int, method: str, path: str, body: bytes = b"", content_type: str = "", *, timeout: float = TIMEOUT
) -> tuple[int, bytes]:
    """Return status and body of the answer.

    Raises:
        OSError: there is no answer, or none in time.
    """
    connection = http.client.HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.request(method, path, body, {"Content-Type": content_type} if content_type else {})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def request(
    port: int, method: str, path: str, body: bytes = b"", content_type: str = "", *, timeout: float = TIMEOUT
) -> bytes:
    """Return the body of the answer.

    Raises:
        RefusedError: the answer's status is not a good one; tells the answer.
        OSError: there is no answer, or none in time.
    """
    status, answer = ask(port, method, path, body, content_type, timeout=timeout)
    if status != http.HTTPStatus.OK:
        raise RefusedError(f"{status} {answer.decode(errors='replace')}")
    return answer
