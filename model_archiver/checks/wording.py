"""What a check says of values that anyone may have written, and of many mistakes of one kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from model_archiver.issue import Issue

_MOST_ALIKE = 20


def shortened(text: str, most: int = 80) -> str:
    """A text, or as much of it as a line for people can bear."""
    return text if len(text) <= most else f"{text[:most]}..."


def fewer(issues: Iterable[Issue]) -> list[Issue]:
    """The issues, but of one code and file no more than 20, of which the last says how many more there are."""
    kept: list[Issue] = []
    last: dict[tuple[str, str], int] = {}
    counts: Counter[tuple[str, str]] = Counter()
    for issue in issues:
        kind = issue.code, issue.path
        counts[kind] += 1
        if counts[kind] <= _MOST_ALIKE:
            last[kind] = len(kept)
            kept.append(issue)
    for kind, index in last.items():
        more = counts[kind] - _MOST_ALIKE
        if more > 0:
            lines = "line" if more == 1 else "lines"
            kept[index] = replace(kept[index], message=f"{kept[index].message} (and {more} more {lines} like it)")
    return kept
