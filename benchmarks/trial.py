"""Times how long it takes to see that an archive serves: with `test`, and with the server itself.

    PYTHONPATH=. python benchmarks/trial.py    # a minute or two; prints the table

It wants the servers of the tests, which are installed into `.cache/servers` if they are not there, and Java. A figure
is the median of RUNS runs, in turn. With `test`, it is the whole command. With the server, which has its default
settings, it is from its start with the archive until it has stopped; it answers one request meanwhile.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from tests.servers import loopback
from tests.servers.conftest import ENVIRONMENTS
from tests.servers.environments import MMS, TORCHSERVE, Environment
from tests.servers.mms import MultiModelServer
from tests.servers.server import ModelServer
from tests.servers.torchserve import TorchServe

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
DIGITS = EXAMPLES / "digits"
RUNS = 5
POLL = 0.05
REST = 2  # seconds before each run, in which the one before it really ends
TUNED = {"default_workers_per_model", "disable_system_metrics", "enable_model_api"}  # by the tests
COMMAND = """
import re, sys
from pathlib import Path
from model_archiver.cli import {0}
status = {0}(sys.argv[1:])
print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
sys.exit(status)
"""


def main() -> None:
    """Measure, and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        files = ("--model-file", DIGITS / "model.py", "--serialized-file", DIGITS / "digits.pt")
        code = ("--handler", DIGITS / "handler.py", "--extra-files", DIGITS / "index_to_name.json")
        ours("main", "--model-name", "digits", *files, *code, "--export-path", here)
        words = ("--model-path", EXAMPLES / "mms_numpy" / "iris", "--handler", "iris_service:handle")
        ours("mms_main", "--model-name", "iris", *words, "--export-path", here)
        print("| example | `test` | server | ratio | peak memory of `test` |\n|---|--:|--:|--:|--:|")
        print(row(here, "digits", DIGITS / "sample.json", TORCHSERVE, TorchServe), flush=True)
        print(row(here, "iris", EXAMPLES / "mms_numpy" / "sample.json", MMS, MultiModelServer), flush=True)


def ours(program: str, *words: object) -> int:
    """Run one of our commands, and return its peak memory in KiB, without that of the processes it starts."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND.format(program), *map(str, words), "--quiet"],
        check=True,
        capture_output=True,
        text=True,
    )
    return int(done.stdout.split()[-1])


def row(folder: Path, name: str, sample: Path, environment: Environment, kind: type[ModelServer]) -> str:
    """Return the row of an example."""
    python, archive = environment.python(ENVIRONMENTS), folder / f"{name}.mar"
    memory, times = 0, []
    for _ in range(RUNS):
        time.sleep(REST)
        start = time.perf_counter()
        memory = max(memory, ours("main", "test", archive, "--input", sample, "--python", python))
        tried = time.perf_counter() - start
        time.sleep(REST)
        start = time.perf_counter()
        serve_it(kind, python, archive, sample)
        times.append((tried, time.perf_counter() - start))
    ours_median, theirs = (statistics.median(pair[side] for pair in times) for side in (0, 1))
    return f"| {name} | {ours_median:.2f} s | {theirs:.2f} s | {ours_median / theirs:.2f} | {memory / 1024:.0f} MiB |"


def serve_it(kind: type[ModelServer], python: Path, archive: Path, sample: Path) -> None:
    """Start the server with the archive, ask it until it answers, and stop it."""

    class Server(kind):  # type: ignore[misc]
        def properties(self, *ports: int) -> dict[str, object]:
            given = super().properties(*ports)
            return {**{key: given[key] for key in given.keys() - TUNED}, "load_models": archive.name}

        def options(self) -> list[str]:
            return [option for option in super().options() if option != "--no-config-snapshots"]

    folder = archive.with_suffix("")
    server = Server(python, folder)
    server.copy_to_store(archive)
    path, body = f"/predictions/{archive.stem}", sample.read_bytes()
    with server:
        while True:
            with suppress(OSError, loopback.RefusedError):
                loopback.request(server.inference_port, "POST", path, body, "application/json", timeout=60)
                break
            time.sleep(POLL)
        server.stop()
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
