"""What docs/checks.md tells of each check is what happens."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from model_archiver.cli import main, mms_main

PAGE = (Path(__file__).parents[1] / "docs" / "checks.md").read_text(encoding="utf-8")
INTRODUCTION, *SECTIONS = re.split(r"^### ", PAGE, flags=re.MULTILINE)
PYTHON = re.compile(rf"Python {sys.version_info[0]}\.{sys.version_info[1]}\b")
COMMANDS = {"torch-model-archiver": main, "model-archiver": mms_main}


def files_of(text: str) -> dict[str, str]:
    return dict(re.findall(r"^`([^`\n]+)`:\n\n```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def commands_of(text: str) -> list[list[str]]:
    """Each command of a section, with the lines that it prints."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [command.splitlines() for block in blocks for command in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]]


@pytest.fixture(scope="session")
def common(tmp_path_factory) -> Path:
    """The files that all examples have beside them."""
    pytest.importorskip("torch")
    folder = tmp_path_factory.mktemp("common")
    for name, text in files_of(INTRODUCTION).items():
        (folder / name).write_text(text)
    subprocess.run([sys.executable, "files.py"], cwd=folder, check=True, stderr=subprocess.DEVNULL)
    return folder


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.splitlines()[0].strip("`"))
def test_the_example_is_what_happens(section: str, common: Path, work: Path, capfd, monkeypatch) -> None:
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    code = section.splitlines()[0].strip("`")
    shutil.copytree(common, work, dirs_exist_ok=True)
    for name, text in files_of(section).items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    commands = commands_of(section)
    assert any(expected for _, *expected in commands)
    for command, *expected in commands:
        name, *words = shlex.split(command)
        if name not in COMMANDS:
            subprocess.run([name, *words], check=True)
            continue
        assert all(line.endswith(f"[{code}]") for line in expected)
        assert COMMANDS[name]([*words, "--quiet", "-f"]) == int(any(": error: " in line for line in expected))
        said = [line for line in capfd.readouterr().err.splitlines() if "no --handler is given" not in line]
        assert [PYTHON.sub("Python 3.11", line) for line in said] == expected
