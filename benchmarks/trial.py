"""Times how long it takes to see that an archive serves: with `test`, and with the server itself.

    PYTHONPATH=. python benchmarks/trial.py    # a minute or two; prints the table

It wants the servers of the tests, which are installed into `.cache/servers` if they are not there, and Java. A figure
is the median of RUNS runs, in turn. With `test`, it is the whole command. With the server, it is from its start until
it has stopped: the model is registered and answers one request meanwhile.
"""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.servers.conftest import ENVIRONMENTS
from tests.servers.environments import MMS, TORCHSERVE, Environment
from tests.servers.mms import MultiModelServer
from tests.servers.server import ModelServer
from tests.servers.torchserve import TorchServe

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
DIGITS = EXAMPLES / "digits"
RUNS = 5
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
        start = time.perf_counter()
        memory = max(memory, ours("main", "test", archive, "--input", sample, "--python", python))
        between = time.perf_counter()
        serve_it(kind, python, archive, sample)
        times.append((between - start, time.perf_counter() - between))
    tried, served = (statistics.median(pair[side] for pair in times) for side in (0, 1))
    return f"| {name} | {tried:.2f} s | {served:.2f} s | {tried / served:.2f} | {memory / 1024:.0f} MiB |"


def serve_it(kind: type[ModelServer], python: Path, archive: Path, sample: Path) -> None:
    """Start the server, register the archive, ask it, and stop the server."""
    folder = archive.with_suffix("")
    with kind(python, folder) as server:
        server.register(archive)
        server.predict(archive.stem, sample.read_bytes())
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
