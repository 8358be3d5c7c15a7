"""What was made to keep the checks busy, or to fill a screen, costs little and says little."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import Command, Result

PACK = ("--model-name", "m", "--handler", "handler.py", "--dry-run")


@pytest.fixture(autouse=True)
def _soon() -> Iterator[None]:
    begin = time.monotonic()
    yield
    assert time.monotonic() - begin < 60  # what is not bounded takes minutes, or all memory


@pytest.fixture
def judged(model: Path, run: Command) -> Callable[..., Result]:
    """What is said of a package with one more file."""

    def judge(name: str, content: str | bytes, *words: object) -> Result:
        (model / name).write_bytes(content.encode() if isinstance(content, str) else content)
        return run(*(words or PACK))

    return judge


def test_a_name_as_long_as_a_file(judged, model: Path) -> None:
    (model / "net.py").write_text("class Net:\n    pass\n")
    words = ("--model-name", "m", "--handler", "image_classifier", "--model-file", "net.py", "--dry-run")
    labels = '{\n "' + "k" * 2_000_000 + '": 1}'
    tracemalloc.start()
    said = judged("index_to_name.json", labels, *words, "--extra-files", "index_to_name.json").errors
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    hint = 'turn it round: the class\'s number first, as in {"0": "cat"}'
    name = "k" * 80 + "..."
    assert said == [f"index_to_name.json:2: the name of class '{name}' is 1 and no text; {hint} [labels-invalid]"]
    assert peak < 50_000_000
