"""Nothing is left of a trial, whatever the model does: no process, no file, and no memory that its output fills.

Processes are looked for in /proc: those that a model starts have a number in their arguments that no other run has.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .sending import ANSWERS, send

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Command

    from .sending import Packer

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]

SECONDS = str(100_000 + os.getpid())
START = f"import os, signal, subprocess, time\ncommand = ['sleep', '{SECONDS}']\n"
LEFT = {
    "a child": f"{START}subprocess.Popen(command)\n",
    "a child in a session of its own": f"{START}subprocess.Popen(command, start_new_session=True)\n",
    "a child that nothing leads to": (
        f"{START}if os.fork() == 0:\n    os.setsid()\n"
        "    subprocess.Popen(command, start_new_session=True, env={}, cwd='/')\n    os._exit(0)\n"
    ),
    "a child without the log": (
        f"{START}subprocess.Popen(command, start_new_session=True, stdin=-3, stdout=-3, stderr=-3, cwd='/')\n"
    ),
    "children that ignore signals": (
        f"{START}for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):\n"
        "    signal.signal(number, signal.SIG_IGN)\n"
        "for _ in range(5):\n    if os.fork() == 0:\n        os.setsid()\n        os.execvp(command[0], command)\n"
    ),
    "children that are stopped": (
        f"{START}child = subprocess.Popen(command, start_new_session=True)\nos.kill(child.pid, signal.SIGSTOP)\n"
    ),
    # Each process of the chain starts the next one and ends.
    "a chain of forks": (
        f"{START}if os.fork() == 0:\n    os.setsid()\n"
        "    while os.fork() == 0:\n        time.sleep(0.2)\n    os._exit(0)\n"
    ),
    "a zombie": f"{START}if os.fork() == 0:\n    os._exit(0)\n",
    "a folder without permissions": (
        "import os, tempfile\nfolder = tempfile.mkdtemp()\nopen(folder + '/x', 'w').close()\nos.chmod(folder, 0)\n"
    ),
    "links that lead out": "import os, tempfile\nos.symlink('/', tempfile.gettempdir() + '/root')\n",
}
HANGS = "import time\ntime.sleep(999)\n"
ENDS = {
    "serves": ANSWERS,
    "exits at once": "import os\nos._exit(1)\n",
    "fails": "1 / 0\n",
    "is killed": "import os\nos.kill(os.getpid(), 9)\n",
    "hangs": HANGS,
}

FILL = "import os\nblock = {block}\nfor _ in range(1024):\n    os.write(1, block)\nprint('\\nlast')\n"
LINES, ONE_LINE = (FILL.format(block=block) for block in ("(b'x' * 1023 + b'\\n') * 1024", "b'x' * (1 << 20)"))
IN_REQUEST = "def handle(data, context):\n    if data:\n{}    return ['x' for _ in data or ['load']]\n"
GIGABYTES = {
    "lines, at import": LINES + ANSWERS,
    "one line, at import": ONE_LINE + ANSWERS,
    "lines, in a request": IN_REQUEST.format("".join(f"        {line}\n" for line in LINES.splitlines())),
    "lines, and a kill": f"{LINES}os.kill(os.getpid(), 9)\n",
}
MEASURED = """
import sys
from model_archiver.cli import main
status = main(sys.argv[1:])
[peak] = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
print("peak", status, peak)
"""


def running() -> list[str]:
    """Return the processes that models of this run left, and the zombies of this process."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
            is_ours = SECONDS.encode() in command or SECONDS.encode() in (process / "environ").read_bytes()
        except OSError:
            continue
        if is_ours or (int(parent) == os.getpid() and not command):
            found.append(f"{process.name}: {command!r}")
    return found


