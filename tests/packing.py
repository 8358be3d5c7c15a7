"""Two ways in which a build of a model ``m`` in the working directory ends.

Where the words name no handler, it is one of the server's that needs no weights.
"""

from __future__ import annotations

from pathlib import Path

from tests.archives import contents, members, output, tree
from tests.conftest import Command

_NEEDS_NOTHING = ("--handler", "vllm_handler")


def built(run: Command, *words: object) -> dict[str, bytes]:
    """What is in the archive that ``--model-name m`` and these words make."""
    result = run("--model-name", "m", *_NEEDS_NOTHING, *words)
    assert result.status == 0, result.err
    assert result.out == ""
    return contents(output("m"))


def packed(run: Command, *words: object) -> set[str]:
    """The paths in that archive without those of MAR-INF."""
    built(run, *words)
    return members(output("m"))


def refused(run: Command, *words: object, name: str = "m") -> list[str]:
    """The errors of a build that is refused, a line each, and that has left the working directory as it was."""
    before = tree(Path())
    result = run("--model-name", name, *_NEEDS_NOTHING, *words)
    assert result.status == 1, result.err
    assert result.out == ""
    assert tree(Path()) == before
    assert all(": error: " in line or ": warning: " in line for line in result.err.splitlines())
    return result.errors
