"""Run a command for as long as somebody holds the other end of standard input.

``python leash.py COMMAND...`` is started as the leader of a session of its own. Its whole process group (the
launcher, the Java virtual machine and the Python workers) goes when the command ends, or when standard input
does: because it was closed, or because the process that held it died, in whatever way.
"""

import os
import select
import signal
import subprocess
import sys
import time

GRACE = 10
POLL = 0.1


def main() -> None:
    """Run ``sys.argv[1:]`` and end the process group after it."""
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while command.poll() is None and not select.select([sys.stdin], [], [], POLL)[0]:
        pass
    os.killpg(0, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while command.poll() is None and time.monotonic() < deadline:
        time.sleep(POLL)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
