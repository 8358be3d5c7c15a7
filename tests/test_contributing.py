"""What CONTRIBUTING.md says works: its worked examples, followed to the letter, and the linters wherever they run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
CI = (ROOT / ".ci/run").read_text(encoding="utf-8")
PRE_COMMIT = ROOT / ".pre-commit-config.yaml"
WORKFLOW = ROOT / ".github/workflows/ci.yml"

BLOCK = re.compile(r"^<!-- (edit|file|needs): ([^\n]+) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
EXAMPLES = ("Add a check", "Add a command")
FOLDERS = ("model_archiver", "tests", "docs", "examples", "benchmarks", ".ci")
FILES = ("*.md", "*.py", "*.toml", "LICENSE", ".gitignore", PRE_COMMIT.name)
[LINTERS] = re.findall(r"^```sh\n(ruff .*)\n```$", PAGE, re.MULTILINE)
LAST_HOOK = "python -m docs.make_errors --check"

needs_shell = pytest.mark.skipif(os.name != "posix", reason="the page shows what one types in a POSIX shell")


def edited(text: str, change: str) -> str:
    """Return a text with a change, whose pieces are separated by ``@@``; each piece fits in one place of the text."""
    for piece in re.split(r"^@@\n", change, flags=re.MULTILINE):
        lines = [(line[:1], f"{line[1:]}\n") for line in piece.splitlines()]
        old, new = ("".join(line for sign, line in lines if sign in signs) for signs in (" -", " +"))
        assert f"\n{text}".count(f"\n{old}") == 1, f"this is not there once:\n{old}"
        text = text.replace(old, new)
    return text


class Clone:
    """A copy of this repository, and somebody who works in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for name in FOLDERS:
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        for path in (path for name in FILES for path in ROOT.glob(name)):
            shutil.copy(path, folder)

    def follow(self, heading: str) -> list[str]:
        """Change and write what a section says, and return the commands that it gives after that."""
        section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
        blocks = [match.groups() for match in BLOCK.finditer(section)]
        for mark, name, text in blocks:
            path = self.folder / name
            if mark == "edit":
                path.write_text(edited(path.read_text(encoding="utf-8"), text), encoding="utf-8")
            elif mark == "file":
                assert not path.exists()
                path.write_text(text, encoding="utf-8")
        assert [mark for mark, *_ in blocks].index("needs") == len(blocks) - 1
        return [text for mark, _, text in blocks if mark == "needs"]

    def run(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a script with the programs of this environment."""
        environ = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "GIT"))
        }
        environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environ['PATH']}"
        command = ["/bin/sh", "-ec", script]
        return subprocess.run(
            command, cwd=self.folder, env=environ | variables, check=False, capture_output=True, text=True
        )

    def passes(self, script: str, **variables: str) -> str:
        done = self.run(script, **variables)
        assert done.returncode == 0, f"{script}{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "clone")


@pytest.fixture
def linters() -> None:
    if not shutil.which("lint-imports", path=str(Path(sys.executable).parent)):
        pytest.skip("needs the extra [lint]")


def test_the_worked_examples_fit_the_sources(clone: Clone) -> None:
    for heading in EXAMPLES:
        [script] = clone.follow(heading)
        named = re.findall(r"tests/\w+\.py", script)
        assert named
        assert [name for name in named if not (clone.folder / name).exists()] == []


@pytest.mark.installs
@needs_shell
def test_the_worked_examples_work(clone: Clone, linters: None) -> None:
    for heading in EXAMPLES:
        for script in clone.follow(heading):
            clone.passes(script)
    assert "The archive contains a notebook." in clone.passes("python -m model_archiver explain notebook-packed")
    archive = "python -m model_archiver --model-name m --handler vllm_handler"
    assert clone.passes(f"{archive} && python -m model_archiver files m.mar").splitlines()[0] == "MAR-INF/MANIFEST.json"
    clone.passes(LINTERS)


# The linters


def test_the_linters_are_the_same_in_every_place() -> None:
    commands = LINTERS.split(" && ")
    assert re.findall(r"^    ((?:ruff|mypy|lint-imports)\b.*?)(?: --no-cache)?$", CI, re.MULTILINE) == commands
    [repository] = yaml.safe_load(PRE_COMMIT.read_text(encoding="utf-8"))["repos"]
    entries = [hook["entry"].replace(" --force-exclude", "") for hook in repository["hooks"]]
    assert entries == [*(command.removesuffix(" .") for command in commands), LAST_HOOK]


class Tools:
    """pre-commit and check-jsonschema, in an environment of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "bin"
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [self.folder / "python", "-m", "pip", "install", "--quiet", "pre-commit", "check-jsonschema"]
        done = subprocess.run(pip, check=False, capture_output=True, text=True)
        if "No matching distribution found for" in done.stderr or "Failed to establish" in done.stderr:
            pytest.skip(f"pip cannot install pre-commit: {done.stderr.splitlines()[-1]}")
        assert done.returncode == 0, done.stderr


@pytest.mark.installs
@needs_shell
@pytest.mark.skipif(not shutil.which("git"), reason="needs git")
def test_pre_commit_runs_the_linters_and_the_files_are_valid(clone: Clone, linters: None, tmp_path: Path) -> None:
    tools = Tools(tmp_path / "tools").folder
    clone.passes(f"{tools}/check-jsonschema --builtin-schema vendor.github-workflows {WORKFLOW}")
    clone.passes(f"{tools}/pre-commit validate-config {PRE_COMMIT}")
    clone.passes("git init --quiet && git add --all")
    hook = f"{tools}/pre-commit run --all-files"
    home = {"PRE_COMMIT_HOME": str(tmp_path / "home")}
    assert clone.passes(hook, **home).count("Passed\n") == len(LINTERS.split(" && ")) + 1
    wrong = {
        "ruff check": "tests/wrong.py:import os\n",
        "ruff format": "tests/format.py:NAMES = [1,2]\n",
        "mypy": 'docs/wrong.py:"""Is wrong."""\n\nNUMBER: int = ""\n',
        "lint-imports": 'model_archiver/core/wrong.py:"""Is wrong."""\n\nimport model_archiver.cli  # noqa: F401\n',
        "docs/errors.md is up to date": "docs/errors.md:# Errors and warnings\n",
    }
    for path, _, text in (change.partition(":") for change in wrong.values()):
        (clone.folder / path).write_text(text, encoding="utf-8")
    clone.passes("git add --all")
    done = clone.run(hook, **home)
    assert done.returncode == 1
    assert re.findall(r"^(.*?)\.+Failed$", done.stdout, re.MULTILINE) == list(wrong)


# The workflow of this repository


def test_the_workflow_does_what_continuous_integration_does() -> None:
    workflow: dict[Any, Any] = yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))
    assert workflow["permissions"] == {"contents": "read"}
    assert set(workflow[True]) == {"push", "pull_request", "schedule", "workflow_dispatch"}  # YAML 1.1 reads on as true
    jobs = workflow["jobs"]
    commands = {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in jobs.items()}
    assert commands == {"usual": [".ci/run"], "occasional": [".ci/run --occasional"]}
    steps = [step for job in jobs.values() for step in job["steps"]]
    actions = [step["uses"] for step in steps if "uses" in step]
    assert [action for action in actions if not re.fullmatch(r"actions/[a-z-]+@v\d+", action)] == []
    # These are the versions that .ci/run looks for, and at last the one that runs everything else.
    [looked_for] = re.findall(r"for version in (.*); do", CI)
    [python] = [step["with"]["python-version"] for step in jobs["occasional"]["steps"] if "setup-python" in str(step)]
    assert python.split()[:-1] == looked_for.split()
    assert os.access(ROOT / ".ci/run", os.X_OK)
