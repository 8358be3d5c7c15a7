"""What `test` prints of models that fail, line by line: the stage, the user's own line, what is wrong, what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from .broken import BROKEN, BROKEN_ON_MMS, expected, says
from .verdicts import MMS

pytestmark = [pytest.mark.servers, pytest.mark.filterwarnings("ignore:.*torch.jit.* is deprecated:DeprecationWarning")]


@pytest.mark.parametrize("name", BROKEN)
def test_it_says_what_failed_and_what_to_do(name: str, work: Path, torchserve_python: Path) -> None:
    assert says(BROKEN[name], work, torchserve_python) == (1, expected()[name])


@pytest.mark.parametrize("name", BROKEN_ON_MMS)
def test_it_says_what_failed_on_mms(name: str, work: Path, mms_python: Path) -> None:
    assert says(BROKEN_ON_MMS[name], work, mms_python, mms=True) == (1, expected()[f"{MMS}: {name}"])


def test_every_model_has_its_lines() -> None:
    assert list(expected()) == [*BROKEN, *(f"{MMS}: {name}" for name in BROKEN_ON_MMS)]
    assert all(expected().values())
