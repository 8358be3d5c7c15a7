"""Each format, opened by readers that are not ours."""

from __future__ import annotations

import pytest

from tests.archives import FORMATS, MANIFEST, SUMS, contents, output
from tests.conftest import Command


@pytest.mark.parametrize("archive_format", FORMATS)
def test_the_manifest_comes_last_and_the_sums_before_it(model, run: Command, archive_format: str) -> None:
    words = ["--model-name", "m", "--serialized-file", "model.pt", "--archive-format", archive_format]
    assert run(*words).status == 0
    paths = list(contents(output("m", archive_format)))
    assert set(paths) == {"model.pt", SUMS, MANIFEST}
    if archive_format != "no-archive":
        assert paths == ["model.pt", SUMS, MANIFEST]
