"""A command loads only what it uses, because each import takes time before anything happens."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.packing import HANDLER, make

ROOT = Path(__file__).parent.parent
PROGRAM = """
import sys
before = set(sys.modules)
from model_archiver.cli import main
status = main(sys.argv[1:])
print(*sorted(set(sys.modules) - before), sep="\\n", file=sys.stderr)
sys.exit(status)
"""
NEVER = {
    *("ast", "concurrent.futures", "ctypes", "dataclasses", "difflib", "inspect", "logging", "random"),
    *("shlex", "shutil", "subprocess", "tarfile", "tempfile", "tokenize", "tqdm", "traceback", "typing", "zipfile"),
    *("packaging", "yaml"),
}
NOT_FOR_HELP = NEVER | {"hashlib", "isal", "json", "pathlib"}
USAGE = ("--serialised-file", "model.pt")
MOST_OWN = 48
MOST_OTHERS = 64


def loaded(*words: str, status: int = 0) -> set[str]:
    """Return the modules that a command loads, without what a ``.pth`` file of this environment loads."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")])}
    command = [sys.executable, "-S", "-c", PROGRAM, *words]
    done = subprocess.run(command, env=environ, check=False, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return set(done.stderr.splitlines())


def own(modules: set[str]) -> set[str]:
    return {name for name in modules if name.partition(".")[0] == "model_archiver"}


@pytest.mark.parametrize("words", [("--help",), ("--tool-version",), ("verify", "--help"), USAGE])
def test_help_and_usage_errors_load_only_the_parser(words: tuple[str, ...]) -> None:
    modules = loaded(*words, status=2 if words == USAGE else 0)
    allowed = {"difflib"} if words == USAGE else set()
    assert sorted(modules & (NOT_FOR_HELP - allowed)) == []
    rooms = ("checks", "planning", "reading", "writing")
    assert not [name for name in modules if name.startswith(tuple(f"model_archiver.{room}" for room in rooms))]


@pytest.mark.parametrize("archive_format", ["default", "zip-store", "no-archive"])
def test_a_small_build_with_all_checks_loads_only_what_it_uses(model: Path, archive_format: str) -> None:
    text = "from ts.torch_handler.base_handler import BaseHandler\n\n\nclass Listing(BaseHandler):\n    pass\n"
    (model / "handler.py").write_text(text)
    words = ["--model-name", "m", "--handler", "handler.py", "--serialized-file", "model.pt"]
    modules = loaded(*words, "--extra-files", "index_to_name.json", "--archive-format", archive_format)
    allowed = {"ctypes"} if archive_format == "no-archive" else set()
    assert sorted(modules & (NEVER - allowed)) == []
    assert len(own(modules)) <= MOST_OWN, sorted(own(modules))
    assert len(modules - own(modules)) <= MOST_OTHERS, sorted(modules - own(modules))
    assert len(modules & {f"model_archiver.writing.{name}" for name in ("mar", "tgz", "folder")}) == 1


@pytest.mark.parametrize("module", ["yaml", "json", "token"])
def test_modules_of_the_current_folder_are_never_imported(work: Path, module: str) -> None:
    make(f"{module}.py", text="open('imported', 'w')\n")
    make("handler.py", text=HANDLER)
    make("config.yaml", text="minWorkers: 1\nmaxWorkers: 1\n")
    words = ["-m", "model_archiver", "--model-name", "m", "--handler", "handler.py", "--config-file", "config.yaml"]
    done = subprocess.run([sys.executable, *words], check=False, capture_output=True, text=True)
    assert (done.returncode, (work / "imported").exists()) == (0, False), done.stderr
