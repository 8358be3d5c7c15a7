"""The commands of the workflow in examples/ci, run in a clone as its machine would run them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.workflow import PACKAGING, UPLOADING

from .typed import Reader

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.servers


def test_the_archive_that_is_uploaded_serves_and_one_that_does_not_is_not_there(tmp_path: Path) -> None:
    with Reader(tmp_path) as reader:
        uploaded = reader.clone / UPLOADING["with"]["path"]
        labels = reader.clone / "examples/digits/index_to_name.json"
        right = labels.read_text(encoding="utf-8")

        labels.write_text(right.replace("seven", "sevn"), encoding="utf-8")
        status, printed = reader.run(PACKAGING["run"])
        assert (status, uploaded.exists()) == (1, False)
        assert '$.digit: expected "seven", got "sevn" [trial-expect]' in printed

        labels.write_text(right, encoding="utf-8")
        status, printed = reader.run(PACKAGING["run"])
        assert (status, uploaded.exists()) == (0, True), printed
        status, printed = reader.run(f"torch-model-archiver test {UPLOADING['with']['path']} --python serving")
        assert (status, printed.count("MAR-INF/samples.json: case ")) == (0, 2)
