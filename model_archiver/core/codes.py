"""The table of all problem codes, ``core/codes.yaml``, and the codes that ``--ignore`` may name."""

from __future__ import annotations

import functools
from pathlib import Path

from model_archiver.core.problems import ProblemList
from model_archiver.core.text import did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


@functools.cache  # a file of many models may name codes in each
def read_codes() -> dict[str, dict[str, Any]]:
    """Return what the table says of each code, by the code; it takes longer to read than a small build takes."""
    import yaml  # noqa: PLC0415 - few commands need it

    text = Path(__file__).with_name("codes.yaml").read_bytes()
    codes: dict[str, dict[str, Any]] = yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))["codes"]  # noqa: S506
    return codes


def ignored_codes(given: str | Sequence[str] | None) -> frozenset[str]:
    """Return the codes whose warnings are ignored; each string may be a comma-separated list of them.

    Raise UsageError if a code is unknown, or can never be a warning.
    """
    values = [given] if isinstance(given, str) else given or []
    codes = {piece.strip() for value in values for piece in value.split(",")} - {""}
    table, problems = read_codes() if codes else {}, ProblemList()
    for code in sorted(codes):
        if code not in table:
            hint = did_you_mean(code, table, "run torch-model-archiver explain to list all codes")
            problems.error("usage-invalid", f"unknown code {code}", hint, path="--ignore")
        elif table[code]["level"] == "error":
            hint = "only warnings can be ignored"
            problems.error("usage-invalid", f"{code} is always an error", hint, path="--ignore")
    problems.raise_errors(strict=False)
    return frozenset(codes)
