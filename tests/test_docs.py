"""Every page of the documentation is typed as it stands, and what it names is there."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from model_archiver.cli.command_parser import command_parser
from model_archiver.cli.parser import mms_parser, torch_parser
from model_archiver.commands import COMMANDS
from tests.pages import CI, PAGES, ROOT, PageError, Reader, blocks_of, name_of, times_of, wrong_names
from tests.servers import served

README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.skipif(os.name != "posix", reason="the pages show what one types in a POSIX shell")
@pytest.mark.parametrize(
    "page", [page for page in PAGES if page.name != "errors.md"], ids=name_of
)  # see test_errors.py
def test_the_page_is_typed(page: Path, tmp_path: Path) -> None:
    reader = Reader(tmp_path)
    for _ in range(times_of(page)):
        reader.reads(blocks_of(page.read_text(encoding="utf-8"), name_of(page)))
    if name_of(page) == "README.md" and shutil.which("git"):
        shutil.copy(ROOT / ".gitignore", reader.clone)
        asked = "git init -q && git add .gitignore docs examples && git status --porcelain -uall"
        _, status = reader.run(asked)
        assert [line for line in status.splitlines() if not line.startswith("A ")] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_the_page_names_is_there(page: Path) -> None:
    assert wrong_names(page, page.read_text(encoding="utf-8")) == []


def test_the_page_is_typed_with_a_cluster(tmp_path: Path) -> None:
    pytest.importorskip("distributed", reason="needs the extra [dask]")
    from tests.test_dask import Cluster  # noqa: PLC0415 - skips a test that imports it without the extra

    reader = Reader(tmp_path)
    cluster = Cluster(reader.clone)
    text = (ROOT / "docs/building-many.md").read_text("utf-8").replace("127.0.0.1:8786", cluster.address)
    try:
        cluster.add()
        reader.reads(blocks_of(text), "dask")
    finally:
        cluster.stop()


# The harness itself


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("```console\n$ echo 4 files\n5 files\n```\n", "4 files"),
        ('```console\n$ echo \'{"digit": 0.5}\'\n{"digit": 0.6}\n```\n', "printed"),
        ("```console\n$ false\n```\n", "status 1 of false"),
        ("```console\nls\n```\n", "begins with a command"),
        ("```sh\nfalse\ntrue\n```\n", "status 1"),
        ("```python\nraise SystemExit(3)\n```\n", "status 3"),
        ("```python\nprint(1)\n```\n\n```text\n2\n```\n", "printed\n1"),
        ("```bash\necho\n```\n", "unknown kind"),
        ("   ```sh\necho\n```\n", "at the start of the line"),
        ("```sh\necho\n", "does not begin and end"),
        ("<!-- need: mms -->\n```sh\necho\n```\n", "unknown mark"),
        ("<!-- needs: kserve -->\n```sh\necho\n```\n", "unknown need"),
        ("<!-- needs: mms -->\n\n```sh\necho\n```\n", "no block follows"),
        ("<!-- not run here: needs a cloud account -->\n```sh\necho\n```\n", "does not tell the reader"),
        ("<!-- file: ../a -->\n```sh\necho\n```\n", "outside"),
        ("<!-- file: a.json -->\n```json\n{\n```\n", "not valid"),
        ("The tests do not run this:\n<!-- not run here: a cluster -->\n```yaml\n{\n```\n", "not valid"),
    ],
)
def test_a_wrong_block_fails(text: str, error: str, tmp_path: Path) -> None:
    with pytest.raises(PageError, match=re.escape(error)) as raised:
        Reader(tmp_path).reads(blocks_of(f"# Title\n{text}"))
    assert str(raised.value).startswith("page:")


@pytest.mark.parametrize(
    "text",
    [
        "```console\n$ echo 1.5 MiB in 3 s; \\\n  echo a; echo b; echo c; echo c\n9 MiB in 2.5 s\n...\nc\n```\n",
        "```console\n$ echo error: gone; false\nerror: gone\n```\n",
        '```console\n$ echo \'{"digit": 0.50001}\'\n{\n  "digit": 0.5\n}\n```\n',
        "<!-- file: a/b.txt -->\n```text\nhello\n```\n```console\n$ cat a/b.txt\nhello\n```\n",
        "```python\nprint('hello')\n```\nThis prints:\n\n```text\nhello\n```\n",
        "```sh\npip install nothing-of-the-kind && echo yes > said\ntest -e said\n```\n",
        "The tests do not run this:\n<!-- not run here: a cluster -->\n```sh\nfalse\n```\n",
    ],
)
def test_a_right_block_passes(text: str, tmp_path: Path) -> None:
    Reader(tmp_path).reads(blocks_of(text))


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("[a](nowhere.md)", ["link nowhere.md"]),
        ("[a](errors.md#nothing)", ["link errors.md#nothing"]),
        ("[a](#nothing)", ["link #nothing"]),
        ("[a](../../README.md)", ["link ../../README.md"]),
        ("[a](http://example.org)", ["link http://example.org"]),
        ('<img src="nowhere.svg">', ["link nowhere.svg"]),
        ("`docs/nowhere.md`", ["file docs/nowhere.md"]),
        ("`nowhere.md`", ["file nowhere.md"]),
        ("| file | what |\n|---|---|\n| `nowhere.py` | a |\n", ["file nowhere.py"]),
        ("## One `more` time!\n## One more time\n[a](#one-more-time) [b](#one-more-time-1) `errors.md`", []),
        ("[a](errors.md) [b](https://example.org/a) `docs/out.md`\n```sh\ntouch docs/out.md\n```\n", []),
    ],
)
def test_what_leads_nowhere_is_found(text: str, wrong: list[str]) -> None:
    assert wrong_names(ROOT / "docs/testing.md", text) == wrong


# What is there is documented


def flags_of(parser) -> set[str]:
    return {flag for action in parser._actions for flag in action.option_strings}


def section_of(heading: str) -> str:
    return (ROOT / "docs/command-line.md").read_text("utf-8").partition(f"\n{heading}\n")[2].partition("\n## ")[0]


@pytest.mark.parametrize("command", ["package", *COMMANDS])
def test_every_flag_is_in_the_section_of_its_command(command: str) -> None:
    is_command = command != "package"
    parser = command_parser("torch-model-archiver", command) if is_command else torch_parser()
    section = section_of(f"## `{command}`" if is_command else "## Packaging")
    common = {"-h", "--help", "--json", "--quiet", "--debug"} if is_command else set()
    common |= flags_of(torch_parser()) if command == "build" else set()  # which says that it has these too
    assert [flag for flag in flags_of(parser) - common if f"`{flag}" not in section] == []
    assert [flag for flag in common if f"`{flag}" not in section_of("## Commands") + section_of("## Packaging")] == []


def test_the_other_command_has_the_listed_flags() -> None:
    section = section_of("## `model-archiver`")
    differences = flags_of(torch_parser()) ^ flags_of(mms_parser())
    assert {flag for flag in differences if f"`{flag}`" not in section} == set()


def test_the_set_up_is_that_of_continuous_integration() -> None:
    lines = README.splitlines()
    assert len([line for line in lines if line.startswith("pip install . && torch-model-archiver ")]) == 1
    [tests] = [line for line in lines if line.startswith("pip install torch==")]
    assert tests.endswith(" && pytest -n auto")
    assert "grep -m 1 '^pip install torch==' README.md" in CI


def test_the_readme_is_short_and_links_every_page_and_example() -> None:
    assert README.count("\n") <= 170
    pages = {name_of(page) for page in PAGES} - {"README.md"}
    assert {page for page in pages if f"]({page})" not in README} == set()
    assert {page.name for page in (ROOT / "examples").iterdir() if not (page / "README.md").exists()} == set()


def test_no_line_of_a_page_is_too_long() -> None:
    pages = [page for page in PAGES if page.name != "errors.md"]
    prose = [(name_of(page), re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)) for page in pages]
    lines = [(name, line) for name, text in prose for line in text.splitlines()]
    assert [(name, line) for name, line in lines if len(line) > 120 and not line.startswith("|")] == []


# The table of what serves where


def test_the_table_has_the_rows_of_the_server_tests_and_every_row_serves() -> None:
    table = served.PAGE.read_text(encoding="utf-8").partition(served.BEGIN)[2].partition(served.END)[0]
    rows = [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in table.splitlines()[2:]]
    assert served.rows_of(table) == served.marked_rows()
    assert all("✓" in row and "✗" not in row for row in rows)


def test_the_table_is_taken_only_of_a_run_of_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "TABLE", tmp_path / "table.md")
    monkeypatch.setattr(served, "PAGE", tmp_path / "page.md")
    cells = {row: {"default": True} for row in sorted(served.marked_rows())}
    written = f"{served.BEGIN}{served.rendered(cells)}{served.END}"
    served.PAGE.write_text(written, encoding="utf-8")
    served.TABLE.write_text(served.rendered(cells), encoding="utf-8")
    assert served.main(["--check"]) == 0
    row, *_ = cells
    served.TABLE.write_text(served.rendered({**cells, row: {}}), encoding="utf-8")
    for words in ([], ["--check"]):
        assert row in str(served.main(words))
    assert served.PAGE.read_text(encoding="utf-8") == written


@pytest.mark.parametrize(("outcome", "row"), [("passed", "✓"), ("failed", "✗"), ("skipped", None)])
def test_a_cell_shows_what_was_tried(outcome: str, row: str | None, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(served, "TABLE", tmp_path / "table.md")
    outcomes = served.Outcomes()
    when = "setup" if outcome == "skipped" else "call"
    properties = [("serves", ("a row", "default"))]
    outcomes.pytest_runtest_logreport(
        pytest.TestReport("id", ("", 0, ""), {}, outcome, None, when, user_properties=properties)  # type: ignore[arg-type]
    )
    outcomes.leave()
    assert served.TABLE.exists() == (row is not None)
    assert row is None or f"| a row | {row} |" in served.TABLE.read_text(encoding="utf-8")
