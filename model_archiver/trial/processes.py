"""Processes that end with the trial, and what they write: read as it comes, and kept in bounded memory."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PATIENCE = 10.0  # seconds in which the guardian ends
_MOST_LINES, _LONGEST_LINE = 1000, 4096  # lines of a log that are kept, and bytes after which a line is cut in two
_METRICS = b"[METRICS]"
_QUIET, _LONGEST_WAIT = 0.05, 2.0  # seconds without output after which nothing more is expected, and the most to wait


class GuardedProcess:
    """A process that is killed with all that it started when it is closed, or when this process ends, however it does.

    On Linux that includes processes that left its session. See `guardian`, the program between the two.
    """

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        """Start it in a folder. The first word of the command is a Python 3, which runs the guardian too."""
        self.log = WorkerLog()  # what the process writes to stdout and stderr
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
            return self._guardian.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def close(self) -> None:
        """Kill it and what it started. Do this while the signals that end a command are blocked."""
        if self._guardian.stdin:
            self._guardian.stdin.close()
        if self.wait(_PATIENCE) is None:  # the model stopped it
            self._guardian.kill()
            self._guardian.wait()
        self.log.wait_until_quiet()


class WorkerLog:
    """The last lines that a process wrote, without those that are metrics; read by threads of its own."""

    def __init__(self) -> None:
        self._lines = deque[bytes](maxlen=_MOST_LINES)
        self._count = 0  # of all lines so far
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
        return self._count

    def text(self, start: int = 0) -> str:
        """Return what was written since a mark, as far as it is kept."""
        with self._lock:
            left_out = max(0, start - self._count + len(self._lines))
            return b"".join(islice(self._lines, left_out, None)).decode(errors="replace")

    def wait_until_quiet(self) -> None:
        """Wait until the pipes are closed, or nothing was written for a moment."""
        self._changed = time.monotonic()
        deadline = self._changed + _LONGEST_WAIT
        while any(thread.is_alive() for thread in self._threads):
            if time.monotonic() > min(deadline, self._changed + _QUIET):
                break
            time.sleep(_QUIET / 10)

    def _read(self, descriptor: int) -> None:
        with suppress(OSError), os.fdopen(descriptor, "rb") as pipe:
            for line in iter(partial(pipe.readline, _LONGEST_LINE), b""):
                with self._lock:
                    self._changed = time.monotonic()
                    if not line.startswith(_METRICS):
                        self._lines.append(line)
                        self._count += 1
