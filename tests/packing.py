"""Ways in which a build of a model ``m`` in the working directory ends.

Where the words name no handler, it is one of the server's that needs no weights.
"""

from __future__ import annotations

from pathlib import Path

from tests.archives import contents, members, output, tree
from tests.conftest import Command

MODEL = ("--model-name", "m", "--handler", "vllm_handler")
MODEL_FILES = {"model.py", "model.pt", "handler.py", "index_to_name.json"}
"""What the fixture ``model`` makes."""
HANDLER = "def handle(data, context):\n    return data\n"


def make(*paths: str, text: str | None = None) -> None:
    """Make files with this text, or each with its own path."""
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(path if text is None else text)


def build(run: Command, *words: object, name: str = "m", archive_format: str = "default", to: object = "") -> Path:
    """Return the archive that these words make."""
    place = ("--archive-format", archive_format, "--export-path", to)
    result = run("--model-name", name, *_handler(words), *place, *words)
    assert (result.status, result.out) == (0, ""), result.err
    return output(name, archive_format, Path(str(to)))


def _handler(words: tuple[object, ...]) -> tuple[str, ...]:
    return () if "--handler" in words else MODEL[2:]


def built(run: Command, *words: object) -> dict[str, bytes]:
    """Return what is in the archive that these words make."""
    return contents(build(run, *words))


def packed(run: Command, *words: object) -> set[str]:
    """Return the paths in that archive without those of MAR-INF."""
    return members(build(run, *words))


def refused(run: Command, *words: object, name: str = "m") -> list[str]:
    """Return the errors of a build that is refused, a line each, and that leaves the working directory as it was."""
    before = tree(Path())
    result = run("--model-name", name, *_handler(words), *words)
    assert result.status == 1, result.err
    assert result.out == ""
    assert tree(Path()) == before
    *lines, last = result.err.splitlines()
    assert all(": error: " in line or ": warning: " in line for line in lines)
    assert ": note: to learn more, run torch-model-archiver explain " in last
    return result.errors
