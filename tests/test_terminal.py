"""What people see: a real pseudo-terminal of 80 columns, progress bar included."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.foreign import HONEST, Raw, mar

pty = pytest.importorskip("pty")
import fcntl  # noqa: E402 - there is none where there is no pty
import struct  # noqa: E402
import termios  # noqa: E402

BAR = re.compile(r"\d+%\|.*\| [\d.]+[kMG]?B?/[\d.]+[kMG]B? \[\d\d:\d\d<\d\d:\d\d, +[\d.]+[kMG]?B/s\]")


CLOCK = """\
import os, time
moments = iter(range(1 << 60))
time.time = lambda: next(moments) * float(os.environ["STEP"])
"""
"""A clock that goes on by so many seconds whenever it is read: no machine is too fast or too slow for a bar."""


def screen(*words: object, columns: int = 80, step: float = 0, **environment: str) -> str:
    Path("clock").mkdir(exist_ok=True)
    Path("clock/sitecustomize.py").write_text(CLOCK)
    paths = [Path("clock").absolute(), Path(__file__).parents[1], *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "STEP": str(step), **environment}
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))
        # Given whole: readline, which pytest imports, sets COLUMNS behind Python's back.
        given = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        command = [sys.executable, "-m", "model_archiver", *map(str, words)]
        os.execve(sys.executable, command, {**given, "TERM": "xterm", **environment})
    shown = b""
    while True:
        try:
            block = os.read(terminal, 65536)
        except OSError:  # Linux tells the end so
            break
        if not block:
            break
        shown += block
    os.waitpid(child, 0)
    os.close(terminal)
    return shown.decode()


def lines_of(shown: str) -> list[str]:
    """The lines of a screen without colours."""
    return re.sub(r"\x1b\[\d*m", "", shown).replace("\r\n", "\n").splitlines()


LONG = Raw(f"{'deep/' * 30}weights.bin".encode(), b"x" * 2000)


@pytest.fixture
def deep(work: Path) -> Path:
    """An archive with a file whose path is longer than a line, and one that is damaged."""
    return mar(LONG, Raw(b"broken.bin", b"x", crc32=1), *HONEST)


def test_a_table_fits_the_terminal(work) -> None:
    lines = lines_of(screen("inspect", mar(LONG, *HONEST)))
    assert max(map(len, lines)) == 80
    assert re.fullmatch(r"deep/deep/.*\.\.\..*/weights\.bin  2,000       2,000  extra", lines[11])
    assert len(lines[8]) == 80
    assert re.fullmatch(r"digest   sha256:[0-9a-f]{64}", lines[8])


def test_a_wider_terminal_shows_more(work) -> None:
    archive = mar(LONG, *HONEST)
    assert "..." in screen("inspect", archive)
    assert "..." not in screen("inspect", archive, columns=240)


def test_problems_are_whole_lines_before_the_verdict(deep: Path) -> None:
    lines = lines_of(screen("verify", deep))
    assert ["torch-model-archiver: error: broken.bin: " in line for line in lines] == [True, False]
    assert lines[-1] == "m.mar: rejected, 1 error"


def test_colours_are_for_terminals_that_want_them(deep: Path, run: Command) -> None:
    assert "\x1b[31mrejected\x1b[0m" in screen("verify", deep)
    assert "\x1b[1mpath" in screen("inspect", deep)
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in screen("verify", deep, **environment)
    assert "\x1b" not in run("verify", deep).out


def test_piped_output_is_not_truncated(deep: Path, run: Command) -> None:
    assert f"{'deep/' * 30}weights.bin  2,000       2,000  extra" in run("inspect", deep).out


def test_what_takes_long_has_a_bar_with_bytes_rate_and_time_left(work: Path) -> None:
    Path("large.bin").write_bytes(os.urandom(1 << 20) * 20)
    words = ["--serialized-file", "large.bin", "--archive-format", "tgz"]
    packaging = screen("--model-name", "m", "--handler", "vllm_handler", *words, step=0.3)
    verifying = screen("verify", "m.tar.gz", step=0.3)
    for shown in (packaging, verifying):
        bars = [line for line in re.split(r"[\r\n]", shown) if "%|" in line]
        assert bars
        assert all(len(line) <= 80 for line in bars)
        assert any(BAR.search(line) for line in bars), bars
        assert "%|" not in lines_of(shown.rpartition("\r")[2])[-1]
    assert "%|" not in screen("verify", "m.tar.gz", "--quiet", step=0.3)


def test_a_quick_command_has_no_bar(work) -> None:
    shown = screen("verify", mar())
    assert "%|" not in shown
    assert "m.mar: " in shown
