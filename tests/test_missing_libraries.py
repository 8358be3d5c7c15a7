"""A library that is missing or broken is named in one line, without a traceback, and no archive is lost."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_archiver import verify
from tests.packing import make

pty = pytest.importorskip("pty")

ROOT = Path(__file__).parent.parent
PROGRAM = """
import sys

library, failure = sys.argv[1:3]


class Missing:
    def find_spec(name, *_):
        if name.partition(".")[0] == library and failure == "missing":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


sys.meta_path.insert(0, Missing)
from model_archiver.cli import main, terminal

terminal._DELAY = terminal._INTERVAL = 0.0  # a bar appears at once where stderr is a terminal
sys.exit(main(sys.argv[3:]))
"""
FAILURES = ("missing", "ImportError", "RuntimeError")
BUILD = ("--model-name", "m", "--handler", "handler.py", "--extra-files", "large.bin")
MODELS = "- {model-name: m, handler: handler.py}\n"
NEEDED = {
    ("yaml", "explain", "file-missing"): "yaml",
    ("yaml", "build", "models.yaml"): "yaml",
    ("yaml", *BUILD, "--config-file", "config.yaml"): "yaml",
    ("packaging", *BUILD, "--requirements-file", "requirements.txt"): "packaging",
    ("distributed", "build", "models.yaml", "--dask", "127.0.0.1:1"): "the extra [dask]",
    ("shtab", "completion", "bash"): "the extra [completion]",
}
"""The commands that need a library, and what the line names."""


def command(library: str, failure: str, *words: str) -> list[str]:
    """Return the command line of ``torch-model-archiver`` where a library cannot be imported."""
    if failure != "missing":
        make(f"broken/{library}.py", text=f"raise {failure}('it was built for another processor')\n")
    return [sys.executable, "-c", PROGRAM, library, failure, *words]


def environ() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(["broken", str(ROOT)])}


@pytest.fixture(autouse=True)
def files(inputs: Path) -> Path:
    """The small model, with what the commands read."""
    make("models.yaml", text=MODELS)
    (inputs / "large.bin").write_bytes(os.urandom(1 << 20))  # large enough for ISA-L, and for a bar
    return inputs


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("words", NEEDED, ids=lambda words: "-".join(words[:2]))
def test_a_library_that_a_command_needs_is_named(words: tuple[str, ...], failure: str) -> None:
    library, *arguments = words
    line = command(library, failure, *arguments)
    done = subprocess.run(line, env=environ(), check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    (error,) = done.stderr.splitlines()
    assert error.startswith("torch-model-archiver: error: ")
    assert "internal error" not in error
    assert NEEDED[words] in error.lower()
    assert not Path("m.mar").exists()


@pytest.mark.parametrize(
    ("library", "failure"),
    [
        *((library, failure) for library in ("isal", "tqdm") for failure in FAILURES),
        *((library, "RuntimeError") for library in ("yaml", "packaging", "distributed", "shtab")),
    ],
)
def test_a_build_on_a_terminal_needs_no_other_library(library: str, failure: str) -> None:
    """ISA-L is only faster, and the bar only shows how far the build is."""
    main, terminal = pty.openpty()
    process = subprocess.Popen(command(library, failure, *BUILD), env=environ(), stdout=-1, stderr=terminal)
    os.close(terminal)
    shown = b""
    try:
        while block := os.read(main, 1 << 16):
            shown += block
    except OSError:  # Linux says so at the end
        pass
    os.close(main)
    assert process.communicate() == (b"", None)
    assert process.returncode == 0, shown
    assert b"m.mar (2 files, " in shown
    assert b"rror" not in shown
    assert verify("m.mar").problems == ()
