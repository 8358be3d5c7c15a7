"""Times this archiver, the original one and the limit side by side, and prints tables.

    python benchmarks/run.py                      # everything: about 20 minutes and 16 GB of disk
    python benchmarks/run.py --only float32 --runs 3
    python benchmarks/run.py --json docs/performance.json && python -m docs.make_plot

Each figure is the median of whole processes that are run in turn. The limit is what no archiver can do without: a copy
of the file and one SHA-256 of it side by side, then a flush of the copy. This archiver flushes what it writes too; the
original does not.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import inputs
import results

HERE = Path(__file__).resolve().parent
CACHE = HERE.parent / ".cache" / "benchmarks"
OUT = CACHE / "out"
ORIGINAL = "torch-model-archiver==0.12.0"

_SHA256 = (
    "import hashlib, sys; d = hashlib.sha256(); f = open(sys.argv[1], 'rb', 0)\nwhile b := f.read(1 << 20): d.update(b)"
)


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        work: what is done, for people.
        input: the name of an input below.
        words: the flags of this archiver.
        against: what it is compared with, for people.
        other: the other command, made from the input.
        most: the largest ratio of times that is good enough, or None.
        same_size: the archive may not be larger than the other one by more than 0.5 %.
    """

    work: str
    input: str
    words: str
    against: str
    other: Callable[[Path], list[str]]
    most: float | None
    same_size: bool = False


@dataclass(frozen=True)
class Run:
    """One process that ended: seconds of wall time, the most memory it had in MiB, and the bytes it wrote."""

    seconds: float
    memory: float
    size: int


def ours(words: str, source: Path) -> list[str]:
    """Return the command of this archiver on an input."""
    command = [str(Path(sys.executable).with_name("torch-model-archiver")), "--quiet"]
    return [*command, *_common(source), *shlex.split(words)]


def original(words: str, source: Path) -> list[str]:
    """Return the command of the original archiver, in its own virtual environment, on an input."""
    command = [str(CACHE / "original" / "bin" / "torch-model-archiver"), "--version", "1.0"]
    return [*command, *_common(source), *shlex.split(words)]


def limit(source: Path) -> list[str]:
    """Return a command that copies a file and hashes it side by side, then flushes the copy."""
    copy, digest = shlex.quote(str(OUT / "copy")), shlex.join(sha256(source))
    return ["sh", "-c", f"cp {shlex.quote(str(source))} {copy} & {digest} & pid=$!; wait $pid && wait && sync {copy}"]


def sha256(source: Path) -> list[str]:
    """Return a command that hashes a file."""
    return [sys.executable, "-S", "-c", _SHA256, str(source)]


def _common(source: Path) -> list[str]:
    flag = "--extra-files" if source.is_dir() else "--serialized-file"
    # A handler that takes weights of any name and kind.
    return ["--model-name", "m", "--handler", "vllm_handler", flag, str(source), "--export-path", str(OUT)]


INPUTS: dict[str, Callable[[Path], None]] = {
    "float32": inputs.float32_weights,
    "bf16": inputs.bf16_weights,
    "text": inputs.text,
    "small-files": inputs.small_files,
    "small-model": inputs.small_model,
    "sentence-embedding.safetensors": inputs.sentence_embedding,
}

_TGZ, _FOLDER, _STORE = "--archive-format tgz", "--archive-format no-archive", "--archive-format zip-store"

ROWS = [
    Row("default, 1 GiB float32", "float32", "", "original, default", partial(original, ""), 1 / 25),
    Row("default, 1 GiB float32", "float32", "", "the limit", limit, 1.3),
    Row(
        "--deflate always, 1 GiB float32",
        "float32",
        "--deflate always",
        "original, default",
        partial(original, ""),
        1 / 12,
        same_size=True,
    ),
    Row("tgz, 1 GiB float32", "float32", _TGZ, "original, tgz", partial(original, _TGZ), 1 / 12, same_size=True),
    Row("zip-store, 1 GiB float32", "float32", _STORE, "the limit", limit, 1.3),
    Row("zip-store, 1 GiB float32", "float32", _STORE, "original, zip-store", partial(original, _STORE), None),
    Row("no-archive, 1 GiB float32", "float32", _FOLDER, "the limit", limit, 1.3),
    Row("no-archive --link, 1 GiB float32", "float32", f"{_FOLDER} --link", "one SHA-256", sha256, 1.2),
    Row("default, 1 GiB bf16", "bf16", "", "original, default", partial(original, ""), None),
    Row("default, 1 GiB text", "text", "", "original, default", partial(original, ""), None),
    Row("default, 20,000 small files", "small-files", "", "original, default", partial(original, ""), 1 / 2),
    Row(
        "default, 90 MB safetensors",
        "sentence-embedding.safetensors",
        "",
        "original, default",
        partial(original, ""),
        None,
    ),
    Row("default, a 10 KB model", "small-model", "", "original, default", partial(original, ""), 1.2),
]


