"""Every page that needs a server is typed as it stands, with real servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pages import PAGES, ROOT

from .typed import read_page

pytestmark = pytest.mark.servers

# The names of their rows in the table of what serves where.
ROWS = {
    "examples/mms_numpy/README.md": [
        pytest.mark.serves("the example's README, typed as it stands", on="MMS"),
        pytest.mark.serves("archive of `model-archiver`"),
    ]
}
SERVED = pytest.mark.serves("the example's README, typed as it stands")


def parameters() -> list[object]:
    pages = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
    return [
        pytest.param(name, marks=ROWS.get(name, [SERVED] if name.startswith("examples/") else []), id=name)
        for name, text in pages.items()
        if "<!-- needs: torchserve -->" in text or "<!-- needs: mms -->" in text
    ]


@pytest.mark.parametrize("page", parameters())
def test_the_page_is_typed(page: str, tmp_path: Path) -> None:
    pytest.importorskip("torch")
    read_page(ROOT / page, tmp_path)
