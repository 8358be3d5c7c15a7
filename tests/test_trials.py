"""The checks name what a real server does not serve, and say nothing of what it does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.trials import handlers, mms, weights
from tests.trials.trial import Trial, Trials, every

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.* is deprecated:DeprecationWarning")


def _all(trials: Trials) -> Trials:
    """The trials without the patience that only a server needs."""
    return {
        name: Trial(trial.flags, trial.files, trial.code, trial.says, trial.level) for name, trial in trials.items()
    }


@every(
    handlers.REFUSED
    | {"a version with a slash": handlers.SLASHED_VERSION}
    | handlers.SERVED
    | weights.REFUSED
    | weights.SERVED
)
def test_torch_model_archiver_says_what_torchserve_does(work, run: Command, trial: Trial) -> None:
    _says_so(run, trial, work)


@every(_all(mms.REFUSED | mms.SERVED))
def test_model_archiver_says_what_mms_does(work, run_mms: Command, trial: Trial) -> None:
    _says_so(run_mms, trial, work)


def _says_so(command: Command, trial: Trial, folder: Path) -> None:
    words = ["--model-name", "m", *trial.write(folder)]
    strict = command(*words, "--strict")
    assert _codes(strict.errors) == ({trial.code} if trial.code else set()), strict.err
    assert strict.status == (1 if trial.code else 0)
    assert command(*words, "-f").status == (1 if trial.code and trial.level == "error" else 0)


def _codes(lines: list[str]) -> set[str]:
    return {re.fullmatch(r".* \[([a-z-]+)\]", line)[1] for line in lines}
