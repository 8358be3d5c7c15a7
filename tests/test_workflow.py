"""The workflow of examples/ci has the form of a GitHub workflow, and uploads only what was tested."""

from __future__ import annotations

import re
import shlex

from tests.pages import ROOT, blocks_of, commands_in
from tests.workflow import FILE, JOB, PACKAGING, STEPS, UPLOADING, WORKFLOW, is_installing

README = FILE.with_name("README.md").read_text(encoding="utf-8")


def words(command: str) -> list[str]:
    return shlex.split(command.replace("\\\n", " "))


def test_it_has_the_form_of_a_workflow() -> None:
    on = True  # what YAML 1.1 reads the word as
    assert set(WORKFLOW) == {"name", on, "permissions", "jobs"}
    assert WORKFLOW[on] == {"push": {"branches": ["main"]}, "pull_request": None}
    assert set(JOB) == {"runs-on", "timeout-minutes", "steps"}
    for step in STEPS:
        kind = ("run",) if "run" in step else ("uses",)
        assert {"name", *kind} <= set(step) <= {"name", *kind, "with"}
        assert all(isinstance(step[key], str) and step[key].strip() for key in ("name", *kind))


def test_it_may_only_read_and_its_actions_have_a_major_version() -> None:
    assert WORKFLOW["permissions"] == {"contents": "read"}
    actions = [step["uses"] for step in STEPS if "uses" in step]
    assert [action for action in actions if not re.fullmatch(r"actions/[a-z-]+@v\d+", action)] == []
    assert "secrets." not in FILE.read_text(encoding="utf-8")


def test_it_tests_before_it_uploads() -> None:
    flags = words(PACKAGING["run"])
    assert {"--samples", "--test", "--test-python"} <= set(flags)
    assert STEPS[-2:] == [PACKAGING, UPLOADING]  # both run only if all steps before them have passed
    name, folder = (flags[flags.index(flag) + 1] for flag in ("--model-name", "--export-path"))
    assert UPLOADING["with"] == {"name": name, "path": f"{folder}/{name}.mar", "if-no-files-found": "error"}


def test_it_installs_what_the_documentation_names() -> None:
    installed = {word for step in STEPS if is_installing(step) for word in words(step["run"])}
    page = (ROOT / "docs/testing.md").read_text(encoding="utf-8")
    [command] = set(re.findall(r"`pip install (torchserve .*)`", page))
    assert {"python", "venv", "serving", ".", *command.split()} <= installed


def test_its_readme_has_the_same_command_and_names_its_steps() -> None:
    [console] = [block for block in blocks_of(README) if block.kind == "console"]
    [(shown, _)] = commands_in(console)
    assert words(shown) == words(PACKAGING["run"])
    assert {PACKAGING["name"], UPLOADING["name"]} == set(re.findall(r'step "(.*?)"', README))
