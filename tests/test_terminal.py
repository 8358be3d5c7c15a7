"""What people see: a real pseudo-terminal, and what stays on its screen after a progress bar."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from model_archiver import ModelArchiverConfig, diff, extract, inspect, try_archive, verify
from model_archiver.commands.package import plan_package
from model_archiver.writing.build import build
from tests.archives import FORMATS, output
from tests.conftest import Command
from tests.foreign import HONEST, Raw, mar

pty = pytest.importorskip("pty")
pyte = pytest.importorskip("pyte")
import fcntl  # noqa: E402 - there is none where there is no pty
import struct  # noqa: E402
import termios  # noqa: E402

BAR = re.compile(r"\d+%\|.*\| [\d.]+[kMG]?B?/[\d.]+[kMG]B? \[\d\d:\d\d<\d\d:\d\d, +[\d.]+[kMG]?B/s\]")
ANY_BAR = re.compile(r"\d+%(?:\|| [\d.]+[kMG]?/|$)", re.MULTILINE)
PAUSE = b"\x1b]0;pause\x07"


CLOCK = """\
import itertools, os, signal, sys, time
readings, step, pause = itertools.count(), float(os.environ["STEP"]), os.environ.get("PAUSE", "").split()

def read():
    reading = next(readings)
    if str(reading) in pause:
        os.write(2, PAUSE)
        os.kill(os.getpid(), signal.SIGSTOP)
    return reading * step

time.perf_counter = read

def keep(event, arguments):
    if event == "os.remove" and ".building" in str(arguments[0]):
        raise OSError("kept")

if "KEEP" in os.environ:
    sys.addaudithook(keep)
""".replace("PAUSE)", f"{PAUSE!r})")
"""A clock that goes on by so many seconds whenever it is read: no machine is too fast or too slow for a bar.

