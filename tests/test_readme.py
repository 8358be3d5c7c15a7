"""What the README tells people to type is typed here, and what it lists is all there is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from model_archiver.cli.command_parser import command_parser
from model_archiver.cli.parser import mms_parser, torch_parser
from model_archiver.commands import COMMANDS
from tests.archives import manifest, members
from tests.servers import served
from tests.servers.served import marked_rows, rows_of

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci/run").read_text(encoding="utf-8")
SHELL = re.findall(r"^```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
PYTHON = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)

INSTALL = "pip install . && "
FIRST = next(block for block in SHELL if block.startswith(INSTALL)).removeprefix(INSTALL)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


def typed(commands: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path}
    words = ["/bin/sh", "-ec", commands]
    return subprocess.run(words, cwd=folder, env=environ, check=False, capture_output=True, text=True)


def test_the_first_command_packages_the_digits(clone: Path) -> None:
    done = typed(FIRST, clone)
    assert (done.returncode, done.stdout) == (0, "")
    assert members(clone / "digits.mar") == {"digits.pt", "handler.py", "index_to_name.json", "model.py"}
    fields = manifest(clone / "digits.mar")["model"]
    names = ("modelName", "serializedFile", "handler", "modelFile")
    assert [fields[name] for name in names] == ["digits", "digits.pt", "handler.py", "model.py"]


def test_the_readme_has_the_test_command_of_continuous_integration() -> None:
    commands = [line for block in SHELL for line in block.splitlines() if line.startswith("pip install torch==")]
    assert len(commands) == 1
    assert commands[0].endswith("pytest -n auto")


PACKAGING = [block for block in SHELL if re.match(r"(torch-)?model-archiver --", block)]
LOOKING = [block for block in SHELL if block.startswith("torch-model-archiver inspect")]
FURTHER = [block for block in SHELL if re.match(r"torch-model-archiver (explain|verify|build)", block)]


@pytest.mark.parametrize("blocks", [*([block] for block in PACKAGING), [FIRST, *PACKAGING]], ids=len)
def test_the_packaging_commands_run_as_written_alone_and_in_order(blocks: list[str], clone: Path) -> None:
    for commands in blocks:
        done = typed(commands, clone)
        assert done.returncode == 0, done.stderr
        assert "warning" not in done.stderr or len(blocks) > 1


def test_the_folder_that_is_shown_can_be_served(clone: Path) -> None:
    [commands] = [block for block in PACKAGING if "no-archive" in block]
    assert typed(commands, clone).returncode == 0
    assert members(clone / "digits") == {"digits.pt", "handler.py", "index_to_name.json", "model.py"}
    described = manifest(clone / "digits")["model"]
    assert (described["modelFile"], described["serializedFile"]) == ("model.py", "digits.pt")


def test_every_shell_block_is_of_a_kind_that_is_tested() -> None:
    installing = [block for block in SHELL if block.startswith("pip install")]
    serving = [block for block in SHELL if block.startswith("torchserve")]  # by tests/servers/test_readmes.py
    trying = [block for block in SHELL if block.startswith("python -m venv serving")]  # likewise
    testing = [block for block in SHELL if block.startswith("pytest")]
    assert len(installing) == 2
    assert len(trying) == 1
    assert len(serving) == 1
    assert len(testing) == 1
    assert f"    {testing[0]}" in CI
    assert len(SHELL) == len(installing) + len(serving) + len(trying) + len(testing) + len(
        [*PACKAGING, *LOOKING, *FURTHER]
    )


def test_the_summary_is_the_one_that_is_shown(clone: Path) -> None:
    shown = re.search(r"^torch-model-archiver: wrote .*$", README, re.MULTILINE)
    assert shown is not None
    said = typed(PACKAGING[0], clone).stderr.strip()
    size = re.compile(r"[\d.]+ KiB")  # depends on the version of the deflate engine
    assert size.sub("-", said) == size.sub("-", shown[0])


def test_the_verdict_is_the_one_that_is_shown(clone: Path) -> None:
    [looking] = LOOKING
    printing = {"explain", "completion", "help", "version"}
    assert (
        set(re.findall(r"^torch-model-archiver (\w+)", looking, re.MULTILINE))
        == {*COMMANDS} - {"test", "build"} - printing
    )
    shown = re.search(r"^model_store/digits\.mar: OK, .*$", README, re.MULTILINE)
    assert shown is not None
    done = typed(PACKAGING[0] + looking, clone)
    assert done.returncode == 0, done.stderr
    assert shown[0] in done.stdout.splitlines()


@pytest.mark.parametrize("block", FURTHER, ids=len)
def test_the_other_commands_run_as_written(block: str, clone: Path) -> None:
    done = typed(PACKAGING[0] + block, clone)
    assert done.returncode == 0, done.stderr


def test_every_flag_of_a_command_is_listed() -> None:
    looking = README.partition("## Look inside")[2].partition("\n## ")[0]
    testing, many = ((ROOT / "docs" / page).read_text(encoding="utf-8") for page in ("testing.md", "building-many.md"))
    for name in COMMANDS:
        flags = {
            flag for action in command_parser("torch-model-archiver", name)._actions for flag in action.option_strings
        }
        section = {"test": testing, "help": README, "build": README + many}.get(name, looking)
        assert [flag for flag in flags - {"-h", "--help", "--force", "--all"} if f"`{flag}" not in section] == []


def test_the_python_examples_run_in_order(clone: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(PYTHON)], cwd=clone, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "model_store/digits.mar" in done.stdout
    assert "sha256:" in done.stdout


def test_the_table_of_what_serves_has_the_rows_of_the_server_tests_and_every_row_serves() -> None:
    table = README.partition("<!-- served: made by the server tests -->\n")[2].partition("<!-- /served -->")[0]
    rows = [[cell.strip() for cell in line.strip("|\n").split(" | ")] for line in table.splitlines()[2:]]
    assert rows_of(table) == marked_rows()
    assert all("✓" in row and "✗" not in row for row in rows)


def test_the_table_is_taken_only_of_a_run_of_all_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(served, "TABLE", tmp_path / "table.md")
    monkeypatch.setattr(served, "README", tmp_path / "README.md")
    cells = {row: {"default": True} for row in sorted(marked_rows())}
    written = f"{served.BEGIN}{served.rendered(cells)}{served.END}"
    served.README.write_text(written, encoding="utf-8")
    served.TABLE.write_text(served.rendered(cells), encoding="utf-8")
    assert served.main(["--check"]) == 0
    row, *_ = cells
    served.TABLE.write_text(served.rendered({**cells, row: {}}), encoding="utf-8")
    for words in ([], ["--check"]):
        assert row in str(served.main(words))
    assert served.README.read_text(encoding="utf-8") == written


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


EXAMPLES = sorted(path.name for path in (ROOT / "examples").iterdir() if path.is_dir())


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_has_a_readme_that_the_main_one_links(example: str) -> None:
    assert (ROOT / "examples" / example / "README.md").is_file()
    assert f"(examples/{example}/README.md)" in README


def test_every_shell_block_of_the_examples_is_typed_by_the_server_tests() -> None:
    typed = (ROOT / "tests/servers/test_readmes.py").read_text(encoding="utf-8")
    assert {example for example in EXAMPLES if f'"{example}"' in typed} == set(EXAMPLES)
    docker = (ROOT / "examples/docker/README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^```sh\n(\S+)", docker, re.MULTILINE)
    # The first two are typed; the others want a container engine.
    assert commands == ["torch-model-archiver", "torch-model-archiver", "docker", "curl"]


def test_every_link_to_a_file_leads_somewhere() -> None:
    pages = [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("examples/*/README.md")]
    links = [(page, link) for page in pages for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))]
    assert links
    assert [(page.name, link) for page, link in links if not (page.parent / link).exists()] == []


def test_every_flag_is_in_the_table() -> None:
    tables = "\n".join(line for line in README.splitlines() if line.startswith("| `-"))
    actions = torch_parser()._actions
    missing = [flag for action in actions for flag in action.option_strings if f"`{flag}" not in tables]
    assert missing == []


def test_the_other_command_has_the_listed_flags() -> None:
    torch_only = {"--serialized-file", "--model-file", "--extra-files", "--requirements-file", "--config-file"}
    torch = {flag for action in torch_parser()._actions for flag in action.option_strings}
    mms = {flag for action in mms_parser()._actions for flag in action.option_strings}
    assert {flag for flag in torch - mms if flag.startswith("--")} == torch_only
    assert mms - torch == {"--convert"}
