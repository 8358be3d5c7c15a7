"""What the command does where nobody can read what it prints, or not in every alphabet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-m", "model_archiver", "--model-name", "m", "--extra-files", "d"]


@pytest.fixture(autouse=True)
def folder(work: Path) -> Path:
    """A folder with a file whose name is not ASCII."""
    (work / "d").mkdir()
    (work / "d/é.txt").write_text("x")
    return work / "d"


def _run(*words: str, **options: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    return subprocess.run(
        [*COMMAND, *words], stderr=subprocess.PIPE, text=True, env=environment, timeout=60, check=False, **options
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


def test_a_reader_that_has_gone_is_no_bug() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = _run("--dry-run", stdout=writing)
    os.close(writing)
    assert done.returncode == 1
    assert "bug" not in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) <= 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_below_stdout_is_told_in_one_line() -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 - it is a device
        done = _run("--dry-run", stdout=full)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "No space left on device" in done.stderr
    assert "bug" not in done.stderr


def test_the_archive_is_made_though_nobody_reads_stderr() -> None:
    done = subprocess.run([*COMMAND, "--quiet"], stderr=subprocess.DEVNULL, check=False, timeout=60)
    assert done.returncode == 0
    closed = subprocess.run(["sh", "-c", '"$@" 2>&-', "sh", *COMMAND, "-f"], check=False, timeout=60)
    assert closed.returncode == 0
    assert Path("m.mar").is_file()
