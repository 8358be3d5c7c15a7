"""One thing that is packaged and tried."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

Content = str | bytes | Callable[[Path], None]


@dataclass(frozen=True)
class Trial:
    """What is packaged, and what comes of it.

    Attributes:
        flags: of the command, with paths relative to the folder of the files.
        files: their content, or what writes it.
        code: of the issue that packaging raises; empty where it raises none and the archive serves.
        says: what the server's answer or its worker's log holds; empty where the archive serves all the same.
        level: of the issue.
        slow: whether the server takes its minute.
    """

    flags: str
    files: dict[str, Content] = field(default_factory=dict)
    code: str = ""
    says: str = ""
    level: Literal["error", "warning"] = "error"
    slow: bool = False

    def write(self, folder: Path) -> list[str]:
        """Write the files into a folder, and return the words of the command."""
        for name, content in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if callable(content):
                content(path)
            else:
                path.write_bytes(content.encode() if isinstance(content, str) else content)
        return shlex.split(self.flags)


Trials = dict[str, Trial]


def every(trials: Trials) -> pytest.MarkDecorator:
    """Try each of them in a test of its own."""
    slow = {True: [pytest.mark.slow], False: []}
    params = [pytest.param(trial, id=name, marks=slow[trial.slow]) for name, trial in trials.items()]
    return pytest.mark.parametrize("trial", params)
