"""The table of docs/where-to-serve.md, made of the outcomes of the tests that are marked with its rows.

A run of the server tests leaves the table in the cache; ``python -m tests.servers.served`` writes it into the page,
and with ``--check`` it fails where the page says something else. A run of some of the tests makes no table.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .archives import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "where-to-serve.md"
TABLE = ROOT / ".cache" / "servers" / "table.md"
BEGIN, END = "<!-- served: made by the server tests -->\n", "<!-- /served -->"

MMS = "MMS"
COLUMNS = (*FORMATS, MMS)
HEADINGS = (*(f"`{archive_format}`" for archive_format in FORMATS), "on MMS")


class Outcomes:
    """A plugin that collects, for each row and column of the table, whether all of its tests passed."""

    def __init__(self) -> None:
        self._cells: dict[str, dict[str, bool]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for row, _ in _cells_of(item):
                self._cells.setdefault(row, {})

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        for name, cell in report.user_properties:
            if name == "serves" and not report.skipped and (report.when == "call" or report.failed):
                row, column = cell
                cells = self._cells.setdefault(row, {})
                cells[column] = cells.get(column, True) and report.passed

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Have the reports carry which cells a test is about."""
        item.user_properties.extend(("serves", cell) for cell in _cells_of(item))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Leave the table: of several processes, in the one that hears of all tests."""
        if not hasattr(session.config, "workerinput"):
            self.leave()

    def leave(self) -> None:
        if any(self._cells.values()):
            TABLE.parent.mkdir(parents=True, exist_ok=True)
            TABLE.write_text(rendered(self._cells), encoding="utf-8")


def _cells_of(item: pytest.Item) -> Iterable[tuple[str, str]]:
    """Yield row and column of what a test shows; a test without a format shows the default one."""
    callspec = getattr(item, "callspec", None)
    archive_format = callspec.params.get("archive_format", "default") if callspec else "default"
    for marker in item.iter_markers("serves"):
        yield marker.args[0], marker.kwargs.get("on", archive_format)


def marked_rows() -> set[str]:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    return set(re.findall(r'pytest\.mark\.serves\("([^"]+)"', sources))


def rows_of(table: str) -> set[str]:
    return {line.removeprefix("| ").partition(" | ")[0] for line in table.splitlines()[2:]}


def rendered(cells: dict[str, dict[str, bool]]) -> str:
    """Return the table: ✓ where everything served, ✗ where something did not, - where nothing is tried."""
    signs = {True: "✓", False: "✗", None: "-"}
    lines = [["what", *HEADINGS], ["---", *(":-:" for _ in COLUMNS)]]
    lines += [[row, *(signs[tried.get(column)] for column in COLUMNS)] for row, tried in sorted(cells.items()) if tried]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main(words: list[str]) -> str | int:
    """Write the table of the last run into the page, or with ``--check`` compare them; return what is wrong, or 0."""
    if not TABLE.exists():
        return 'there are no results: run pytest -m "servers and not slow" tests/servers first'
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    there, _, after = rest.partition(END)
    table = TABLE.read_text(encoding="utf-8")
    if lacking := marked_rows() - rows_of(table):
        return f"the last run did not try all rows, so its table is not taken; it lacks {', '.join(sorted(lacking))}"
    if words == ["--check"]:
        hint = f"{PAGE.name} says otherwise; python -m tests.servers.served writes what the last run showed:"
        return 0 if there == table else f"{hint}\n{table}"
    PAGE.write_text(f"{before}{BEGIN}{table}{END}{after}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
