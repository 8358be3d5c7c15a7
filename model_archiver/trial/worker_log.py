"""What a worker writes: read as it comes, and kept in bounded memory."""

from __future__ import annotations

import os
import threading
import time

_MOST_FIRST, _MOST_LAST = 1 << 16, 1 << 18
"""Bytes that are kept of the beginning and of the end."""
_PIECE = 1 << 16
_METRICS = b"[METRICS]"
_QUIET = 0.05
_CUT = b"\n... (left out) ...\n"


class WorkerLog:
    """The lines of a worker without those that are metrics, read by threads of its own."""

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

    def settle(self, seconds: float = 2.0, *, to_end: bool = False) -> None:
        """Wait until nothing was written for a moment, or with `to_end` until the pipes are closed."""
        deadline = time.monotonic() + seconds
        for thread in self._threads if to_end else ():
            thread.join(max(0.0, deadline - time.monotonic()))
        self._changed = time.monotonic()
        while self._is_read() and time.monotonic() < min(deadline, self._changed + _QUIET):
            time.sleep(_QUIET / 5)

    def _is_read(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _read(self, descriptor: int) -> None:
        rest = b""
        try:
            while piece := os.read(descriptor, _PIECE):
                lines, newline, rest = (rest + piece).rpartition(b"\n")
                self._add(lines + newline)
                if len(rest) > _PIECE:
                    self._add(rest)
                    rest = b""
            self._add(rest)
        except OSError:  # a pipe that is gone has ended
            pass
        finally:
            os.close(descriptor)

    def _add(self, text: bytes) -> None:
        if _METRICS in text:
            text = b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(_METRICS))
        with self._lock:
            free = _MOST_FIRST - len(self._first)
            self._first += text[:free]
            self._last += text[free:] if free < len(text) else b""
            if len(self._last) > _MOST_LAST:
                del self._last[:-_MOST_LAST]
            self._size += len(text)
            self._changed = time.monotonic()
