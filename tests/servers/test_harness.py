"""The harness itself: nothing outlives it, and what fails says why."""

from __future__ import annotations

import select
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from .archives import torch_archive, write_tree
from .server import LEASH, ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .server import ModelServer

pytestmark = pytest.mark.servers

# A worker that does not end when it is told to, and a launcher that does.
WORKER = "(trap '' TERM; exec sleep 300) & echo started"
LAUNCHER = f"{WORKER}; wait"

# Holds a leash as a test session does.
HOLDER = """\
import subprocess, sys
leash = subprocess.Popen([sys.executable, *sys.argv[1:]], stdin=subprocess.PIPE, start_new_session=True)
leash.wait()
"""

TRIES = 5  # Multi Model Server closes the pipes of a worker that has died, and may drop what it wrote last

FAILING_HANDLER = """\
raise RuntimeError("no tea left")


def handle(data, context):
    return data
"""


def test_closing_the_leash_ends_launcher_and_worker():
    with leashed() as leash:
        leash.stdin.close()
        assert all_gone(leash)


def test_a_killed_holder_of_the_leash_takes_launcher_and_worker_along():
    with leashed("-c", HOLDER) as holder:
        holder.kill()
        assert all_gone(holder)


def test_a_launcher_that_ends_takes_its_worker_along():
    with leashed(launcher=WORKER) as leash:
        assert all_gone(leash)


@pytest.mark.parametrize("kind", ["torchserve", "mms"])
def test_a_refused_archive_shows_the_workers_output(kind: str, request: pytest.FixtureRequest, tmp_path: Path):
    server: ModelServer = request.getfixturevalue(kind)
    write_tree(tmp_path, {"failing.py": FAILING_HANDLER})
    archive = torch_archive(tmp_path / "out", "failing", "--handler", tmp_path / "failing.py")

    shown = ""
    for _ in range(TRIES):
        with pytest.raises(ServerError, match="POST /models") as refused, server.serving(archive, "failing"):
            pass
        shown += str(refused.value)
        if "RuntimeError: no tea left" in shown:
            break
    assert "RuntimeError: no tea left" in shown


@contextmanager
def leashed(*arguments: str, launcher: str = LAUNCHER) -> Iterator[subprocess.Popen[bytes]]:
    """Give a leash with *launcher* at its end, or what *arguments* make Python do with one."""
    command = [sys.executable, *arguments, LEASH, "sh", "-c", launcher]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, start_new_session=True) as process:
        assert process.stdout.readline() == b"started\n"
        yield process


def all_gone(process: subprocess.Popen[bytes]) -> bool:
    """Return whether whatever *process* started ends within half a minute: all of it holds the one output."""
    ended, _, _ = select.select([process.stdout], [], [], 30)
    return bool(ended) and process.stdout.read() == b""
