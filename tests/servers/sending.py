"""Trials of handlers that are written by a test."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from model_archiver import try_archive

if TYPE_CHECKING:
    from model_archiver.trial.report import TrialReport

Packer = Callable[..., Path]
"""Packages the source of a handler with flags as ``m.mar``, and returns its path."""

ANSWERS = "def handle(data, context):\n    return ['x' for _ in data or ['load']]\n"


def send(archive: Path, python: Path, *bodies: str, **settings: object) -> TrialReport:
    for number, body in enumerate(bodies):
        Path(f"request{number}.txt").write_text(body)
    inputs = [f"request{number}.txt" for number in range(len(bodies))]
    return try_archive(archive, inputs, python=python, **settings)
