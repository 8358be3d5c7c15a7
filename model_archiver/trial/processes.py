"""Processes that are started for a trial, and that end with it, together with all that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_GET_CHILD_SUBREAPER, _SET_CHILD_SUBREAPER = 37, 36  # of prctl(2)
_PATIENCE = 5.0
"""Seconds in which killed processes end. One that does not, waits for a disk or a device."""
_POLL = 0.01


class Processes:
    """Starts processes, each in a session of its own, and ends them and their descendants when it is left.

    Leave it while the signals that end a command are blocked. On Linux, descendants that left the session are ended
    too: they become children of this process, and are known by the folder in their environment, or as a descendant
    that was seen before.
    """

    def __init__(self, folder: Path) -> None:
        """Store the private folder, which the environment of the processes names."""
        self._folder = os.fsencode(folder)
        self._started: list[subprocess.Popen[bytes]] = []
        self._seen: set[int] = set()
        self._was_subreaper = False
        self._others: frozenset[int] | None = None

    def __enter__(self) -> Processes:
        if sys.platform == "linux":
            self._was_subreaper = _set_subreaper(is_set=True)
            if threading.active_count() == 1:  # else other threads may start children that are not ours
                me = os.getpid()
                self._others = frozenset(pid for pid, (parent, _) in _all_processes() if parent == me)
        return self

    def __exit__(self, *_: object) -> None:
        self.look()
        deadline = time.monotonic() + _PATIENCE
        while self._kill() and time.monotonic() < deadline:
            time.sleep(_POLL)
        if sys.platform == "linux" and not self._was_subreaper:
            _set_subreaper(is_set=False)

    def start(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], output: int
    ) -> subprocess.Popen[bytes]:
        """Start a process whose stdout and stderr are `output`."""
        process = subprocess.Popen(  # noqa: S603 - what runs is what the user asked for
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=os.name == "posix",
        )
        self._started.append(process)
        return process

    def look(self) -> None:
        """Note the descendants that there are now, while their parents show that they are ours."""
        if sys.platform == "linux":
            parents = {pid: status[0] for pid, status in _all_processes()}
            known = {process.pid for process in self._started if process.poll() is None} | self._seen
            while found := {pid for pid, parent in parents.items() if parent in known} - known:
                known |= found
            self._seen = known & parents.keys()

    def _kill(self) -> bool:
        """Kill what still runs, and return whether there was anything."""
        is_any = False
        for process in self._started:
            if process.returncode is None:  # until then nothing else can have its number
                is_any = True
                with suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL) if os.name == "posix" else process.kill()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_POLL * 10)
        for pid in self._strays() if sys.platform == "linux" else ():
            is_any = True
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
            with suppress(OSError):
                os.waitpid(pid, os.WNOHANG)
        return is_any

    def _strays(self) -> Iterator[int]:
        """Yield the processes that are ours by their ancestors, their environment or their folder."""
        me, session = os.getpid(), os.getsid(0)
        for pid, (parent, its_session) in _all_processes():
            is_new = self._others is not None and pid not in self._others
            is_adopted = is_new and parent == me and its_session != session
            if pid != me and (pid in self._seen or is_adopted or self._names_folder(pid)):
                yield pid

    def _names_folder(self, pid: int) -> bool:
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            return self._folder in environment or self._folder in os.fsencode(Path(f"/proc/{pid}/cwd").readlink())
        except OSError:  # it ended, or is another user's
            return False


def _all_processes() -> Iterator[tuple[int, tuple[int, int]]]:
    """Yield each process with its parent and its session."""
    for name in os.listdir("/proc"):  # noqa: PTH208 - names are enough
        if name.isdigit():
            with suppress(OSError, ValueError, IndexError):
                fields = Path(f"/proc/{name}/stat").read_bytes().rpartition(b")")[2].split()
                yield int(name), (int(fields[1]), int(fields[3]))


def _set_subreaper(*, is_set: bool) -> bool:
    """Have orphaned descendants become children of this process, or of init; return whether they already did."""
    import ctypes  # noqa: PLC0415 - only for a trial

    library = ctypes.CDLL(None)
    before = ctypes.c_int()
    library.prctl(_GET_CHILD_SUBREAPER, ctypes.byref(before), 0, 0, 0)
    library.prctl(_SET_CHILD_SUBREAPER, int(is_set), 0, 0, 0)
    return bool(before.value)
