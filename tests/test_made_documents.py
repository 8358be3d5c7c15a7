"""The documents that scripts make: the pages are up to date, and the pictures are valid."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from docs import make_api, make_diagram, make_plot

SVG = "{http://www.w3.org/2000/svg}"


def texts_of(picture: str) -> list[str]:
    root = ET.fromstring(picture)
    assert root.tag == f"{SVG}svg"
    return ["".join(text.itertext()).strip() for text in root.iter(f"{SVG}text")]


def results() -> dict[str, Any]:
    return json.loads(make_plot.DATA.read_text(encoding="utf-8"))


def test_the_page_on_the_python_api_is_that_of_the_docstrings() -> None:
    assert make_api.PAGE.read_text(encoding="utf-8") == make_api.page(), "run python -m docs.make_api"


def test_the_page_on_the_python_api_names_types_without_modules() -> None:
    assert re.findall(r"\w+\.(?:Literal|Server|Layout)\b", make_api.page()) == []


def test_the_diagram_is_that_of_its_script() -> None:
    drawn = make_diagram.picture()
    assert make_diagram.PICTURE.read_text(encoding="utf-8") == drawn, "run python -m docs.make_diagram"
    texts = texts_of(drawn)
    assert {"MAR-INF", "MANIFEST.json", "SHA256SUMS", "--serialized-file", "TorchServe", "model.tar.gz"} <= set(texts)


def test_the_tables_of_performance_are_those_of_the_results() -> None:
    page = make_plot.PAGE.read_text(encoding="utf-8")
    assert page == make_plot.with_tables(page, results()), "run python -m docs.make_plot"
    assert all(f"<!-- made of {name} -->" in page for name in make_plot.TABLES)
    assert set(results()) == set(make_plot.TABLES)


def test_the_comparison_of_the_readme_is_made_of_the_results() -> None:
    page = make_plot.README.read_text(encoding="utf-8")
    assert page == make_plot.with_tables(page, results()), "run python -m docs.make_plot"
    assert "<!-- made of readme -->" in page


def test_the_plot_shows_every_row_of_the_results(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="needs the extra [test]")
    drawn = tmp_path / "plot.svg"
    make_plot.draw(results(), drawn)
    works = make_plot.bars(results()["build"]["rows"])
    labels = {part for work in works for part in work.split(", ")}
    labels |= {f"{seconds:.2f} s" for bars in works.values() for _, seconds in bars}
    for picture in (drawn, make_plot.PLOT):
        assert labels | set(make_plot.COLORS) <= set(texts_of(picture.read_text(encoding="utf-8")))


def test_each_benchmark_keeps_the_results_of_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(make_plot.DATA.parents[1] / "benchmarks")
    import results as written  # noqa: PLC0415 - a script of benchmarks/

    path = tmp_path / "results.json"
    written.save(path, "build", [{"work": "a"}], runs=3)
    written.save(path, "memory", [], runs=1)
    written.save(path, "build", [{"work": "b"}], runs=5)
    saved = json.loads(path.read_text(encoding="utf-8"))
    assert saved["memory"]["runs"] == 1
    assert (saved["build"]["runs"], saved["build"]["rows"]) == (5, [{"work": "b"}])
    assert set(saved["build"]["machine"]) == {"processor", "cores", "memory_gib", "system", "python", "isal"}
