"""Every page that needs a server is typed as it stands, with real servers."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.pages import PAGES, name_of

from .typed import read_page

pytestmark = pytest.mark.servers

ON_MMS = [
    pytest.mark.serves("README of each example, typed as it stands", on="MMS"),
    pytest.mark.serves("archive of `model-archiver`"),
]
ON_TORCHSERVE = [pytest.mark.serves("README of each example, typed as it stands")]


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(page, id=name_of(page), marks=ON_MMS if "mms" in name_of(page) else ON_TORCHSERVE)
        for page in PAGES
        if re.search("\n<!-- needs: (torchserve|mms) -->", page.read_text(encoding="utf-8"))
    ],
)
def test_the_page_is_typed(page: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    read_page(page, tmp_path)
