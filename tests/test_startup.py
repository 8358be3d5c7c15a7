"""A command loads what it uses: a shell waits for every import."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.packing import HANDLER, make

PROGRAM = """
import sys
from model_archiver.cli import main
status = main(sys.argv[1:])
print(*sorted(sys.modules), sep="\\n", file=sys.stderr)
sys.exit(status)
"""
NEVER = {
    *("concurrent.futures", "ctypes", "difflib", "logging", "tarfile", "tempfile", "tqdm", "traceback", "zipfile"),
    *("packaging", "yaml"),
}
PACKAGING = {"isal", "json", "model_archiver.writing.build", "model_archiver.planning.planner"}


def loaded(*words: str) -> set[str]:
    done = subprocess.run([sys.executable, "-c", PROGRAM, *words], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split("\n"))


@pytest.mark.parametrize("words", [("--help",), ("--tool-version",), ("verify", "--help")])
def test_help_loads_no_module_that_it_does_not_need(words: tuple[str, ...]) -> None:
    assert [name for name in NEVER | PACKAGING if find_spec(name) is None] == []
    modules = loaded(*words)
    assert "model_archiver.cli" in modules
    assert modules.isdisjoint(NEVER | PACKAGING)


@pytest.mark.parametrize("archive_format", ["default", "zip-store", "no-archive"])
def test_a_small_build_loads_only_what_it_uses(work: Path, archive_format: str) -> None:
    (work / "model.pt").write_bytes(b"weights" * 1000)
    words = ["--model-name", "m", "--handler", "base_handler", "--serialized-file", "model.pt"]
    modules = loaded(*words, "--archive-format", archive_format, "--force")
    assert "model_archiver.writing.build" in modules
    assert modules.isdisjoint(NEVER - ({"ctypes"} if archive_format == "no-archive" else set()))
    writers = {f"model_archiver.writing.{name}" for name in ("mar", "tgz", "folder")}
    assert len(modules & writers) == 1


@pytest.mark.parametrize("module", ["yaml", "json", "token"])
def test_modules_of_the_current_folder_are_never_imported(work: Path, module: str) -> None:
    make(f"{module}.py", text="open('imported', 'w')\n")
    make("handler.py", text=HANDLER)
    make("config.yaml", text="minWorkers: 1\nmaxWorkers: 1\n")
    words = ["-m", "model_archiver", "--model-name", "m", "--handler", "handler.py", "--config-file", "config.yaml"]
    done = subprocess.run([sys.executable, *words], check=False, capture_output=True, text=True)
    assert (done.returncode, (work / "imported").exists()) == (0, False), done.stderr