@pytest.fixture(autouse=True)
def _nothing_is_left(own_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """See to it that a test leaves no process and no file. What a worker starts has the number in its environment."""
    monkeypatch.setenv("LEFT_BY", SECONDS)
    before = set(running())
    yield
    assert set(running()) - before == set()
    assert not any(own_tmp.iterdir())


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("start", ["a child that nothing leads to", "a folder without permissions"])
def test_nothing_is_left_however_it_ends(pack: Packer, torchserve_python: Path, start: str, end: str) -> None:
    report = send(pack(LEFT[start] + ENDS[end]), torchserve_python, "a", timeout=4 if end == "hangs" else 60)
    assert report.is_ok == (end == "serves")


@pytest.mark.parametrize("start", [start for start in LEFT if start != "a child that nothing leads to"])
def test_nothing_is_left_whatever_it_starts(pack: Packer, torchserve_python: Path, start: str) -> None:
    assert send(pack(LEFT[start] + ANSWERS), torchserve_python, "a").is_ok


@pytest.mark.parametrize("end", ENDS)
def test_nothing_is_left_of_multi_model_server(work: Path, run_mms: Command, mms_python: Path, end: str) -> None:
    Path("d").mkdir()
    Path("d", "s.py").write_text(LEFT["a child that nothing leads to"] + ENDS[end])
    assert run_mms("--model-name", "m", "--model-path", "d", "--handler", "s", "--no-checks").status == 0
    report = send(Path("m.mar"), mms_python, "a", timeout=3 if end == "hangs" else 60)
    assert report.is_ok == (end == "serves")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("started", ["load", "answer"])
def test_nothing_is_left_of_a_trial_that_is_interrupted(
    pack: Packer, torchserve_python: Path, own_tmp: Path, number: int, started: str
) -> None:
    stuck = "import time\nopen(os.environ['MARK'], 'w').close()\ntime.sleep(999)\n"
    in_request = IN_REQUEST.format("".join(f"        {line}\n" for line in stuck.splitlines()))
    archive = pack(LEFT["a child in a session of its own"] + (stuck if started == "load" else in_request))
    Path("in.txt").touch()
    mark = Path("mark").absolute()
    words = ["test", str(archive), "--input", "in.txt", "--python", str(torchserve_python)]
    command = [sys.executable, "-m", "model_archiver", *words]
    with subprocess.Popen(
        command,
        env={**os.environ, "MARK": str(mark)},
        stderr=subprocess.DEVNULL,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - pytest in the background ignores it
    ) as process:
        while not mark.exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
    assert process.returncode in (130, 143, -number)
    if number == signal.SIGKILL:  # nobody is left who could remove the files, but the processes end all the same
        for _ in range(200):
            if not running():
                break
            time.sleep(0.05)
        for folder in own_tmp.iterdir():
            subprocess.run(["rm", "-r", str(folder)], check=True)


@pytest.mark.parametrize("source", GIGABYTES.values(), ids=GIGABYTES)
def test_a_gigabyte_of_output_fills_no_memory(pack: Packer, torchserve_python: Path, source: str) -> None:
    status, peak, out = measured(pack(source), torchserve_python)
    assert status == ("1" if "os.kill" in source else "0"), out
    assert peak < 100_000


def test_a_gigabyte_of_multi_model_servers_output(work: Path, run_mms: Command, mms_python: Path) -> None:
    Path("d").mkdir()
    Path("d", "s.py").write_text(GIGABYTES["lines, in a request"])
    assert run_mms("--model-name", "m", "--model-path", "d", "--handler", "s", "--no-checks").status == 0
    status, peak, out = measured(Path("m.mar"), mms_python)
    assert status == "0", out
    assert peak < 100_000


def measured(archive: Path, python: Path) -> tuple[str, int, str]:
    """Return the exit status of the command `test`, the most memory that it had in KiB, and what it printed."""
    Path("in.txt").write_text("x")
    words = ["test", str(archive), "--input", "in.txt", "--log", "--python", str(python)]
    done = subprocess.run([sys.executable, "-c", MEASURED, *words], capture_output=True, text=True, check=True)
    _, status, peak = done.stdout.splitlines()[-1].split()
    assert ": log: last" in done.stderr
    assert len(done.stderr) < 5_000_000
    return status, int(peak), done.stdout
