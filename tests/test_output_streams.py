"""What the command does where nobody can read what it prints, or not in every alphabet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.packing import MODEL, make

COMMAND = [sys.executable, "-m", "model_archiver", *MODEL, "--extra-files", "d"]
FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="needs /dev/full")


@pytest.fixture(autouse=True)
def _folder(work: Path) -> None:
    """A folder with a file whose name is not ASCII."""
    make("d/é.txt")


def _run(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    return subprocess.run(
        [*COMMAND, *words], stderr=subprocess.PIPE, text=True, env=environment, check=False, **options
    )


def test_a_plan_is_printed_where_stdout_knows_only_ascii() -> None:
    done = _run("--dry-run", stdout=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0].startswith("\\xe9.txt")


def test_json_is_ascii() -> None:
    done = _run("--dry-run", "--json", stdout=subprocess.PIPE)
    assert done.returncode == 0
    assert json.loads(done.stdout)["files"][0]["path"] == "é.txt"


def test_an_error_is_printed_where_stderr_knows_only_ascii() -> None:
    done = _run("--model-file", "ö.py")
    assert done.returncode == 1
    assert "\\xf6.py: no such file or folder" in done.stderr


def test_a_reader_that_has_gone_is_not_an_internal_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = _run("--dry-run", stdout=writing)
    os.close(writing)
    assert done.returncode == 1
    assert done.stderr == ""


def test_the_archive_is_made_though_nobody_reads_stderr() -> None:
    done = subprocess.run([*COMMAND, "--quiet"], stderr=subprocess.DEVNULL, check=False)
    assert done.returncode == 0
    closed = subprocess.run(["sh", "-c", '"$@" 2>&-', "sh", *COMMAND, "-f"], check=False)
    assert closed.returncode == 0
    assert Path("m.mar").is_file()


@needs_full
def test_an_archive_is_announced_though_its_json_cannot_be_written() -> None:
    with FULL.open("w") as full:
        done = _run("--json", stdout=full)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0].startswith("torch-model-archiver: wrote m.mar (")
    assert "error: stdout: No space left on device, but m.mar was written" in lines[1]
    assert Path("m.mar").is_file()


@pytest.mark.parametrize("words", [["--json"], ["--dry-run"], ["--dry-run", "--json"]])
def test_a_result_that_nobody_can_get_is_an_error(words) -> None:
    shell = ["sh", "-c", '"$@" >&-', "sh", *COMMAND, *words]
    done = subprocess.run(shell, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert "error: stdout: is closed" in done.stderr
    assert ("but m.mar was written" in done.stderr) == Path("m.mar").exists() == ("--dry-run" not in words)
    assert "[stdout-unwritable]" in done.stderr


@needs_full
@pytest.mark.parametrize(
    "words",
    [
        *([*COMMAND[3:], word] for word in ("--help", "--tool-version", "--dry-run")),
        *(["explain"], ["explain", "file-missing", "--json"], ["help"], ["help", "diff", "--json"], ["version"]),
        *(["completion", "bash"], ["diff", "m", "m"], ["diff", "m", "m", "--json"], ["inspect", "m"]),
        *(["verify", "m"], ["verify", "m", "m"], ["verify", "m", "--json"], ["extract", "m", "--to", "n", "--json"]),
    ],
    ids=" ".join,
)
def test_output_that_cannot_be_written_is_one_line(words: list[str]) -> None:
    subprocess.run([*COMMAND, "--archive-format", "no-archive", "--quiet"], check=True)
    with FULL.open("w") as full:
        command = [*COMMAND[:3], *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    *before, error, explain = done.stderr.splitlines()
    written = ", but n was written" if words[0] == "extract" else ""
    assert error == f"torch-model-archiver: error: stdout: No space left on device{written} [stdout-unwritable]"
    assert explain.endswith("explain stdout-unwritable")
    assert len(before) == bool(written)


@needs_full
@pytest.mark.parametrize("words", [["--json"], ["verify", "gone.mar", "--json"], ["verify", "--json"]], ids=" ".join)
def test_the_document_of_a_failure_that_cannot_be_written_is_a_second_error(words: list[str]) -> None:
    with FULL.open("w") as full:
        command = [*COMMAND[:3], *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    first, second = [line for line in done.stderr.splitlines() if ": error: " in line]
    assert "stdout" not in first
    assert second.endswith("stdout: No space left on device [stdout-unwritable]")


@needs_full
def test_a_failure_to_print_leaves_no_descriptor_open(run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    with FULL.open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        before = len(list(Path("/dev/fd").iterdir()))
        assert run(*MODEL, "--dry-run").status == 1
        assert len(list(Path("/dev/fd").iterdir())) == before
