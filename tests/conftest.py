"""What most tests need: a folder of one's own with a small model in it, and the command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from model_archiver.cli import main, mms_main


@dataclass(frozen=True)
class Result:
    status: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        """The lines on stderr, without the one that names ``explain``."""
        return [line for line in self.err.splitlines() if ": note: to learn more, run " not in line]

    @property
    def errors(self) -> list[str]:
        """The lines that name errors, without the command's name."""
        return [line.partition(": error: ")[2] for line in self.err.splitlines() if ": error: " in line]

    @property
    def warnings(self) -> list[str]:
        """The lines that name warnings, without the command's name."""
        return [line.partition(": warning: ")[2] for line in self.err.splitlines() if ": warning: " in line]


Command = Callable[..., Result]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, which is empty."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def model(work: Path) -> Path:
    """The working directory with a small model in it: model.py, model.pt, handler.py, index_to_name.json."""
    (work / "model.py").write_text("class Net:\n    pass\n")
    (work / "model.pt").write_bytes(bytes(range(256)) * 8)
    (work / "handler.py").write_text("def handle(data, context):\n    return data\n")
    (work / "index_to_name.json").write_text('{"0": "zero"}')
    return work


@pytest.fixture
def inputs(model: Path) -> Path:
    """The small model, with requirements.txt and config.yaml."""
    (model / "requirements.txt").write_text("numpy\n")
    (model / "config.yaml").write_text("minWorkers: 1\n")
    return model


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Command:
    """``torch-model-archiver`` with these words, in this process."""
    return _command(main, capfd)


@pytest.fixture
def run_mms(capfd: pytest.CaptureFixture[str]) -> Command:
    """``model-archiver`` with these words, in this process."""
    return _command(mms_main, capfd)


def _command(function: Callable[[list[str]], int], capfd: pytest.CaptureFixture[str]) -> Command:
    def call(*words: object) -> Result:
        capfd.readouterr()
        status = function([str(word) for word in words])
        captured = capfd.readouterr()
        return Result(status, captured.out, captured.err)

    return call
