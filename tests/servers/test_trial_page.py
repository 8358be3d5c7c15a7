"""The page docs/testing.md shows what its commands print, and its Python example runs."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.examples import commands_of

from .typed import ROOT, Reader, words_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.servers

PAGE = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
FENCED = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [text for found, text in FENCED if found == kind]


def without_log(printed: str) -> str:
    """The page shows only one line of the log."""
    return "".join(line for line in printed.splitlines(keepends=True) if ": log: " not in line)


def test_the_commands_print_what_is_shown(tmp_path: Path, torchserve_python: Path) -> None:
    with Reader(tmp_path, torchserve_python) as reader:
        for command, shown in commands_of("".join(blocks("console"))):
            done = reader.sh(f"{command} 2>&1")
            assert words_of(without_log(done.stdout)) == words_of(without_log(shown))
            assert [line for line in shown.splitlines() if ": log: " in line and line not in done.stdout] == []
            assert done.returncode == ("answers: no" in shown)


def test_the_python_example_runs(tmp_path: Path, torchserve_python: Path) -> None:
    with Reader(tmp_path, torchserve_python) as reader:
        packaging, *_ = commands_of("".join(blocks("console")))
        assert reader.sh(packaging[0]).returncode == 0
        script = "\n".join(blocks("python"))
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=reader.clone, check=True, capture_output=True, text=True
        )
    assert "predictions" in done.stdout
