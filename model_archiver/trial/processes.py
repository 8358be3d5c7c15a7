"""Processes that end with the trial, and what they write: read as it comes, and kept in bounded memory."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PATIENCE = 10.0  # seconds in which the guardian ends
_MOST_FIRST, _MOST_LAST = 1 << 16, 1 << 18  # bytes of a log that are kept of its beginning and its end
_PIECE = 1 << 16
_METRICS = b"[METRICS]"
_QUIET, _SETTLING = 0.05, 2.0  # seconds without output after which nothing more is expected, and the most to wait
_CUT = b"\n... (left out) ...\n"


class GuardedProcess:
    """A process that is killed with all that it started when it is closed, or when this process ends, however it does.

    On Linux that includes processes that left its session. See `guardian`, the program between the two.

    Attributes:
        log: what the process writes to stdout and stderr.
    """

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        """Start it in a folder. The first word of the command is a Python 3, which runs the guardian too."""
        self.log = WorkerLog()
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
            status = self._guardian.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        return 128 - status if os.name == "posix" and status > 128 else status

    def close(self) -> None:
        """Kill it and what it started. Do this while the signals that end a command are blocked."""
        if self._guardian.stdin:
            self._guardian.stdin.close()
        self.wait(_PATIENCE)
        self.log.settle()


class WorkerLog:
    """What a process writes, without the lines that are metrics; read by threads of its own."""

    def __init__(self) -> None:
        self._first, self._last = bytearray(), bytearray()
        self._size = 0
        self._changed = 0.0
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def read(self, descriptor: int) -> None:
        """Read a pipe until all of its writers have closed it, and close it then."""
        thread = threading.Thread(target=self._read, args=(descriptor,), daemon=True)
        self._threads.append(thread)
        thread.start()

    def mark(self) -> int:
        """Return how much there is now, for `text`."""
        return self._size

    def text(self, start: int = 0) -> str:
        """Return what was written since a mark; the middle is left out if it is long."""
        with self._lock:
            last_start = self._size - len(self._last)
            is_cut = max(start, len(self._first)) < last_start
            parts = (self._first[start:], _CUT if is_cut else b"", self._last[max(0, start - last_start) :])
            return b"".join(parts).decode(errors="replace")

    def settle(self) -> None:
        """Wait until the pipes are closed, or nothing was written for a moment."""
        deadline = time.monotonic() + _SETTLING
        self._changed = time.monotonic()
        while any(thread.is_alive() for thread in self._threads):
            if time.monotonic() > min(deadline, self._changed + _QUIET):
                break
            time.sleep(_QUIET / 10)

    def _read(self, descriptor: int) -> None:
        rest = b""
        with suppress(OSError), os.fdopen(descriptor, "rb", buffering=0) as pipe:
            while piece := pipe.read(_PIECE):
                lines, newline, rest = (rest + piece).rpartition(b"\n")
                if len(rest) > _PIECE:  # a line without an end
                    lines, newline, rest = lines + newline, rest, b""
                self._add(lines + newline)
        self._add(rest)

    def _add(self, text: bytes) -> None:
        if _METRICS in text:
            text = b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(_METRICS))
        with self._lock:
            free = _MOST_FIRST - len(self._first)
            self._first += text[:free]
            self._last += text[free:] if free < len(text) else b""
            del self._last[:-_MOST_LAST]
            self._size += len(text)
            self._changed = time.monotonic()
