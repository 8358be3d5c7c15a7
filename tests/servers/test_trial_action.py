"""The workflow of examples/ci that uses the action, run in a clone with TorchServe's worker."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.actions import INSTALLED, ROOT, Runner

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(not shutil.which("bash"), reason="needs bash, which runs the scripts of the action"),
]


def test_contents_that_passed_are_not_tested_again_and_others_are_not_uploaded(
    tmp_path: Path, torchserve_python: Path
) -> None:
    text = (ROOT / "examples/ci/package-with-action.yml").read_text(encoding="utf-8")
    # The environment of the tests has been made.
    steps = [step for step in yaml.safe_load(text)["jobs"]["package"]["steps"] if "pip install" not in str(step)]
    clone = tmp_path / "clone"
    shutil.copytree(ROOT / "examples", clone / "examples")
    (clone / "serving").symlink_to(torchserve_python.parents[1])
    runner = Runner(clone, tmp_path / "temp", skip=INSTALLED)

    first = runner.steps(steps, {}, {})
    assert first.status == 0, first.err
    assert "wrote model_store/digits.mar" in first.err
    assert first.out == "verify: passed\ntest: passed\n"
    assert (runner.used[-1], len(runner.cache)) == ("actions/upload-artifact", 1)

    shutil.rmtree(clone / "model_store")
    runner.environ["SOURCE_DATE_EPOCH"] = "0"
    second = runner.steps(steps, {}, {})
    assert second.status == 0, second.err
    assert second.out == "verify: passed\n"
    assert (runner.used[-1], len(runner.cache)) == ("actions/upload-artifact", 1)

    shutil.rmtree(clone / "model_store")
    labels = clone / "examples/digits/index_to_name.json"
    labels.write_text(labels.read_text(encoding="utf-8").replace("seven", "sevn"), encoding="utf-8")
    third = runner.steps(steps, {}, {})
    assert third.status == 1
    assert "title=trial-expect::" in "".join(third.annotations)
    assert (runner.used[-1], len(runner.cache)) == ("actions/cache/restore", 1)
