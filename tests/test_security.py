"""What SECURITY.md promises and no other file tests; and the tests that it names are there."""

from __future__ import annotations

import ast
import json
import os
import pickle
import re
import subprocess
import sys
from pathlib import Path

from model_archiver.commands import COMMANDS
from tests.conftest import Command

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")

# Runs commands, and prints what they do that could reach another machine, start a program, or run code of the model.
PROGRAM = """
import json, os, sys

from model_archiver.cli import main

found, here = [], os.getcwd()

def hook(event, args):
    if event.startswith(("socket.", "subprocess.", "urllib.", "http.", "os.exec", "os.fork", "os.posix", "os.system")):
        found.append(event)
    if event == "exec" and args[0].co_filename.startswith((here, "handler", "model")):
        found.append(f"exec {args[0].co_filename}")
    if event in ("import", "pickle.find_class") and args[0] in ("handler", "model", "posix", "nt"):
        found.append(f"{event} {args[0]}")

sys.addaudithook(hook)
statuses = [main(words) for words in json.loads(sys.argv[1])]
print(json.dumps([statuses, found]), file=sys.stderr)
"""
MARKING = "from pathlib import Path\n\nPath({!r}).touch()\n"


class Marking:
    """A pickle that makes a file if it is loaded."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.path), "w"))


def test_no_code_of_a_model_runs_and_nothing_connects(work: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    marking = MARKING.format(str(mark))
    Path("handler.py").write_text(f"{marking}\n\ndef handle(data, context):\n    return data\n")
    Path("model.py").write_text(f"{marking}\n\nclass Net:\n    pass\n")
    Path("model.pt").write_bytes(pickle.dumps(Marking(mark)))
    Path("requirements.txt").write_text("numpy\n")
    Path("config.yaml").write_text(f"!!python/object/apply:builtins.open ['{mark}', 'w']\n")
    Path("models.json").write_text('[{"model-name": "built", "handler": "handler.py"}]')
    model = ["--handler", "handler.py", "--model-file", "model.py", "--serialized-file", "model.pt"]
    model += ["--requirements-file", "requirements.txt"]
    no_checks = ["--model-name", "all", *model, "--config-file", "config.yaml", "--no-checks"]
    lines = {
        **{(*("--model-name", each), *model, "--archive-format", each): 0 for each in ("default", "tgz", "no-archive")},
        (*("--model-name", "wrong"), *model, "--config-file", "config.yaml"): 1,
        tuple(no_checks): 0,
        ("build", "models.json"): 0,
        ("inspect", "all.mar"): 0,
        ("verify", "default.mar", "tgz.tar.gz", "no-archive"): 0,
        ("verify", "all.mar"): 1,  # the server rejects this config file
        ("extract", "all.mar"): 0,
        ("diff", "all.mar", "tgz.tar.gz"): 1,
        ("explain",): 0,
        ("completion", "bash"): 0,
        ("help",): 0,
        ("version",): 0,
    }
    assert {line[0] for line in lines if line[0] in COMMANDS} == set(COMMANDS) - {"test"}  # which runs code
    command = [sys.executable, "-c", PROGRAM, json.dumps(list(lines))]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}  # not what is installed
    done = subprocess.run(command, env=environ, check=False, capture_output=True, text=True)
    statuses, found = json.loads(done.stderr.splitlines()[-1])
    assert dict(zip(lines, statuses, strict=True)) == lines, done.stderr
    assert (found, mark.exists()) == ([], False)


def test_what_would_be_found_is_found(work: Path) -> None:
    Path("handler.py").write_text(MARKING.format("mark"))
    Path("model.pt").write_bytes(pickle.dumps(Marking(Path("loaded"))))
    acting = """
import pickle, socket, subprocess
sys.path.insert(0, "")
import handler
pickle.load(open("model.pt", "rb"))
socket.socket().connect_ex(("127.0.0.1", 9))
subprocess.run([sys.executable, "-c", ""])
print(json.dumps(found))
"""
    program = PROGRAM.partition("statuses =")[0] + acting
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    events = {"import handler", f"exec {Path('handler.py').absolute()}", "socket.connect", "subprocess.Popen"}
    assert events <= set(json.loads(done.stdout))
    assert Path("mark").exists()
    assert Path("loaded").exists()


def test_the_help_says_that_code_is_run(run: Command) -> None:
    assert "This runs the code of the archive, with your rights." in run("test", "--help").out


def test_the_tests_that_are_named_are_there() -> None:
    named = re.findall(r"^- `(tests/[\w/]+\.py)::(\w+)`$", PAGE, re.MULTILINE)
    assert len(named) == PAGE.count("::")
    sections = re.findall(r"^### .*?(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert [promise.splitlines()[0] for promise in sections if "::" not in promise] == []
    trees = {path: ast.parse((ROOT / path).read_text(encoding="utf-8")) for path, _ in named}
    functions = {
        path: {node.name for node in tree.body if isinstance(node, ast.FunctionDef)} for path, tree in trees.items()
    }
    assert [f"{path}::{name}" for path, name in named if name not in functions[path]] == []
