"""What a check says of values that anyone may have written, and of many mistakes of one kind."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from model_archiver.core.problems import Problem

_MOST_ALIKE = 20


def shortened(text: str, most: int = 80) -> str:
    """A text, or as much of it as a line for people can bear."""
    return text if len(text) <= most else f"{text[:most]}..."


def fewer(problems: Iterable[Problem]) -> list[Problem]:
    """The issues, but of one code and file no more than 20, of which the last says how many more there are."""
    kept: list[Problem] = []
    last: dict[tuple[str, str], int] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for problem in problems:
        kind = problem.code, problem.path
        counts[kind] += 1
        if counts[kind] <= _MOST_ALIKE:
            last[kind] = len(kept)
            kept.append(problem)
    for kind, index in last.items():
        more = counts[kind] - _MOST_ALIKE
        if more > 0:
            lines = "line" if more == 1 else "lines"
            kept[index] = kept[index].replace(message=f"{kept[index].message} (and {more} more {lines} like it)")
    return kept
