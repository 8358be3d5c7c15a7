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
    "finally-of-many-returns": f"def f():\n try:\n{lines('  if a: return', 4000)} finally:\n{lines('  a', 4000)}",
    "names-in-a-pattern": f"match x:\n case [{names(20000, ',')}]: pass\n",
    "names-through-functions": f"def f({names(9000, ',')}):\n return {'lambda:' * 140}({names(9000, ',')})\n",
    "statements": "a;" * ((1 << 21) - 8),
    "as-many-statements-as-are-judged": "a;" * (LONGEST // 2 - 1),
    "list-that-does-not-parse": f"x = [{'a,' * ((1 << 21) - 8)} a]\n",
    "long-attribute": f"x = a{'.b' * 500}\n",
    "calls-in-a-class": f"class A:\n    x = a{'.b()' * 260}\n",
    "elifs-in-a-class": f"class A:\n    if a: pass\n{lines('    elif b: pass', 340)}",
    "calls-in-initialize": f"{BASE}    def initialize(self, context):\n        self.x = a{'.b()' * 260}\n",
    "calls-of-calls": f"x = a{'()' * 900}\n" * 1000,
    "shorter-calls-of-calls": f"x = a{'()' * 140}\n" * 600,
    "calls-told-the-name": f"x = log{'(__name__)' * 120}\n" * 150,
    "values-of-a-name": f"{lines('if a: x = 1', 1500)}{names(5000, ' = ')} = x\n",
    "items-of-literals": "x = 0\n" + "".join(f"if a: x = {[0] * 400}\n" for _ in range(19)) + "y = x[0]\n" * 4900,
    "names-and-loops": f"{names(1500, ' = ')} = 1\n{lines('while q: pass', 3000)}",
    "names-and-stars": f"{names(1500, ' = ')} = 1\n{lines('from a import *', 4000)}",
    "names-like-the-one": "".join(f"def {'abcdefgh' * 24}{number:07}(): pass\n" for number in range(930)),
    "class-handed-on": f"class A:\n    pass\n\n\nx = {'f(' * 85}{'a,' * 80000}{')' * 85}\n",
    "wide-and-deep": nested("if a:", 95, f"x = a{'.b' * 45}"),
}

PROGRAM = """\
import re, sys
from model_archiver.cli import main
status = main(sys.argv[1:])
print("peak", re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
sys.exit(status)
"""


def _limit() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (60, 60))  # a guard against what takes minutes, and no measure


@pytest.mark.skipif(sys.platform != "linux", reason="measured as Linux does")
@pytest.mark.parametrize("text", SOURCES.values(), ids=SOURCES)
def test_a_hostile_source_costs_little(work: Path, text: str) -> None:
    Path("h.py").write_text(f"{text}\n")
    Path("w.pt").write_bytes(b"weights")
    function = "handle" if "abcdefgh" not in text else "abcdefgh" * 24
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
    assert "bug of" not in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr) < 1000
    assert int(re.search(r"peak (\d+)", done.stdout)[1]) < 300_000
