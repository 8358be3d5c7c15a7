"""The handlers and model files below tests/handlers: how each is packaged, and whether it serves.

A file says so in its first line, a folder in its file ``.expected``: ``serves``, ``fails: code``, or ``fails: unnamed``
where no check can tell; then ``with`` and the handler, or its part from the colon on.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent / "handlers"
EXAMPLES = Path(__file__).parents[1] / "examples"
SCRIPTED = EXAMPLES / "torchscript" / "wine.pt"
STATE_DICT = ROOT / "layer.pt"
_EXPECTATION = re.compile(r"\W*(serves|fails: ([a-z-]+))(?: with (\S+))?\s*")


@dataclass(frozen=True)
class Sample:
    """A handler or a model file."""

    path: Path  # of a file, or of a folder that is packed with its tree
    kind: str  # torchserve, mms or model_files
    code: str  # of the error that names why it does not serve; unnamed where none can, empty where it serves
    handler: str  # or its part from the colon on, or empty
    more: tuple[str, ...] = ()  # flags

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return f"{self.kind}/{self.path.name}"

    @property
    def flags(self) -> list[str]:
        if self.kind == "model_files":
            return ["--handler", "base_handler", "--model-file", str(self.path), "--serialized-file", str(STATE_DICT)]
        weights = [] if self.kind == "mms" else ["--serialized-file", str(SCRIPTED)]
        if self.path.is_dir():
            return ["--model-path", str(self.path), "--handler", self.handler, *weights]
        return ["--handler", f"{self.path}{self.handler}", *weights, *self.more]


def samples() -> list[Sample]:
    return [
        _sample(path, folder.name)
        for folder in sorted(ROOT.iterdir())
        if folder.is_dir()
        for path in sorted(folder.iterdir())
        if path.name != "__pycache__"
    ]


def _sample(path: Path, kind: str) -> Sample:
    index = path / ".expected" if path.is_dir() else path
    line = index.read_bytes().partition(b"\n")[0].decode("utf-8-sig")
    expectation = _EXPECTATION.fullmatch(line)
    assert expectation, f"{path}: {line!r}"
    return Sample(path, kind, expectation[2] or "", expectation[3] or "")
