"""The examples of the table of codes that need a server's worker are what happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.examples import Examples, needs_server
from tests.test_codes import CODES, shows_its_code

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.servers


@pytest.mark.parametrize("code", [code for code, entry in CODES.items() if needs_server(entry)])
def test_the_example_of_a_code_provokes_it_and_prints_these_lines(
    code: str, tmp_path: Path, torchserve_python: Path
) -> None:
    shows_its_code(code, CODES[code], Examples(tmp_path.resolve(), torchserve_python))
