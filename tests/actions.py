"""A runner for the steps of action.yml, and of workflows that use it, as far as these files need one.

The scripts run for real. Of the actions of GitHub, setup-python gives the Python of the tests, the cache is a set of
keys, and others do nothing.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
Outputs = dict[str, dict[str, str]]
INSTALLED: Outputs = {"install": {"scripts": str(Path(sys.executable).parent)}}
"""The outputs of the step that installs, for a runner that uses what is installed in the environment of the tests."""


@dataclass
class Outcome:
    """What a run of steps did: its status, what it printed, and the outputs of its steps, or of the action."""

    status: int = 0
    out: str = ""
    err: str = ""
    outputs: dict[str, Any] = field(default_factory=dict)

    @property
    def annotations(self) -> list[str]:
        return [line for line in self.out.splitlines() if line.startswith("::")]


class Runner:
    """Runs steps in a workspace.

    Args:
        workspace: The folder of the checked out repository.
        temp: A folder for the files of the runner.
        source: The folder of the action.
        skip: The ids of steps of the action that do not run, with their outputs.
        variables: Environment variables that differ from those of the tests.
    """

    def __init__(self, workspace: Path, temp: Path, *, source: Path = ROOT, skip: Outputs, **variables: str) -> None:
        self.cache: set[str] = set()
        self.looked_for: list[str] = []
        self.used: list[str] = []
        self._skip = skip
        self._source = source
        self._workspace = workspace
        self._temp = temp
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GITHUB_"))},
            "GITHUB_WORKSPACE": str(workspace),
            "GITHUB_PATH": str(temp / "path"),
            "RUNNER_TEMP": str(temp),
            "RUNNER_OS": "Linux",
            "RUNNER_ARCH": "X64",
            **variables,
        }
        temp.mkdir()

    def action(self, **inputs: str) -> Outcome:
        """Run the action with these inputs, whose names have underscores for hyphens."""
        given = {name.replace("_", "-"): value for name, value in inputs.items()}
        assert set(given) <= set(ACTION["inputs"])
        values = {**{name: entry["default"] for name, entry in ACTION["inputs"].items()}, **given}
        context = {f"inputs.{name}": value for name, value in values.items()}
        outcome = self.steps(STEPS, {**context, "github.action_path": str(self._source)}, self._skip)
        found = {**context, **outcome.outputs}
        outcome.outputs = {name: _text(entry["value"], found) for name, entry in ACTION["outputs"].items()}
        return outcome

    def steps(self, steps: list[dict[str, Any]], context: dict[str, str], skip: Outputs) -> Outcome:
        """Run steps until one fails; those with the ids of `skip` do not run, and have these outputs."""
        outcome = Outcome()
        context = {"runner.temp": str(self._temp), **context}
        for step in steps:
            known = {**context, **outcome.outputs}
            if "if" in step and not _holds(step["if"], known):
                continue
            name = step.get("id", "")
            done = Outcome(outputs=skip[name]) if name in skip else self._step(step, known)
            outcome.outputs.update({f"steps.{name}.outputs.{key}": value for key, value in done.outputs.items()})
            outcome = Outcome(done.status, outcome.out + done.out, outcome.err + done.err, outcome.outputs)
            if outcome.status:
                break
        return outcome

    def _step(self, step: dict[str, Any], context: dict[str, str]) -> Outcome:
        if "run" in step:
            return self._script(step, context)
        values = {name: _text(value, context) for name, value in step.get("with", {}).items()}
        used = step["uses"].partition("@")[0]
        self.used.append(used)
        if used == "./":
            return self.action(**{name.replace("-", "_"): value for name, value in values.items()})
        if used == "actions/setup-python":
            return Outcome(outputs={"python-path": sys.executable})
        if used == "actions/cache/restore":
            self.looked_for.append(values["key"])
            return Outcome(outputs={"cache-hit": "true" if values["key"] in self.cache else ""})
        if used == "actions/cache/save":
            assert Path(values["path"]).exists()
            self.cache.add(values["key"])
        return Outcome()

    def _script(self, step: dict[str, Any], context: dict[str, str]) -> Outcome:
        script, output = self._temp / "script.sh", self._temp / "output"
        script.write_text(step["run"], encoding="utf-8")
        output.write_text("")
        variables = {name: _text(value, context) for name, value in step.get("env", {}).items()}
        done = subprocess.run(
            # What GitHub runs for `shell: bash`.
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", script],
            env={**self.environ, **variables, "GITHUB_OUTPUT": str(output)},
            cwd=self._workspace / _text(step.get("working-directory", "."), context),
            capture_output=True,
            text=True,
            check=False,
        )
        outputs = dict(line.split("=", 1) for line in output.read_text().splitlines())
        return Outcome(done.returncode, done.stdout, done.stderr, outputs)


def _text(value: object, context: dict[str, str]) -> str:
    """Return a value with its expressions replaced; an output that was not set is empty."""
    text = {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)
    return re.sub(r"\$\{\{ (.+?) \}\}", lambda match: _operand(match[1], context), text)


def _holds(condition: str, context: dict[str, str]) -> bool:
    comparisons = [re.fullmatch(r"(\S+) (==|!=) (\S+)", part) for part in condition.split(" && ")]
    assert all(comparisons), condition
    return all(
        (_operand(match[1], context) == _operand(match[3], context)) == (match[2] == "==")
        for match in comparisons
        if match
    )


def _operand(text: str, context: dict[str, str]) -> str:
    literal = re.fullmatch("'(.*)'", text)
    if literal:
        return literal[1]
    assert text in context or re.fullmatch(r"steps\.[a-z]+\.outputs\.[a-z-]+", text), text
    return context.get(text, "")
