"""Run a command, and kill all that it started when it ends, or when whoever started this program closes its stdin.

A program of its own for the interpreter that is tried, with nothing but the standard library. It ends with the exit
status of the command, 128 + N if the signal N ended that.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress

_SET_CHILD_SUBREAPER = 36  # of prctl(2)
_PATIENCE = 5.0  # seconds in which killed processes end; one that does not, waits for a disk or a device
_POLL = 0.01


def main() -> None:
    """Run the command of the arguments."""
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - orphans become children of this process, wherever their session is

        ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    if hasattr(signal, "pthread_sigmask"):  # whoever starts this program may do so with signals blocked
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # a function, because the command would inherit SIG_IGN
            signal.signal(getattr(signal, name), lambda *_: None)
    is_posix = os.name == "posix"
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=is_posix)  # noqa: S603
    threading.Thread(target=_kill_at_end_of_input, args=(command,), daemon=True).start()
    status = command.wait()
    if is_posix:
        _kill_rest(command.pid)
    os._exit(status if status >= 0 else 128 - status)  # without waiting for the thread


def _kill_at_end_of_input(command: subprocess.Popen[bytes]) -> None:
    sys.stdin.read()
    command.kill()


def _kill_rest(group: int) -> None:
    """Kill the processes of a group, and on Linux those that left it."""
    with suppress(OSError):
        os.killpg(group, signal.SIGKILL)
    deadline = time.monotonic() + _PATIENCE
    while (children := _children()) and time.monotonic() < deadline:
        for pid in children:  # the children of each become ours when it ends
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)
        time.sleep(_POLL)


def _children() -> list[int]:
    """Return the children of this process; none where the system does not list them in /proc."""
    found = []
    with suppress(OSError):
        for name in filter(str.isdigit, os.listdir("/proc")):  # noqa: PTH208 - names are enough
            with suppress(OSError), open(f"/proc/{name}/stat", "rb") as file:  # noqa: PTH123 - pathlib is slow to import
                if int(file.read().rpartition(b")")[2].split()[1]) == os.getpid():
                    found.append(int(name))
    return found


if __name__ == "__main__":
    main()
