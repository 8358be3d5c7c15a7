"""The workflow of examples/ci, as its steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).parents[1] / "examples" / "ci" / "package-model.yml"
WORKFLOW: dict[Any, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
[JOB] = WORKFLOW["jobs"].values()
STEPS: list[dict[str, Any]] = JOB["steps"]


def is_installing(step: dict[str, Any]) -> bool:
    return "pip install " in step.get("run", "")


[PACKAGING] = [step for step in STEPS if "run" in step and not is_installing(step)]
[UPLOADING] = [step for step in STEPS if step.get("uses", "").startswith("actions/upload-artifact@")]
