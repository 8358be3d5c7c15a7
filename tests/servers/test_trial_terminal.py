"""The progress bar of what runs a model: it is gone while the worker loads it, and counts what is unpacked for it."""

from __future__ import annotations

import os
import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.test_terminal import ANY_BAR, pyte, show, visible

if TYPE_CHECKING:
    from tests.conftest import Command

pytestmark = pytest.mark.servers

HANDLER = """\
import os


def handle(data, context):
    if not data:
        terminal = os.open(os.environ["TERMINAL"], os.O_WRONLY | os.O_NOCTTY)
        os.write(terminal, b"LOADING")
    return data
"""
MODEL = ("--model-name", "m", "--handler", "handler.py", "--extra-files", "large.bin,other.bin", "-f")
IN_PLACE = ("--model-name", "m", "--model-path", "m", "--handler", "handler.py", "--archive-format", "no-archive", "-f")
PACKAGING = (*MODEL, "--test", "--test-python")
WAYS = {
    "test": (1, ("test", "m.mar", "--python")),
    "test of a folder": (1, ("test", "m", "--python")),
    "--test": (1, PACKAGING),
    "--test of a folder": (1, ("--archive-format", "no-archive", *PACKAGING)),
    "--test in place": (0, (*IN_PLACE, "--test", "--test-python")),
}


@pytest.mark.parametrize(("before", "words"), WAYS.values(), ids=WAYS)
def test_reading_and_unpacking_have_a_bar_each_and_loading_has_none(
    work: Path, run: Command, mms_python: Path, before: int, words: tuple[str, ...]
) -> None:
    Path("handler.py").write_text(HANDLER)
    for name in ("large.bin", "other.bin"):
        Path(name).write_bytes(os.urandom(1 << 20) * 20)
    for archive_format in ("default", "no-archive"):
        assert run(*MODEL, "--archive-format", archive_format).status == 0
    long = show(*words, mms_python, step=2)
    assert long.status == 0
    assert len(re.findall("LOADING", long.text)) == 1
    loading, after = long.text.split("LOADING")
    bars = [line for line in re.split(r"[\r\n]", loading) if ANY_BAR.search(line)]
    assert bars
    shares = [int(re.search(r"(\d+)%", line)[1]) for line in bars]
    assert sum(share > later for share, later in pairwise(shares)) == before
    screen = pyte.Screen(80, 24)
    pyte.Stream(screen).feed(loading)
    for text in ("\n".join(visible(screen)), after, "\n".join(long.lines)):
        assert not ANY_BAR.search(text)