def timed(command: list[str]) -> Run:
    """Run a command into an empty output folder."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    os.sync()  # what the runs before have left to be written must not count here
    done = subprocess.run(
        [sys.executable, "-S", HERE / "measure.py", *command], check=False, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"failed: {shlex.join(command)}\n{done.stderr}")
    seconds, memory = done.stdout.splitlines()[-1].split()
    size = sum(path.stat().st_size for path in OUT.rglob("*") if path.is_file())
    return Run(float(seconds), int(memory) / 1024, size)


@dataclass(frozen=True)
class Measured:
    """A row of the table, with the runs of both commands."""

    row: Row
    mine: list[Run]
    others: list[Run]

    @property
    def seconds(self) -> tuple[float, float]:
        """The medians of both commands."""
        mine, others = (statistics.median(run.seconds for run in side) for side in (self.mine, self.others))
        return mine, others

    def as_dict(self) -> dict[str, Any]:
        """Return the row for the JSON file; times are in seconds, sizes in bytes."""
        mine, other = self.seconds
        return {
            "work": self.row.work,
            "input": self.row.input,
            "flags": self.row.words,
            "against": self.row.against,
            "median": mine,
            "other_median": other,
            "seconds": [run.seconds for run in self.mine],
            "other_seconds": [run.seconds for run in self.others],
            "size": self.mine[0].size,
            "other_size": self.others[0].size,
            "memory_mib": max(run.memory for run in self.mine),
            "largest_ratio": self.row.most,
        }


def run_in_turn(rows: list[Row], runs: int) -> list[Measured]:
    """Return what the rows of one input took. Each distinct command runs once per round."""
    source = inputs.made(CACHE / rows[0].input, INPUTS[rows[0].input])
    commands = {tuple(command) for row in rows for command in (ours(row.words, source), row.other(source))}
    done: dict[tuple[str, ...], list[Run]] = {command: [] for command in sorted(commands)}
    timed(sha256(source) if source.is_file() else ours("", source))  # warms up the page cache
    for _ in range(runs):
        for command, finished in done.items():
            finished.append(timed(list(command)))
    return [Measured(row, done[tuple(ours(row.words, source))], done[tuple(row.other(source))]) for row in rows]


def line(measured: Measured) -> str:
    """Return a line of the table."""
    row, mine, others, (seconds, other_seconds) = measured.row, measured.mine, measured.others, measured.seconds
    ratio = seconds / other_seconds
    verdict = "" if row.most is None else f"{row.most:.3g} ({'holds' if ratio <= row.most else 'MISSED'})"
    if row.same_size:
        share = mine[0].size / others[0].size
        verdict += f", size x {share:.4f} ({'holds' if share <= 1.005 else 'MISSED'})"
    return (
        f"| {row.work} | {seconds:.2f} s | {row.against} | {other_seconds:.2f} s | {ratio:.3f} | {verdict} "
        f"| {max(run.memory for run in mine):.0f} MiB |"
    )


def memory_peaks() -> Iterator[dict[str, Any]]:
    """Yield the peak memory of each format for 1 GiB and for 8 GiB, in MiB."""
    formats = ["--deflate never", "--deflate always", _STORE, _TGZ, _FOLDER, f"{_FOLDER} --link"]
    for words in formats:
        peaks = []
        for gib in (1, 8):
            source = CACHE / "sparse"
            inputs.sparse(source, gib * inputs.GIB)
            peaks.append(timed(ours(words, source)).memory)
        yield {"flags": words, "memory_1_gib": peaks[0], "memory_8_gib": peaks[1]}


def memory_line(row: dict[str, Any]) -> str:
    """Return a line of the table of memory: whether it is small and does not grow."""
    small, large = row["memory_1_gib"], row["memory_8_gib"]
    verdict = "holds" if max(small, large) <= 150 and large <= 1.2 * small else "MISSED"
    return f"| `{row['flags']}` | {small:.0f} MiB | {large:.0f} MiB | {verdict} |"


def install_original() -> None:
    """Install the original archiver into an environment of its own, if it is not there, and compile this one."""
    CACHE.mkdir(parents=True, exist_ok=True)
    if not (CACHE / "original" / "bin" / "torch-model-archiver").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", CACHE / "original"], check=True)
        subprocess.run([CACHE / "original" / "bin" / "pip", "install", "-q", ORIGINAL], check=True)
    # As pip does when it installs: without it, each process may compile the package anew.
    subprocess.run([sys.executable, "-m", "compileall", "-q", HERE.parent / "model_archiver"], check=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="how often each command is run (default: %(default)s)")
    parser.add_argument(
        "--only", action="append", choices=[*INPUTS, "memory"], help="the rows of one input, or those of memory"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results to this file too")
    args = parser.parse_args()
    parts: dict[str, list[dict[str, Any]]] = {}
    install_original()
    names = [name for name in INPUTS if args.only is None or name in args.only]
    if names:
        print("| work | time | against | time | ratio | at most | peak memory |\n|---|---|---|---|---|---|---|")
    for name in names:
        measured = run_in_turn([row for row in ROWS if row.input == name], args.runs)
        parts.setdefault("build", []).extend(each.as_dict() for each in measured)
        print("\n".join(map(line, measured)), flush=True)
    if args.only is None or "memory" in args.only:
        parts["memory"] = list(memory_peaks())
        print(
            "\n| format | peak memory, 1 GiB | peak memory, 8 GiB | at most 150 MiB, and 20 % more |\n|---|---|---|---|"
        )
        print("\n".join(map(memory_line, parts["memory"])))
    if args.json:
        for name, rows in parts.items():
            results.save(args.json, name, rows, runs=1 if name == "memory" else args.runs)
    shutil.rmtree(OUT, ignore_errors=True)


if __name__ == "__main__":
    main()
