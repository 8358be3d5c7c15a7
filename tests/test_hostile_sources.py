"""A source that is made to cost time or memory, or to break what reads it, costs little and breaks nothing."""

from __future__ import annotations

import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

LONGEST = 3 << 16
HANDLE = "def handle(data, context):\n    return data\n"
BASE = "from ts.torch_handler.base_handler import BaseHandler\n\n\nclass Service(BaseHandler):\n"


def lines(line: str, count: int) -> str:
    return f"{line}\n" * count


def nested(line: str, count: int, last: str) -> str:
    return "".join(f"{' ' * depth}{line}\n" for depth in range(count)) + f"{' ' * count}{last}\n"


def names(count: int, between: str) -> str:
    return between.join(f"a{number}" for number in range(count))


SOURCES = {
    "nested-finally": "".join(f"{' ' * n}try: pass\n{' ' * n}finally:\n" for n in range(20)) + f"{' ' * 20}pass\n",
    "names-in-a-pattern": f"match x:\n case [{names(20000, ',')}]: pass\n",
    "statements": "a;" * ((1 << 21) - 8),
    "as-many-statements-as-are-judged": "a;" * (LONGEST // 2 - 1),
    "list-that-does-not-parse": f"x = [{'a,' * ((1 << 21) - 8)} a]\n",
    "null-bytes": "\0" * 1000,
    "brackets": f"handle = {'(' * 5000}{')' * 5000}\n",
    "sum": f"handle = {'+'.join(['1'] * 20000)}\n",
    "calls-in-a-class": f"class A:\n    x = a{'.b()' * 260}\n",
    "calls-in-initialize": f"{BASE}    def initialize(self, context):\n        self.x = a{'.b()' * 260}\n",
    "shorter-calls-of-calls": f"{BASE}    pass\n" + f"x = print{'()' * 140}\n" * 600,
    "calls-with-the-name": f"x = print{'(__name__)' * 120}\n" * 150,
    "calls-in-calls": f"x = {'print(' * 140}{')' * 140}\n" * 200,
    "values-of-a-name": f"{lines('if a: x = 1', 1500)}{names(5000, ' = ')} = x\n",
    "items-of-literals": "x = 0\n" + "".join(f"if a: x = {[0] * 400}\n" for _ in range(19)) + "y = x[0]\n" * 4900,
    "names-and-loops": f"{names(1500, ' = ')} = 1\n{lines('while q: pass', 3000)}",
    "names-like-the-one": "".join(f"def {'abcdefgh' * 9}{number:07}(): pass\n" for number in range(930)),
    "class-handed-on": f"class A:\n    pass\n\n\nx = {'f(' * 85}{'a,' * 80000}{')' * 85}\n",
    "bases": "class A: pass\n" + "class A(A): pass\n" * 10_000,
    "wide-and-deep": nested("if a:", 95, f"x = a{'.b' * 45}"),
}

PROGRAM = """\
import re, sys
from model_archiver.cli import main
steps = 0
def count(*_):
    global steps
    steps += 1
sys.setprofile(count)
status = main(sys.argv[1:])
sys.setprofile(None)
print("steps", steps, "peak", re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
sys.exit(status)
"""


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))


@pytest.mark.skipif(sys.platform != "linux", reason="measured as Linux does")
@pytest.mark.parametrize("text", SOURCES.values(), ids=SOURCES)
def test_a_hostile_source_costs_little(work: Path, text: str) -> None:
    Path("h.py").write_text(f"{text}\n")
    Path("w.pt").write_bytes(b"weights")
    function = "handle" if "abcdefgh" not in text else "abcdefgh" * 9
    words = ["--model-name", "m", "--handler", f"h.py:{function}", "--serialized-file", "w.pt", "--export-path", "."]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *words],
        env={"PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        preexec_fn=_limit,
        check=False,
    )
    assert done.returncode in (0, 1), done.stderr[-2000:]
    assert len(done.stderr) < 1000
    assert all("[handler-" in line for line in done.stderr.splitlines() if "error: " in line), done.stderr
    steps, peak = map(int, re.search(r"steps (\d+) peak (\d+)", done.stdout).groups())
    assert (steps < 12_000_000, peak < 300_000) == (True, True), (steps, peak)
