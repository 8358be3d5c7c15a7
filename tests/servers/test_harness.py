"""The harness itself: nothing outlives it, and what fails says why."""

from __future__ import annotations

import subprocess
import sys
import time
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

# A launcher that ends at once when it is told to, and a worker that would go on.
LAUNCHER = "sleep 300 & echo $$ $!; wait"

# Holds a leash as a test session does.
HOLDER = """\
import subprocess, sys
leash = subprocess.Popen([sys.executable, *sys.argv[1:]], stdin=subprocess.PIPE, start_new_session=True)
leash.wait()
"""

FAILING_HANDLER = """\
raise RuntimeError("no tea left")


def handle(data, context):
    return data
"""


def test_closing_the_leash_ends_launcher_and_worker():
    with leashed() as (leash, processes):
        leash.stdin.close()
        assert all_gone(processes)


def test_a_killed_holder_of_the_leash_takes_launcher_and_worker_along():
    with leashed("-c", HOLDER) as (holder, processes):
        holder.kill()
        assert all_gone(processes)


def test_a_launcher_that_ends_takes_its_worker_along():
    with leashed(launcher="sleep 300 & echo $!") as (_, processes):
        assert all_gone(processes)


@pytest.mark.parametrize("kind", ["torchserve", "mms"])
def test_a_refused_archive_tells_what_the_worker_said(kind: str, request: pytest.FixtureRequest, tmp_path: Path):
    server: ModelServer = request.getfixturevalue(kind)
    write_tree(tmp_path, {"failing.py": FAILING_HANDLER})
    archive = torch_archive(tmp_path / "out", "failing", "--handler", tmp_path / "failing.py")

    with (
        pytest.raises(ServerError, match=r"(?s)POST /models.*RuntimeError: no tea left"),
        server.serving(archive, "failing"),
    ):
        pass


@contextmanager
def leashed(*arguments: str, launcher: str = LAUNCHER) -> Iterator[tuple[subprocess.Popen[bytes], list[int]]]:
    """Give a leash, and the processes that *launcher* says it consists of."""
    command = [sys.executable, *arguments, LEASH, "sh", "-c", launcher]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as leash:
        yield leash, [int(process) for process in leash.stdout.readline().split()]


def all_gone(processes: list[int]) -> bool:
    """Return whether all *processes* end within half a minute."""
    deadline = time.monotonic() + 30
    while processes and time.monotonic() < deadline:
        processes = [process for process in processes if is_alive(process)]
        time.sleep(0.1)
    return not processes


def is_alive(process: int) -> bool:
    """Return whether *process* runs: it is neither gone nor a zombie."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return bool(state.stdout.strip()) and not state.stdout.strip().startswith("Z")