At some readings it stops the process, after a mark on the terminal, which sets the title and is not seen. With KEEP,
nothing can be removed from staging directories.
"""


@dataclass(frozen=True)
class Shown:
    status: int
    text: str  # all that was written to the terminal
    lines: list[str]  # that stand on the screen at the end
    pauses: list[list[str]]  # the same at each pause

    @property
    def bars(self) -> list[str]:
        return [line for line in re.split(r"[\r\n]", self.text) if ANY_BAR.search(line)]


def show(
    *words: object,
    columns: int = 80,
    step: float = 0,
    pauses: Sequence[tuple[int, int | bytes]] = (),
    **environment: str,
) -> Shown:
    """Run a command on a terminal; at readings of the clock, change its columns, or type something."""
    Path("clock").mkdir(exist_ok=True)
    Path("clock/sitecustomize.py").write_text(CLOCK)
    paths = [Path("clock").absolute(), Path(__file__).parents[1], *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "STEP": str(step), **environment}
    environment["PAUSE"] = " ".join(str(reading) for reading, _ in pauses)
    child, terminal = pty.fork()
    if child == 0:
        signal.signal(signal.SIGINT, signal.SIG_DFL)  # pytest in the background ignores it
        set_columns(0, columns)
        # Given whole: readline, which pytest imports, sets COLUMNS behind Python's back.
        given = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
        command = [sys.executable, "-m", "model_archiver", *map(str, words)]
        environment["TERMINAL"] = os.ttyname(0)
        os.execve(sys.executable, command, {**given, "TERM": "xterm", **environment})
    screen = pyte.Screen(columns or 80, 24)
    stream, text, seen = pyte.ByteStream(screen), "", []
    for _, action in pauses:
        text += read_until(terminal, PAUSE, stream)
        assert not text or text.endswith(PAUSE.decode()), text
        os.waitpid(child, os.WUNTRACED)
        seen.append(visible(screen))
        if isinstance(action, int):
            set_columns(terminal, action)
            screen.resize(columns=action)
        else:
            os.write(terminal, action)
            text += read_until(terminal, b"^C", stream)
        os.kill(child, signal.SIGCONT)
    text += read_until(terminal, None, stream)
    _, status = os.waitpid(child, 0)
    os.close(terminal)
    return Shown(os.waitstatus_to_exitcode(status), text, visible(screen), seen)


def set_columns(terminal: int, columns: int) -> None:
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, columns, 0, 0))


def read_until(terminal: int, end: bytes | None, stream: pyte.ByteStream) -> str:
    """Read what a terminal shows until it ends so, or to its very end."""
    shown = b""
    while end is None or not shown.endswith(end):
        try:
            block = os.read(terminal, 65536)
        except OSError:  # Linux tells the end so
            break
        if not block:
            break
        shown += block
        stream.feed(block)
    return shown.decode()


def visible(screen: pyte.Screen) -> list[str]:
    lines = [line.rstrip() for line in screen.display]
    return lines[: max((number for number, line in enumerate(lines, 1) if line), default=0)]


def screen(*words: object, **options: object) -> str:
    return show(*words, **options).text


def lines_of(shown: str) -> list[str]:
    """The lines of a screen without colours."""
    return re.sub(r"\x1b\[\d*m", "", shown).replace("\r\n", "\n").splitlines()


BUILD = ("--model-name", "m", "--handler", "vllm_handler", "--serialized-file", "large.bin", "-f")
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
    assert ["torch-model-archiver: error: broken.bin: " in line for line in lines] == [True, False, False]
    assert lines[-2] == "m.mar: rejected, 1 error"


def test_colours_are_for_terminals_that_want_them(deep: Path, run: Command) -> None:
    assert "\x1b[31mrejected\x1b[0m" in screen("verify", deep)
    assert "\x1b[1mpath" in screen("inspect", deep)
    for environment in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in screen("verify", deep, **environment)
    assert "\x1b" not in run("verify", deep).out


def test_piped_output_is_not_truncated(deep: Path, run: Command) -> None:
    assert f"{'deep/' * 30}weights.bin  2,000       2,000  extra" in run("inspect", deep).out


COMMANDS = {
    **{archive_format: (*BUILD, "--archive-format", archive_format) for archive_format in FORMATS},
    "deflated": (*BUILD, "--deflate", "always"),
    "linked": (*BUILD, "--archive-format", "no-archive", "--link"),
    "verify": ("verify", "m.mar"),
    "verify a tgz": ("verify", "m.tar.gz"),
    "verify a folder": ("verify", "m"),
    "extract": ("extract", "m.mar", "--to", "new"),
    "diff": ("diff", "m.mar", "m.tar.gz"),
    "test": ("test", "m.mar"),
    "inspect": ("inspect", "m.tar.gz"),
}


@pytest.fixture
def large(work: Path, run: Command) -> Path:
    """The working directory with weights, and archives of them in all formats."""
    Path("large.bin").write_bytes(os.urandom(1 << 20) * 20)
    for archive_format in FORMATS:
        assert run(*BUILD, "--archive-format", archive_format, "--export-path", "").status == 0
    return work


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
def test_what_takes_long_has_a_bar_with_bytes_rate_and_time_left_that_leaves_no_trace(large: Path, words) -> None:
    plain = show(*words)
    assert plain.bars == []
    shutil.rmtree("new", ignore_errors=True)
    long = show(*words, step=2)
    assert long.bars
    assert all(BAR.search(line) and len(line) < 80 for line in long.bars), long.bars
    assert (long.status, without_times(long.lines)) == (plain.status, without_times(plain.lines))
    assert show(*words, "--quiet", step=2).bars == []


def without_times(lines: list[str]) -> list[str]:
    return [re.sub(r"createdOn.*", "createdOn", line) for line in lines]


@pytest.mark.parametrize("columns", [1, 10, 20, 40, 0])
@pytest.mark.parametrize("name", ["tgz", "verify a tgz"])
def test_a_bar_fits_a_narrow_terminal_and_one_without_a_size(large: Path, columns: int, name: str) -> None:
    long = show(*COMMANDS[name], columns=columns, step=2)
    assert long.status == 0
    assert long.bars or columns == 1
    assert all(len(line) <= (columns or 80) for line in re.split(r"[\r\n]", long.text) if "%" in line)
    assert long.lines == show(*COMMANDS[name], columns=columns).lines


@pytest.mark.parametrize("sizes", [(40, 80), (10, 120), (20, 10), (200, 30)])
@pytest.mark.parametrize("name", ["tgz", "verify a tgz"])
def test_a_bar_follows_a_terminal_that_is_resized(large: Path, name: str, sizes: tuple[int, int]) -> None:
    pauses = list(zip((5, 8, 11), (*sizes, 80), strict=True))
    long = show(*COMMANDS[name], step=2, pauses=pauses)
    assert long.status == 0
    for columns, lines in zip((80, *sizes), long.pauses, strict=True):
        [line] = lines
        assert ANY_BAR.search(line)
        assert len(line) <= columns - 3
        assert len(line) == columns - 3 or columns < 70
    assert long.lines == show(*COMMANDS[name]).lines


@pytest.mark.parametrize("columns", [80, 40, 10])
def test_an_interruption_has_a_line_of_its_own(large: Path, columns: int) -> None:
    for name in ("tgz", "verify a tgz", "extract"):
        long = show(*COMMANDS[name], columns=columns, step=2, pauses=[(5, b"\x03")])
        assert ANY_BAR.search(long.pauses[0][-1])
        assert "".join(long.lines).endswith("torch-model-archiver: error: interrupted")
        assert len(long.lines) == -(-len("torch-model-archiver: error: interrupted") // columns)


def test_no_color_means_no_escape_sequences(large: Path) -> None:
    long = show(*COMMANDS["verify a tgz"], step=2, NO_COLOR="1")
    assert long.bars
    assert "\x1b" not in long.text


def test_a_terminal_that_cannot_go_back_has_no_bar(large: Path) -> None:
    words = COMMANDS["verify a tgz"]
    assert show(*words, step=2, TERM="dumb").text == show(*words, TERM="dumb").text


def test_a_warning_during_a_bar_has_a_line_of_its_own(large: Path) -> None:
    long = show(*COMMANDS["tgz"], columns=1000, step=2, pauses=[(5, b"\x03")], KEEP="1")
    assert ANY_BAR.search(long.pauses[0][-1])
    assert [line.split(" ")[:2] for line in long.lines] == [
        ["torch-model-archiver:", "warning:"],
        ["torch-model-archiver:", "error:"],
    ]


LINKED = {"archive_format": "no-archive", "link": True}


class Counted:
    """Progress that counts, and notes where everything that was announced is processed."""

    def __init__(self) -> None:
        self.total = self.done = 0

    def __call__(self, count: int) -> None:
        assert count >= 0
        self.done += count

    def add_total(self, total: int) -> None:
        self.total += total


def damage(archive: Path) -> Path:
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes(data)
    return archive


@pytest.mark.parametrize("archive_format", [*FORMATS, "sagemaker", "damaged mar", "damaged tgz"])
def test_every_announced_byte_is_reported_whatever_is_read(work: Path, run: Command, archive_format: str) -> None:
    Path("large.bin").write_bytes(os.urandom(1 << 20))
    kind = {"damaged mar": "default", "damaged tgz": "tgz"}.get(archive_format, archive_format)
    words = ["--target", "sagemaker"] if kind == "sagemaker" else ["--archive-format", kind]
    assert run(*BUILD, *words).status == 0
    archive = Path("model.tar.gz") if kind == "sagemaker" else output("m", kind)
    if kind != archive_format:
        damage(archive)
    commands = [verify, try_archive]
    if kind not in ("default", "zip-store"):  # whose index is enough
        commands.append(inspect)
    if kind == archive_format:
        commands += [partial(extract, to="new"), lambda archive, progress: diff(archive, archive, progress=progress)]
    for command in commands:
        progress = Counted()
        command(archive, progress=progress)
        assert progress.done == progress.total > 0, command


@pytest.mark.parametrize("fields", [*({"archive_format": each} for each in FORMATS), {"deflate": "always"}, LINKED])
def test_every_byte_of_the_sources_is_reported_when_an_archive_is_built(work: Path, fields: dict[str, object]) -> None:
    Path("large.bin").write_bytes(os.urandom(1 << 20))
    Path("small.txt").write_bytes(b"small")
    config = ModelArchiverConfig(model_name="m", handler="vllm_handler", extra_files="large.bin,small.txt", **fields)
    plan, _, _ = plan_package(config)
    progress = Counted()
    build(plan, progress)
    assert progress.done == plan.size == (1 << 20) + 5


def test_a_quick_command_has_no_bar(work) -> None:
    shown = screen("verify", mar())
    assert "%|" not in shown
    assert "m.mar: " in shown
