"""Run a command, and kill all that it started when it ends, or when whoever started this program closes its stdin.

It runs in the interpreter that is tried, so it uses only the standard library. It ends as the command did: with its
exit status, or by the same signal.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial

_SET_PDEATHSIG, _SET_CHILD_SUBREAPER = 1, 36  # of prctl(2)
_PATIENCE = 5.0  # seconds in which killed processes end; one that does not, waits for a disk or a device
_POLL = 0.01


def main() -> None:
    """Run the command of the arguments."""
    ends_with_this = None
    if sys.platform == "linux":
        import ctypes  # noqa: PLC0415 - orphans become children of this process, wherever their session is

        library = ctypes.CDLL(None)
        library.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        ends_with_this = partial(library.prctl, _SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if hasattr(signal, "pthread_sigmask"):  # whoever starts this program may do so with signals blocked
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # a function, because the command would inherit SIG_IGN
            signal.signal(getattr(signal, name), lambda *_: None)
    is_posix = os.name == "posix"
    command = subprocess.Popen(  # noqa: S603
        sys.argv[1:],
        stdin=subprocess.DEVNULL,
        preexec_fn=ends_with_this,  # noqa: PLW1509 - there is only one thread yet
        start_new_session=is_posix,
    )
    threading.Thread(target=_kill_at_end_of_input, args=(command,), daemon=True).start()
    status = command.wait()
    if is_posix:
        _kill_rest(command.pid)
    if status < 0:
        with suppress(OSError):  # SIGKILL has no handler
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    os._exit(min(status, 255))  # without waiting for the thread


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
