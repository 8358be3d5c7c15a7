"""The table of codes is complete, and its examples are what happens."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.make_errors import PAGE, page, with_printed_lines
from tests.examples import TABLE, Examples, needs_server, needs_torch, problems_of

SHARED_AND_CODES = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
CODES = SHARED_AND_CODES["codes"]
PACKAGE = TABLE.parents[1]
NOT_CODES = {
    *("torch-model-archiver", "model-archiver", "no-archive", "zip-store", "model-store", "set-aside"),
    *("multi-model-server", "request-type", "content-type", "scikit-image", "scikit-learn", "pkg-resources"),
    *("nproc-per-node", "monitor-interval", "node-rank", "rdzv-backend", "rdzv-endpoint", "rdzv-conf"),
    *("model-name", "model-path", "extra-files", "serialized-file", "min-workers", "max-workers", "batch-size"),
    *("max-batch-delay", "response-timeout", "serialized-file-remote", "serialized-file-local"),
    "gen-scripted-file-path",
}
"""Strings of the package that look like codes."""


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> Examples:
    return Examples(tmp_path_factory.mktemp("examples").resolve())


# The others are run by tests/servers/test_trial_codes.py.
@pytest.mark.parametrize("code", [code for code, entry in CODES.items() if not needs_server(entry)])
def test_the_example_of_a_code_provokes_it_and_prints_these_lines(code: str, examples: Examples) -> None:
    entry = CODES[code]
    if needs_torch(entry):
        pytest.importorskip("torch", reason="the example reads weights that torch has made")
    shows_its_code(code, entry, examples)


def shows_its_code(code: str, entry: dict[str, Any], examples: Examples) -> None:
    transcript = examples.run(code, entry)
    problems = problems_of(transcript)
    levels = {"error", "warning"} if entry["level"] == "both" else {entry["level"]}
    levels = {"error"} if needs_server(entry) else levels  # the one warning needs Multi Model Server
    assert {printed for _, printed in problems} == {code}
    assert {level for level, _ in problems} == levels
    assert transcript == entry["example"]["run"]


def test_every_code_of_the_package_is_in_the_table() -> None:
    strings = {
        node.value
        for source in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert {text for text in strings if re.fullmatch(r"[a-z]+(-[a-z]+)+", text)} - NOT_CODES == set(CODES)


def test_the_check_of_a_code_is_a_function_of_the_same_name() -> None:
    trees = [ast.parse(source.read_text(encoding="utf-8")) for source in (PACKAGE / "checks").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    functions = {node.name for node in nodes if isinstance(node, ast.FunctionDef)}
    codes = {node.value for node in nodes if isinstance(node, ast.Constant) and node.value in CODES}
    assert {code.replace("-", "_") for code in codes} <= functions


def test_every_entry_is_complete() -> None:
    assert list(CODES) == sorted(CODES)
    for code, entry in CODES.items():
        fields = ["level", *(["when"] if entry["level"] == "both" else []), "meaning", "explanation", "fix", "example"]
        assert list(entry) == fields, code
        assert set(entry.get("when", {})) in (set(), {"error", "warning"}), code
        for field in ("meaning", "explanation", "fix"):
            assert re.search(r"[.`)]\Z", entry[field]), f"{code}: {field}"
        assert "\n" not in entry["meaning"] + entry["fix"], code


def test_the_page_is_made_from_the_table() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(SHARED_AND_CODES), "run python -m docs.make_errors"


def test_new_lines_change_nothing_else_in_the_table() -> None:
    text = TABLE.read_text(encoding="utf-8")
    changed = with_printed_lines(text, {"archive-cut": "$ one\ntwo\n", "write-failed": "$ three\n"})
    expected = yaml.safe_load(text)
    expected["codes"]["archive-cut"]["example"]["run"] = "$ one\ntwo\n"
    expected["codes"]["write-failed"]["example"]["run"] = "$ three\n"
    assert yaml.safe_load(changed) == expected
    assert [line for line in changed.splitlines() if "#" in line] == [line for line in text.splitlines() if "#" in line]


def test_readers_of_the_readme_find_the_page() -> None:
    readme = (PACKAGE.parent / "README.md").read_text(encoding="utf-8")
    assert "](docs/errors.md)" in readme
    assert not Path(PACKAGE.parent / "docs" / "checks.md").exists()
