"""Times what stored, deflated, tar.gz and folder cost: at the build, in size, and when TorchServe registers them.

    PYTHONPATH=. python benchmarks/registration.py    # about 10 minutes and 4 GB of disk; prints the tables
    PYTHONPATH=. python benchmarks/registration.py --json docs/performance.json && python -m docs.make_plot

It wants the server of the tests, which is installed into `.cache/servers` if it is not there, and Java. Each figure is
the median of RUNS runs, in turn. Registered is when the first worker has loaded the model: the handler of the archives
reads nothing, so what differs between them is what the server does to unpack them.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import inputs
import results

from tests.servers.conftest import ENVIRONMENTS
from tests.servers.environments import TORCHSERVE
from tests.servers.torchserve import TorchServe

CACHE = Path(__file__).resolve().parents[1] / ".cache" / "registration"
SIZE = 1 << 28
MEGABYTE = 1_000_000
RUNS = 3

HANDLER = "def handle(data, context):\n    return ['served']\n"

INPUTS = {
    "float32": partial(inputs.float32_weights, size=SIZE),
    "bf16": partial(inputs.bf16_weights, size=SIZE),
    "text": partial(inputs.text, size=SIZE),
}
PACKINGS = {
    "stored `.mar`": ("--deflate", "never"),
    "deflated `.mar`": ("--deflate", "always"),
    "`.mar` as `auto` makes it": (),
    "`.tar.gz`": ("--archive-format", "tgz"),
    "folder": ("--archive-format", "no-archive"),
}


@dataclass(frozen=True)
class Cost:
    """What one packing of one input costs: seconds to build, bytes, seconds to register."""

    build: float
    size: int
    register: float


def main() -> None:
    """Measure, and print a table for each input."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file too")
    args = parser.parse_args()
    CACHE.mkdir(parents=True, exist_ok=True)
    handler = CACHE / "answering.py"
    handler.write_text(HANDLER, encoding="utf-8")
    folder = CACHE / "server"
    shutil.rmtree(folder, ignore_errors=True)
    with TorchServe(TORCHSERVE.python(ENVIRONMENTS), folder) as server:
        empty = registered_empty(server, handler)
        print(f"An archive with nothing but the handler: {empty:.1f} s\n")
        rows: list[dict[str, Any]] = [{"input": "nothing", "register": empty}]
        for name, make in INPUTS.items():
            source = inputs.made(CACHE / f"{name}.bin", make)
            costs = measured(server, handler, source)
            rows += [{"input": name, "packing": packing, **asdict(cost)} for packing, cost in costs.items()]
            print(table(name, costs), flush=True)
    shutil.rmtree(folder)
    if args.json:
        results.save(args.json, "registration", rows, runs=RUNS)


def registered_empty(server: TorchServe, handler: Path) -> float:
    """Return the seconds that registering takes where there is nothing to unpack."""
    archive, _ = built(server, handler, ())
    return statistics.median(registered(server, archive) for _ in range(RUNS))


def measured(server: TorchServe, handler: Path, source: Path) -> dict[str, Cost]:
    """Return what each packing of *source* costs."""
    runs: dict[str, list[Cost]] = {packing: [] for packing in PACKINGS}
    for _ in range(RUNS):
        for packing, flags in PACKINGS.items():
            archive, seconds = built(server, handler, ("--extra-files", str(source), *flags))
            runs[packing].append(Cost(seconds, size_of(archive), registered(server, archive)))
            remove(archive)
    return {packing: median(costs) for packing, costs in runs.items()}


def built(server: TorchServe, handler: Path, flags: tuple[str, ...]) -> tuple[Path, float]:
    """Return an archive in the server's store, and the seconds that its build took as a command."""
    command = [sys.executable, "-m", "model_archiver", "--quiet", "--model-name", "timed", "--handler", str(handler)]
    start = time.perf_counter()
    subprocess.run([*command, "--export-path", str(server.store), "--force", *flags], check=True)
    seconds = time.perf_counter() - start
    [archive] = server.store.iterdir()
    return archive, seconds


def registered(server: TorchServe, archive: Path) -> float:
    """Return the seconds from the request until the first worker has loaded the model."""
    start = time.perf_counter()
    server.register(archive.name)
    seconds = time.perf_counter() - start
    server.unregister("timed")
    return seconds


def size_of(archive: Path) -> int:
    """Return the bytes of a file, or of all files of a folder."""
    files = archive.rglob("*") if archive.is_dir() else [archive]
    return sum(path.stat().st_size for path in files if path.is_file())


def remove(archive: Path) -> None:
    """Remove a file or a folder."""
    if archive.is_dir():
        shutil.rmtree(archive)
    else:
        archive.unlink()


def median(costs: list[Cost]) -> Cost:
    """Return the median of each figure by itself."""
    return Cost(
        statistics.median(cost.build for cost in costs),
        statistics.median_low([cost.size for cost in costs]),
        statistics.median(cost.register for cost in costs),
    )


def table(name: str, costs: dict[str, Cost]) -> str:
    """Return the table of an input."""
    heading = f"| {SIZE / MEGABYTE:.0f} MB of {name} | build | size | register |\n|---|--:|--:|--:|\n"
    rows = (
        f"| {packing} | {cost.build:.1f} s | {cost.size / MEGABYTE:.0f} MB | {cost.register:.1f} s |\n"
        for packing, cost in costs.items()
    )
    return heading + "".join(rows)


if __name__ == "__main__":
    main()
