"""What docs/checks.md tells of each check is what happens."""

from __future__ import annotations

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
COMMANDS = {"torch-model-archiver": main, "model-archiver": mms_main}


def files_of(text: str) -> dict[str, str]:
    return dict(re.findall(r"^`([^`\n]+)`:\n\n```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL))


def consoles_of(text: str) -> list[list[str]]:
    return [block.splitlines() for block in re.findall(r"^```console\n\$ (.*?)^```", text, re.MULTILINE | re.DOTALL)]


@pytest.fixture(scope="session")
def common(tmp_path_factory) -> Path:
    """The files that all examples have beside them."""
    folder = tmp_path_factory.mktemp("common")
    for name, text in files_of(INTRODUCTION).items():
        (folder / name).write_text(text)
    subprocess.run([sys.executable, "files.py"], cwd=folder, check=True, stderr=subprocess.DEVNULL)
    return folder


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.splitlines()[0].strip("`"))
def test_the_example_is_what_happens(section: str, common: Path, work: Path, capfd) -> None:
    code = section.splitlines()[0].strip("`")
    shutil.copytree(common, work, dirs_exist_ok=True)
    for name, text in files_of(section).items():
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(text)
    consoles = consoles_of(section)
    assert consoles
    for command, *expected in consoles:
        assert all(line.endswith(f"[{code}]") for line in expected)
        name, *words = shlex.split(command)
        assert COMMANDS[name]([*words, "--quiet", "-f"]) == int(any(": error: " in line for line in expected))
        said = capfd.readouterr().err.splitlines()
        assert [line for line in said if "no --handler is given" not in line] == expected
