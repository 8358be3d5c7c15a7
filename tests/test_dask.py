"""Builds on a real Dask cluster: a scheduler and two worker processes on loopback."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from importlib import metadata
from pathlib import Path

import pytest

from model_archiver import ModelArchiverConfig, ModelArchiverError
from model_archiver.cli import build as build_command
from model_archiver.cli.build import cluster_executor
from model_archiver.commands.build_many import run_many
from model_archiver.core.problems import UsageError
from tests.packing import HANDLER, make

distributed = pytest.importorskip("distributed", reason="needs the extra [dask]")

PORT_FILE = "scheduler.json"
# A worker in which a model whose name begins with "killer" ends the process that builds it, and a "slow" one waits.
WORKER = """
import os, signal, sys, time
from pathlib import Path

def hook(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".building/new"):
        name = Path(arguments[0]).parent.name.split(".")[1]
        if name.startswith("killer") and not Path(name).exists():
            Path(name).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if name.startswith("slow"):
            time.sleep(1)

sys.addaudithook(hook)
if sys.argv[1]:
    from importlib import metadata
    known = metadata.version
    metadata.version = lambda name: sys.argv[1] if name == "torch-model-archiver" else known(name)
from distributed.cli.dask_worker import main
main(["--scheduler-file", "SCHEDULER", "--nthreads", "1", "--no-nanny", "--no-dashboard"])
""".replace("SCHEDULER", PORT_FILE)
SCHEDULER = f"""
from distributed.cli.dask_scheduler import main
main(["--port", "0", "--host", "127.0.0.1", "--scheduler-file", "{PORT_FILE}", "--no-dashboard"])
"""


class Cluster:
    """A scheduler, and the workers that a test adds, in processes of their own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.workers: list[subprocess.Popen[bytes]] = []
        self._scheduler = self._start(SCHEDULER)
        self.address = ""
        while not self.address:
            time.sleep(0.05)
            with suppress(FileNotFoundError, ValueError):  # while it is being written
                self.address = json.loads((folder / PORT_FILE).read_text())["address"]

    def add(self, count: int = 1, version: str = "") -> Cluster:
        self.workers += [self._start(WORKER, version) for _ in range(count)]
        with distributed.Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(len(self.workers))
        return self

    def stop(self) -> None:
        for process in (*self.workers, self._scheduler):
            process.kill()
            process.wait()

    def _start(self, program: str, *words: str) -> subprocess.Popen[bytes]:
        log = (self._folder / f"log-{time.monotonic_ns()}").open("wb")
        with log:
            command = [sys.executable, "-c", program, *words]
            return subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler without workers, which run in another folder than the test."""
    folder = tmp_path / "cluster"
    folder.mkdir()
    started = Cluster(folder)
    yield started
    started.stop()


def requests(*names: str) -> list[ModelArchiverConfig]:
    make("handler.py", text=HANDLER)
    return [ModelArchiverConfig(name, "handler.py", export_path="out") for name in names]


def test_two_workers_build_with_paths_of_this_folder(work: Path, cluster: Cluster, capfd) -> None:
    asked = requests(*(f"m{number}" for number in range(20)), "other")
    asked[-1].serialized_file = "missing.pt"
    with cluster_executor(cluster.add(2).address) as executor:
        results = run_many(asked, executor)
    assert [result.exception for result in results[:-1]] == [None] * 20
    assert {path.name for path in Path("out").iterdir()} == {f"m{number}.mar" for number in range(20)}
    assert [result.request for result in results] == asked
    [problem] = results[-1].exception.problems
    assert (problem.code, problem.path) == ("file-missing", str(work / "missing.pt"))
    assert capfd.readouterr() == ("", "")


def test_what_a_killed_worker_was_building_is_built_by_the_other(work: Path, cluster: Cluster, capfd) -> None:
    asked = requests("m0", "killer", *(f"m{number}" for number in range(1, 10)))
    with cluster_executor(cluster.add(2).address) as executor:
        results = run_many(asked, executor)
    assert [result.exception for result in results] == [None] * 11
    assert sorted(worker.poll() is None for worker in cluster.workers) == [False, True]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("what", ["workers", "scheduler"])
def test_a_lost_cluster_is_one_error(work: Path, cluster: Cluster, monkeypatch, capfd, what: str) -> None:
    asked = requests("m0", "killer0", "killer1", *(f"m{number}" for number in range(1, 10)))
    if what == "scheduler":
        asked = requests(*(f"slow{number}" for number in range(10)))
    with cluster_executor(cluster.add(2).address) as executor:
        monkeypatch.setattr(build_command, "_WORKER_SECONDS", 2)
        results = run_many(asked, executor, lambda _: what == "scheduler" and cluster.stop())
    [failed] = [str(result.exception) for result in results if result and result.exception]
    assert failed == f"all workers of the Dask cluster at {cluster.address}, or its scheduler, are lost"
    assert None in results
    assert capfd.readouterr() == ("", "")


def test_after_a_failure_nothing_more_is_begun(work: Path, cluster: Cluster) -> None:
    asked = requests(*(f"m{number}" for number in range(20)))
    asked[0].handler = "missing.py"
    with cluster_executor(cluster.add(2).address) as executor:
        results = run_many(asked, executor, keep_going=False)
    assert results[0].exception
    assert results[-1] is None
    built = sum(result is not None and result.exception is None for result in results)
    assert built == (len(list(Path("out").iterdir())) if Path("out").exists() else 0)


@pytest.mark.parametrize("version", ["0.12.0"])
def test_a_worker_with_another_version_is_an_error_before_anything_is_built(work, cluster: Cluster, version) -> None:
    cluster.add().add(version=version)
    with pytest.raises(ModelArchiverError) as caught, cluster_executor(cluster.address):
        pytest.fail("it must not be used")
    ours = metadata.version("torch-model-archiver")
    wrong = f"has torch-model-archiver {version}, but this computer has {ours}; install the same version there"
    assert str(caught.value).endswith(wrong)


def test_no_worker_is_an_error(work: Path, cluster: Cluster, monkeypatch) -> None:
    monkeypatch.setattr(build_command, "_WORKER_SECONDS", 1)
    with pytest.raises(ModelArchiverError) as caught, cluster_executor(cluster.address):
        pytest.fail("it must not be used")
    wrong = f"no worker joined the Dask cluster at {cluster.address} within 1 s"
    assert str(caught.value) == f"{wrong}; start one: dask worker {cluster.address}"


@pytest.mark.parametrize("scheme", ["", "tcp://", "ws://"])
@pytest.mark.parametrize("server", ["none", "silent", "of another kind"])
def test_no_scheduler_at_the_address_is_one_line(work: Path, scheme: str, server: str, capfd) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, ThreadPoolExecutor(1) as thread:
        address = f"{scheme}127.0.0.1:{listening.getsockname()[1]}"
        if server == "none":
            listening.close()
        elif server == "of another kind":
            thread.submit(greet, listening)
        check_no_scheduler(address, capfd)


def greet(listening: socket.socket) -> None:
    """Send what an SSH server sends to the two connections that are made."""
    for _ in range(2):
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.sendall(b"SSH-2.0-OpenSSH_9.2p1\r\n")
            connection.recv(1)


def check_no_scheduler(address: str, capfd) -> None:
    with pytest.raises(ModelArchiverError) as caught, cluster_executor(address):
        pytest.fail("it must not be used")
    assert 2 * build_command._CONNECT_SECONDS <= 10  # it tries twice
    assert str(caught.value).startswith(f"no Dask scheduler answers at {address}: ")
    assert "\n" not in str(caught.value)
    assert caught.value.problems == ()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("address", ["", "127.0.0.1", "foo:bar", "http://127.0.0.1:8786", "inproc://1", "host:"])
def test_what_is_not_an_address_is_wrong_usage(work: Path, monkeypatch, address: str) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)  # it is not needed for that
    with pytest.raises(UsageError, match="is not the address of a Dask scheduler"), cluster_executor(address):
        pytest.fail("it must not be used")


@pytest.mark.parametrize("text", [None, "raise RuntimeError('broken')\n", "1 +\n"], ids=["missing", "broken", "syntax"])
def test_without_the_extra_one_line_says_what_to_install(work: Path, monkeypatch, text: str | None) -> None:
    monkeypatch.delitem(sys.modules, "distributed", raising=False)
    if text is None:
        monkeypatch.setitem(sys.modules, "distributed", None)
    else:
        make("broken/distributed.py", text=text)
        monkeypatch.syspath_prepend(work / "broken")
    message = r"^Dask needs the extra \[dask\]: pip install distributed$"
    with pytest.raises(ModelArchiverError, match=message), cluster_executor("127.0.0.1:1"):
        pytest.fail("it must not be used")


def test_ctrl_c_cancels_what_has_not_begun(work: Path, cluster: Cluster) -> None:
    cluster.add(2)
    make("handler.py", text=HANDLER)
    program = f"""
import signal
from model_archiver.commands.build_many import run_many
from model_archiver.cli.build import cluster_executor
from model_archiver.core.request import ModelArchiverConfig
signal.signal(signal.SIGINT, signal.default_int_handler)  # pytest in the background ignores it
requests = [ModelArchiverConfig(f"slow{{number}}", "handler.py", export_path="out") for number in range(50)]
try:
    with cluster_executor("{cluster.address}") as executor:
        run_many(requests, executor, lambda result: print("built", flush=True))
except KeyboardInterrupt:
    print("interrupted")
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=-1, stderr=-1, text=True)
    assert process.stdout.readline() == "built\n"
    time.sleep(0.3)  # until it waits for the next result: Python loses an interruption of a finalizer
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (out.splitlines()[-1], err) == ("interrupted", "")
    while any(not path.name.endswith(".mar") for path in Path("out").iterdir()):  # what has begun is finished
        time.sleep(0.1)
    assert len(list(Path("out").iterdir())) < 50
