"""Compare a small build, which is nearly all start-up, with that of the original archiver, and print the tables.

    python benchmarks/startup.py    # about three minutes; needs valgrind and network access for pip
    python benchmarks/startup.py --json docs/performance.json && python -m docs.make_plot

The build has one custom handler, 10 KB of TorchScript and a label file, and this archiver runs all its checks on them.
Both archivers are installed into virtual environments of their own. An editable install does not do: its import hook
alone takes 50 million instructions. Instructions are counted once, because they repeat. Wall time is the median of
RUNS interleaved runs. This archiver flushes what it writes to the disk; the original does not.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import results

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent / ".cache" / "startup"
ORIGINAL = "torch-model-archiver==0.12.0"
RUNS = 21
REPEATS = 5  # of what is timed under a profiler
USAGE = 2  # the exit status of a mistyped flag
SOURCES = ("model_archiver", "setup.py", "pyproject.toml", "README.md", "LICENSE")

HANDLER = """\
from ts.torch_handler.base_handler import BaseHandler


class Listing(BaseHandler):
    def postprocess(self, data):
        return [row.tolist() for row in data]
"""
PROFILE = """\
import cProfile, pstats, sys
profile = cProfile.Profile()
profile.enable()
from model_archiver.cli import main
status = main()
profile.disable()
for (file, line, name), (_, calls, own, _, _) in pstats.Stats(profile).stats.items():
    print(own, calls, file, line, name, sep="\\t")
sys.exit(status)
"""


def install(name: str, *packages: str | Path) -> Path:
    """Return the scripts folder of a virtual environment that holds these packages."""
    folder = CACHE / name
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    subprocess.run([folder / "bin" / "pip", "install", "-q", *packages], check=True)
    return folder / "bin"


def install_ours() -> Path:
    """Install a copy of the sources, because a build in place leaves old modules in ``build/``."""
    copy = CACHE / "source"
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir()
    for name in SOURCES:
        source = HERE.parent / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy / name)
    return install("ours", copy)


def write_model() -> list[str]:
    """Write the model, and return the flags that package it."""
    (CACHE / "handler.py").write_text(HANDLER, encoding="utf-8")
    (CACHE / "index_to_name.json").write_text('{"0": "cat", "1": "dog"}\n', encoding="utf-8")
    with zipfile.ZipFile(CACHE / "model.pt", "w") as weights:  # the layout of torch.jit.save
        for name, content in {"data.pkl": b"\x80\x02}.", "constants.pkl": b"\x80\x02).", "version": b"3\n"}.items():
            weights.writestr(f"model/{name}", content)
        weights.writestr("model/data/0", os.urandom(10_000))
    (CACHE / "out").mkdir(exist_ok=True)
    files = ("--serialized-file", "model.pt", "--handler", "handler.py", "--extra-files", "index_to_name.json")
    return ["--model-name", "m", "--version", "1.0", *files, "--export-path", "out", "--force"]


def run(command: list[str], status: int = 0, *, without_output: bool = False) -> subprocess.CompletedProcess[str]:
    """Run a command in the model's folder, with the same environment each time."""
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "0"}
    if without_output:
        (CACHE / "out" / "m.mar").unlink(missing_ok=True)
        os.sync()  # what the runs before have left to be written must not count here
    done = subprocess.run(command, cwd=CACHE, env=environment, check=False, capture_output=True, text=True)
    if done.returncode != status:
        sys.exit(f"failed: {command}\n{done.stderr}")
    return done


def count_instructions(command: list[str], status: int) -> float:
    """Return the millions of instructions that a command takes."""
    done = run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command], status, without_output=True
    )
    return int(re.findall(r"Collected : (\d+)", done.stderr)[-1]) / 1e6


