"""A build that is ended at whatever moment leaves the previous archive or the new one, and nothing else."""

from __future__ import annotations

import fcntl
import hashlib
import importlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType

import pytest

from model_archiver.cli import main
from model_archiver.core import running
from tests.archives import FORMATS, contents, output, tree
from tests.conftest import Command, Result
from tests.forks import fork, hidden, result, start, stopped_while_writing
from tests.packing import MODEL, build, make

SIGNALS = ("SIGINT", "SIGTERM", "SIGKILL")
MOMENTS = 10
STEPS = 24
MEGABYTE = 1 << 20


def words_for(archive_format: str, export_path: Path, *sources: object, name: str = "m") -> list[str]:
    words = ["--model-name", name, *MODEL[2:], "-f", "--archive-format", archive_format]
    return [*words, "--export-path", str(export_path), "--extra-files", ",".join(map(str, sources))]


def fingerprint(target: Path) -> object:
    """Return what differs where an archive or folder differs in a byte."""
    if target.is_dir():
        return {path.relative_to(target).as_posix(): fingerprint(path) for path in target.rglob("*") if path.is_file()}
    return hashlib.sha256(target.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Previous:
    target: Path
    words: list[str]
    print: object

    @classmethod
    def build(cls, archive_format: str, folder: Path) -> Previous:
        (folder / "old.txt").write_text("of the previous build")
        export_path = folder / "out"
        words = [*words_for(archive_format, export_path, folder / "old.txt"), "--quiet"]
        assert main(words) == 0
        target = output("m", archive_format, export_path)
        return cls(target, words, fingerprint(target))

    def restore(self) -> None:
        """Put it back by a build, which also removes what a killed one has left."""
        if fingerprint(self.target) != self.print or hidden(self.target.parent):
            assert main(self.words) == 0
        assert fingerprint(self.target) == self.print
        assert hidden(self.target.parent) == []

    def check(self, ended: Result, number: int, new: object) -> None:
        """Whether all is as it must be after a build was sent a signal."""
        left = hidden(self.target.parent)
        assert len(list(self.target.parent.iterdir())) == 1 + len(left)
        now = fingerprint(self.target)
        assert now in (self.print, new)
        if number == signal.SIGKILL:
            assert len(left) <= 1
            return
        assert left == []
        assert now == new or ended.status == 130
        if ended.status == 130:
            after = "" if now == self.print else f" after {self.target} was written"
            assert ended.err == f"torch-model-archiver: error: interrupted{after}\n"


@pytest.fixture(autouse=True)
def same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Builds of the same content are the same bytes."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


@pytest.fixture(scope="session")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 150 MB to pack: weights, which hardly shrink, and text, which does."""
    folder = tmp_path_factory.mktemp("large") / "sources"
    folder.mkdir()
    with (folder / "weights.bin").open("wb") as file:
        for _ in range(100):
            file.write(os.urandom(MEGABYTE))
    with (folder / "vocabulary.txt").open("wb") as file:
        file.writelines(b"a word and another one %d\n" % number for number in range(50 * MEGABYTE // 32))
    return folder


Whole = tuple[float, object]


@pytest.fixture(scope="session")
def whole(large: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Whole]:
    """How long a whole build takes from the making of its staging folder on, and what comes out."""
    known: dict[str, Whole] = {}

    def of(archive_format: str) -> Whole:
        if archive_format not in known:
            folder = tmp_path_factory.mktemp("whole")
            process = start(*words_for(archive_format, folder, large))
            wait_for_staging(folder, process)
            begun = time.monotonic()
            assert result(process).status == 0
            known[archive_format] = time.monotonic() - begun, fingerprint(output("m", archive_format, folder))
        return known[archive_format]

    return of


def wait_for_staging(folder: Path, process: object) -> None:
    while not hidden(folder) and process.poll() is None:
        time.sleep(0.002)


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_large_build_ended_at_ten_moments_leaves_the_previous_archive_or_the_new_one(
    large: Path, whole: Callable[[str], Whole], tmp_path: Path, archive_format: str, name: str
) -> None:
    number = signal.Signals[name]
    seconds, new = whole(archive_format)
    previous = Previous.build(archive_format, tmp_path)
    for moment in range(MOMENTS):
        process = start(*words_for(archive_format, previous.target.parent, large), "--quiet")
        wait_for_staging(previous.target.parent, process)
        time.sleep(seconds * moment / (MOMENTS - 1))
        process.send_signal(number)
        previous.check(result(process), number, new)
        previous.restore()


@pytest.mark.parametrize("name", SIGNALS)
@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_build_ended_at_any_line_of_its_code_leaves_the_previous_archive_or_the_new_one(
    tmp_path: Path, archive_format: str, name: str
) -> None:
    number = signal.Signals[name]
    (tmp_path / "sources").mkdir()
    (tmp_path / "sources" / "weights.bin").write_bytes(os.urandom(600_000))
    (tmp_path / "sources" / "text.txt").write_bytes(b"text\n" * 500_000)
    words = [*words_for(archive_format, tmp_path / "new", tmp_path / "sources"), "--quiet"]
    assert main(words) == 0
    new = fingerprint(output("m", archive_format, tmp_path / "new"))
    previous = Previous.build(archive_format, tmp_path)
    words[words.index("--export-path") + 1] = str(previous.target.parent)

    log = os.open(tmp_path / "steps", os.O_WRONLY | os.O_CREAT)
    fork(words, tmp_path / "err", lambda: trace_steps(lambda _: os.write(log, b"."))).result()
    os.close(log)
    steps = (tmp_path / "steps").stat().st_size
    assert steps > 1000
    previous.restore()
    for moment in range(STEPS):
        last = steps * moment // STEPS + 1

        def end(step: int, last: int = last) -> None:
            if step == last:
                os.kill(os.getpid(), number)

        ended = fork(words, tmp_path / "err", partial(trace_steps, end)).result()
        previous.check(ended, number, new)
        previous.restore()


def trace_steps(act: Callable[[int], None]) -> None:
    """Call *act* at each line of Python that a build runs, the standard library's too, with its number from 1 on."""
    step, begun = 0, False

    def trace(frame: FrameType, event: str, argument: object) -> object:
        nonlocal step, begun
        begun = begun or frame.f_code.co_name == "_build_archive"
        if begun:
            step += 1
            act(step)
        return trace

    sys.settrace(trace)


def test_a_build_ended_before_it_replaced_anything_leaves_no_export_path(tmp_path: Path) -> None:
    running = stopped_while_writing(words_for("tgz", tmp_path / "not" / "there"), "new", tmp_path)
    os.kill(running.pid, signal.SIGTERM)
    assert running.go_on().status == 130
    assert not (tmp_path / "not").exists()


def test_a_second_signal_does_not_tear_the_cleaning_up(tmp_path: Path) -> None:
    previous = Previous.build("tgz", tmp_path)
    running = stopped_while_writing(words_for("tgz", previous.target.parent), "new", tmp_path)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        os.kill(running.pid, number)
    previous.check(running.go_on(), signal.SIGINT, None)


def test_under_nohup_a_build_does_not_end_with_its_terminal(large: Path, tmp_path: Path) -> None:
    words = words_for("zip-store", tmp_path / "out", large)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # which children inherit
    try:
        process = start(*words)
    finally:
        signal.signal(signal.SIGHUP, before)
    while process.poll() is None:
        process.send_signal(signal.SIGHUP)
        time.sleep(0.02)
    assert result(process).status == 0


def test_what_a_killed_build_left_goes_with_the_next_build_of_that_name(tmp_path: Path) -> None:
    running = stopped_while_writing(words_for("tgz", tmp_path / "out"), "new", tmp_path)
    os.kill(running.pid, signal.SIGKILL)
    assert running.result().status == -signal.SIGKILL
    assert len(hidden(tmp_path / "out")) == 1
    assert main(words_for("tgz", tmp_path / "out", name="other")) == 0
    assert len(hidden(tmp_path / "out")) == 1
    assert main(words_for("tgz", tmp_path / "out")) == 0
    assert hidden(tmp_path / "out") == []


def test_the_staging_folder_of_a_build_that_waits_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    running = stopped_while_writing(words_for("tgz", tmp_path / "out", tmp_path / "b.txt"), "new", tmp_path)
    in_use = hidden(tmp_path / "out")
    assert len(in_use) == 1
    assert main(words_for("tgz", tmp_path / "out", tmp_path / "a.txt")) == 0
    assert hidden(tmp_path / "out") == in_use
    assert "a.txt" in contents(output("m", "tgz", tmp_path / "out"))
    assert running.go_on().status == 0
    assert hidden(tmp_path / "out") == []
    assert "b.txt" in contents(output("m", "tgz", tmp_path / "out"))


def test_a_folder_whose_lock_is_held_is_removed_only_when_it_is_released(model: Path, run: Command) -> None:
    folder = model / ".m.0123abcd.building"
    make(f"{folder}/m.mar")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        build(run, "-f")
        assert (folder / "m.mar").exists()
    build(run, "-f")
    assert not folder.exists()


def test_a_folder_whose_build_was_killed_before_it_could_lock_it_is_removed(model: Path, run: Command) -> None:
    (model / ".m.0123abcd.building").mkdir()
    build(run)
    assert hidden(model) == []


@pytest.mark.parametrize(
    "path",
    [
        ".m.abcdef12.01234567.building/lock",  # of the model m.abcdef12
        ".mm.01234567.building/lock",
        ".m.0123456.building/lock",
        ".m.0123456789.building/lock",
        ".m.01234567.building.old/lock",
        ".m.backup.building/lock",
        ".m/lock",
        ".m.01234567.building/notes.txt",  # which no build has locked
    ],
)
def test_hidden_folders_of_others_are_left_alone(model: Path, run: Command, path: str) -> None:
    make(path)
    before = tree(model)
    build(run)
    assert before.items() <= tree(model).items()


def test_no_link_at_or_in_a_staging_folder_is_followed(model: Path, run: Command) -> None:
    make("mine/lock", "mine/set-aside/secret", ".m.00000001.building/lock", ".m.00000002.building/new")
    (model / ".m.00000000.building").symlink_to("mine")
    (model / ".m.00000001.building/set-aside").symlink_to(model / "mine/set-aside")
    (model / ".m.00000002.building/lock").symlink_to(model / "mine/lock")
    before = tree(model / "mine")
    build(run)
    assert tree(model / "mine") == before
    assert hidden(model) == [".m.00000000.building", ".m.00000002.building"]
    assert not (model / "secret").exists()


@pytest.mark.parametrize("archive_format", ["default", "no-archive"])
@pytest.mark.parametrize("name", ["lock", "new", "set-aside", "replaced"])
def test_a_model_may_have_the_name_of_what_is_in_a_staging_folder(work, run: Command, name, archive_format) -> None:
    for _ in range(2):
        build(run, "-f", name=name, archive_format=archive_format)
    assert hidden(Path()) == []


def test_a_signal_handler_that_python_does_not_know_stays(work, run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = []
    monkeypatch.setattr(running.signal, "getsignal", lambda number: None)  # as of one that came from C
    monkeypatch.setattr(running.signal, "signal", lambda *arguments: installed.append(arguments))
    build(run)
    assert installed == []


SCRIPT = "import sys\nfrom model_archiver.cli import main\n\nsys.exit(main())\n"  # as pip writes it
CLOCK = """\
import os, sys
files = []
def note(event, arguments):
    name = getattr(arguments[0], "co_filename", "") if event == "exec" and len(files) < 2 else ""
    if "model_archiver" in name:
        files.append(name)
        if len(files) == 2:
            os.write(int(os.environ["CLOCK"]), b".")
sys.addaudithook(note)
"""
"""Tells through a pipe when Python has run the first file of the package: `__init__`, and is about to run the next."""
TRIES = 75
INTERRUPTED = "torch-model-archiver: error: interrupted\n"


@pytest.fixture
def interruptible(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The folder of a script and of the clock; processes take SIGINT, which pytest in the background ignores."""
    (tmp_path / "torch-model-archiver").write_text(SCRIPT)
    (tmp_path / "sitecustomize.py").write_text(CLOCK)
    paths = [tmp_path, Path(__file__).parents[1], *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(map(str, paths)))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield tmp_path
    signal.signal(signal.SIGINT, before)


def run_for(command: list[object], seconds: float | None) -> tuple[Result, float]:
    """Run a command and interrupt it so long after it began with the package; also how long it took from there on."""
    reading, writing = os.pipe()
    environ = {**os.environ, "CLOCK": str(writing)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "pass_fds": [writing]}
    process = subprocess.Popen([sys.executable, *map(str, command)], env=environ, **pipes)
    os.close(writing)
    with os.fdopen(reading, "rb") as clock:
        assert clock.read(1) == b"."
    begun = time.monotonic()
    if seconds is not None:
        time.sleep(seconds)
        process.send_signal(signal.SIGINT)
    return result(process), time.monotonic() - begun


@pytest.mark.parametrize("words", [("--help",), (*MODEL, "--extra-files", "model.py,model.pt")])
@pytest.mark.parametrize("program", ["torch-model-archiver", "-m"])
def test_a_command_interrupted_at_any_moment_prints_one_line_or_ends_silently(
    interruptible: Path, model: Path, program: str, words: tuple[str, ...]
) -> None:
    command = [*(("-m", "model_archiver") if program == "-m" else (interruptible / program,)), *words]
    whole, seconds = run_for([*command, "--export-path", "whole"], None)
    assert whole.status == 0
    closing = {whole.err.replace("whole/m.mar", f"{number}/m.mar") for number in range(TRIES)}

    def one(number: int) -> int:
        moment = random.uniform(0, seconds)
        ended, _ = run_for([*command, "--export-path", number], moment)
        assert ended.status in (-signal.SIGINT, 130, 0), (moment, ended)
        folder = model / str(number)
        late = INTERRUPTED.replace("interrupted", f"interrupted after {folder / 'm.mar'} was written")
        assert ended.err in ([INTERRUPTED, late] if ended.status == 130 else ["", *closing]), (moment, ended)
        assert ended.out in ("", whole.out)
        assert not folder.exists() or [path.name for path in folder.iterdir()] == ["m.mar"]
        assert folder.exists() or ended.err != late
        return ended.status

    with ThreadPoolExecutor(4) as pool:
        assert -signal.SIGINT in list(pool.map(one, range(TRIES)))


def test_an_interruption_during_an_import_comes_when_it_has_ended(interruptible: Path, monkeypatch) -> None:
    make(str(interruptible / "slow.py"), text="import os\nos.kill(os.getpid(), 2)\nfinished = True\n")
    monkeypatch.syspath_prepend(interruptible)
    with pytest.raises(KeyboardInterrupt), running.interrupted_by_signals():
        importlib.import_module("slow")
    assert sys.modules.pop("slow").finished


IMPORTED_PROGRAM = """\
import os
from model_archiver.core import running
went_on = False
try:
    with running.interrupted_by_signals():
        os.kill(os.getpid(), 2)
        went_on = True
except KeyboardInterrupt:
    pass
"""


def test_a_command_that_runs_while_its_caller_is_imported_is_interrupted_at_once(interruptible, monkeypatch) -> None:
    make(str(interruptible / "my-importlib/program.py"), text=IMPORTED_PROGRAM)
    monkeypatch.syspath_prepend(interruptible / "my-importlib")
    profiler = sys.getprofile()
    assert not importlib.import_module("program").went_on
    assert sys.getprofile() is profiler
    del sys.modules["program"]


def test_modules_that_cannot_be_read_are_one_line(model: Path, tmp_path: Path) -> None:
    shutil.copytree(Path(running.__file__).parents[1], tmp_path / "model_archiver")
    for module, words in (("cli/parser.py", ["--help"]), ("writing/build.py", MODEL)):
        (tmp_path / "model_archiver" / module).rename(tmp_path / "taken")
        ended = result(start(*words, PYTHONPATH=str(tmp_path), PYTHONDONTWRITEBYTECODE="1"))
        (tmp_path / "taken").rename(tmp_path / "model_archiver" / module)
        assert (ended.status, len(ended.err.splitlines())) == (1, 1), ended.err
        assert "internal" not in ended.err
        assert "No module named" in ended.err
        assert "install this tool again" in ended.err


IMPORTER = """\
import pkgutil, signal
before = [*map(signal.getsignal, signal.valid_signals())]
import model_archiver
for module in pkgutil.walk_packages(model_archiver.__path__, "model_archiver."):
    __import__(module.name)
print([getattr(model_archiver, name) for name in model_archiver.__all__])
assert before == [*map(signal.getsignal, signal.valid_signals())]
"""


@pytest.mark.parametrize("words", [["-c", IMPORTER], ["-m", "app", "model_archiver"], ["app"]])
def test_a_program_that_imports_the_package_keeps_its_signal_handlers(interruptible, work: Path, words) -> None:
    make("app/__init__.py", "app/__main__.py", text=IMPORTER)
    ended, _ = run_for(words, None)
    assert ended.status == 0, ended.err
