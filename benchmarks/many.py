"""Times 200 small models: from one call, by 200 runs of the original archiver, and by 200 runs of our own command.

    python benchmarks/many.py             # a few minutes; needs the extra [dask] for its last row
    python benchmarks/many.py --models 20 --runs 1
    python benchmarks/many.py --json docs/performance.json && python -m docs.make_plot

Each figure is the median of whole processes that are run in turn, with all checks, each run into an empty folder.
"""

from __future__ import annotations

import argparse
import importlib
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import inputs
import results
import run

OURS = Path(sys.executable).with_name("torch-model-archiver")
Command = Callable[[int], list[str]]  # makes the words of a command for so many models
HANDLER = "def handle(data, context):\n    return data\n"
PROGRAM = """
import re, resource, sys
from contextlib import nullcontext
from pathlib import Path
from model_archiver.commands.build_many import run_many
from model_archiver.cli.build import cluster_executor
from model_archiver.core.request import ModelArchiverConfig

if __name__ == "__main__":
    folder, count, address = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    files = {"handler": folder / "handler.py", "serialized_file": folder / "model.pt", "export_path": folder / "out"}
    requests = [ModelArchiverConfig(f"m{number}", **files) for number in range(count)]
    with cluster_executor(address) if address else nullcontext() as executor:
        results = run_many(requests, executor)
    failed = [result.exception for result in results if result.exception]
    sys.exit(str(failed[0]) if failed else 0)
"""


def many(folder: Path, count: int, address: str = "") -> list[str]:
    """Return the command that builds the models by one call, perhaps on a Dask cluster."""
    return [sys.executable, str(folder / "many.py"), str(folder), str(count), address]


def one_by_one(folder: Path, count: int, program: Path, more: str = "") -> list[str]:
    """Return the command that runs a program for each model."""
    files = f"--handler {folder / 'handler.py'} --serialized-file {folder / 'model.pt'} --export-path {folder / 'out'}"
    words = f"{shlex.quote(str(program))} --model-name m$number --version 1.0 {files} {more}"
    return ["sh", "-c", f"number=0; while [ $number -lt {count} ]; do {words} || exit 1; number=$((number + 1)); done"]


def timed(folder: Path, command: list[str]) -> tuple[float, float]:
    """Run a command into an empty folder, and return its seconds and the peak memory of its largest process in MiB."""
    shutil.rmtree(folder / "out", ignore_errors=True)
    (folder / "out").mkdir()
    words = [sys.executable, "-S", str(run.HERE / "measure.py"), *command]
    done = subprocess.run(words, check=False, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"failed: {shlex.join(command)}\n{done.stderr}")
    seconds, memory = done.stdout.splitlines()[-1].split()
    return float(seconds), int(memory) / 1024


def print_rows(folder: Path, commands: dict[str, Command], counts: list[int], runs: int) -> list[dict[str, Any]]:
    """Print and return medians of commands that are run in turn, and the largest peak of memory for each count."""
    rows: list[dict[str, Any]] = []
    times: dict[str, list[float]] = {name: [] for name in commands}
    for name, command in commands.items():
        rows.append({"command": name, "memory": [timed(folder, command(count))[1] for count in counts]})
    for _ in range(runs):
        for name, command in commands.items():
            times[name].append(timed(folder, command(counts[-1]))[0])
    for row in rows:
        row["seconds"] = statistics.median(times[row["command"]])
        ratio = rows[0]["seconds"] / row["seconds"]
        peaks = " | ".join(f"{peak:.0f} MiB" for peak in row["memory"])
        print(f"| {row['command']} | {row['seconds']:.2f} s | {ratio:.3f} | {peaks} |", flush=True)
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="how often each command is run (default: %(default)s)")
    parser.add_argument("--models", type=int, default=200, help="how many models (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file too")
    args = parser.parse_args()
    counts = [max(args.models // 10, 1), args.models]
    run.install_original()
    with tempfile.TemporaryDirectory(dir=run.CACHE) as name:
        folder = Path(name)
        (folder / "many.py").write_text(PROGRAM, encoding="utf-8")
        (folder / "handler.py").write_text(HANDLER, encoding="utf-8")
        inputs.small_model(folder / "model.pt")
        print(f"| {counts[1]} models | time | one call takes | memory, {counts[0]} | memory, {counts[1]} |")
        print("|---|--:|--:|--:|--:|")
        original = run.CACHE / "original" / "bin" / "torch-model-archiver"
        commands: dict[str, Command] = {
            "one call": lambda count: many(folder, count),
            "our command": lambda count: one_by_one(folder, count, OURS, "--quiet"),
            "the original": lambda count: one_by_one(folder, count, original),
        }
        rows = print_rows(folder, commands, counts, args.runs)
        with suppress(ImportError):
            distributed = importlib.import_module("distributed")
            with distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
            ) as cluster:
                address = cluster.scheduler_address
                on_dask: dict[str, Command] = {"Dask, two workers": lambda count: many(folder, count, address)}
                rows += print_rows(folder, on_dask, counts, args.runs)
        if args.json:
            results.save(args.json, "many", rows, runs=args.runs)


if __name__ == "__main__":
    main()