def measure_time(commands: dict[str, tuple[list[str], int]]) -> dict[str, float]:
    """Return the median milliseconds of each command, all run in turn."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, (command, status) in commands.items():
            measure = [sys.executable, "-S", str(HERE / "measure.py"), *command]
            times[name].append(float(run(measure, status, without_output=True).stdout.split()[-2]) * 1000)
    return {name: statistics.median(values) for name, values in times.items()}


def import_times(python: str, words: list[str]) -> dict[str, float]:
    """Return the microseconds that each imported module takes by itself, the least of several runs."""
    least: dict[str, float] = {}
    for _ in range(REPEATS):
        lines = run([python, "-X", "importtime", *words]).stderr
        for own, module in re.findall(r"^import time: +(\d+) \| +\d+ \| +(\S+)$", lines, re.MULTILINE):
            least[module] = min(float(own), least.get(module, float("inf")))
    return least


def print_table(heads: list[str], rows: list[list[str]]) -> None:
    """Print a Markdown table, whose columns but the first are numbers."""
    print(f"\n| {' | '.join(heads)} |\n|---|{'--:|' * (len(heads) - 1)}")
    print("\n".join(f"| {' | '.join(row)} |" for row in rows), flush=True)


def print_comparison(original: str, ours: str, build: list[str]) -> list[dict[str, Any]]:
    """Print what each command costs, and its share of the original's build; return the costs."""
    commands = {
        "original, small build": ([original, *build], 0),
        "small build with all checks": ([ours, *build], 0),
        "`--help`": ([ours, "--help"], 0),
        "a mistyped flag": ([ours, *build, "--serialised-file", "model.pt"], USAGE),
    }
    for command, status in commands.values():
        run(command, status)  # writes what is compiled, and warms up the page cache
    times = measure_time(commands)
    counts = {name: count_instructions(command, status) for name, (command, status) in commands.items()}
    count, time = counts["original, small build"], times["original, small build"]
    rows = [
        [
            name,
            f"{counts[name]:.0f} M",
            f"{counts[name] / count:.2f}",
            f"{times[name]:.0f} ms",
            f"{times[name] / time:.2f}",
        ]
        for name in commands
    ]
    print_table(["command", "instructions", "ratio", "wall time", "ratio"], rows)
    return [{"command": name, "million_instructions": counts[name], "milliseconds": times[name]} for name in commands]


def print_modules(scripts: Path, build: list[str]) -> None:
    """Print how many modules our build imports, and the ten that take longest."""
    python = str(scripts / "python")
    empty = import_times(python, ["-c", "pass"])
    took = import_times(python, [str(scripts / "torch-model-archiver"), *build])
    ours = {name: own for name, own in took.items() if name.partition(".")[0] == "model_archiver"}
    others = {name: own for name, own in took.items() if name not in ours and name not in empty}
    groups = {"an empty interpreter": empty, "our modules": ours, "other modules": others}
    counted = [[name, str(len(part)), f"{sum(part.values()) / 1000:.1f} ms"] for name, part in groups.items()]
    print_table(["imported", "modules", "time"], counted)
    top = sorted((ours | others).items(), key=lambda item: -item[1])[:10]
    print_table(["module", "time to import"], [[f"`{name}`", f"{own / 1000:.1f} ms"] for name, own in top])


def print_functions(scripts: Path, build: list[str]) -> None:
    """Print the ten functions of our build that take longest by themselves, each in the best of several runs."""
    least: dict[str, tuple[float, str]] = {}
    for _ in range(REPEATS):
        for line in run([str(scripts / "python"), "-c", PROFILE, *build]).stdout.splitlines():
            own, calls, file, number, name = line.split("\t")
            place = name if file == "~" else f"{Path(file).parent.name}/{Path(file).name}:{number} {name}"
            least[place] = min((float(own), calls), least.get(place, (float("inf"), "")))
    top = sorted(least.items(), key=lambda item: -item[1][0])[:10]
    rows = [[f"`{place}`", calls, f"{own * 1000:.1f} ms"] for place, (own, calls) in top]
    print_table(["function, under a profiler", "calls", "time"], rows)


def main() -> None:
    """Install both archivers, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file too")
    args = parser.parse_args()
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is not installed")
    CACHE.mkdir(parents=True, exist_ok=True)
    build = write_model()
    scripts, original = install_ours(), install("original", ORIGINAL)
    rows = print_comparison(str(original / "torch-model-archiver"), str(scripts / "torch-model-archiver"), build)
    if args.json:
        results.save(args.json, "startup", rows, runs=RUNS)
    print_modules(scripts, build)
    print_functions(scripts, build)


if __name__ == "__main__":
    main()
