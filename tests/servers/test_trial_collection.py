"""The verdicts of trials on the collection of handlers and model files, whose own lines say what really serves.

`test_loader` measures those lines against the loaders of the real servers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from model_archiver import try_archive
from tests.collection import Sample, samples

from . import environments
from .archives import mms_archive, torch_archive
from .conftest import ENVIRONMENTS
from .test_loader import ROW

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("sample", samples(), ids=lambda sample: sample.name)
def test_a_trial_serves_what_the_server_serves(sample: Sample, work: Path) -> None:
    is_mms = sample.kind == "mms"
    archive: Callable[..., Path] = mms_archive if is_mms else torch_archive
    packed = archive(work / "packed", "m", *sample.flags, "--no-checks")
    Path("row.json").write_text(json.dumps(ROW))
    inputs = [] if sample.kind == "model_files" else ["row.json"]  # base_handler takes no row without an envelope
    python = (environments.MMS if is_mms else environments.TORCHSERVE).python(ENVIRONMENTS)
    report = try_archive(packed, inputs, python=python)
    assert report.server == ("mms" if is_mms else "torchserve")
    serves = report.loads and report.answers is not False
    assert serves == (not sample.code), report.problems
    assert report.is_ok == serves
