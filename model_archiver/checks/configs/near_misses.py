"""Words that are almost another one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

_PARTING = re.compile(r"[\s_.-]")


def near_miss(given: str, known: Collection[str], slips: int = 2) -> str | None:
    """The known word that is given in another spelling or with slips of the pen, if there is one.

    Args:
        given: the word.
        known: the words it could be.
        slips: how many letters may be wrong in a word of 12 letters; it is one fewer in one of 8, two in a shorter one.
    """
    plain = _plain(given)
    by_plain = {_plain(word): word for word in known}
    if plain in by_plain:
        return by_plain[plain]
    for candidate, word in by_plain.items():
        allowed = slips - (len(candidate) < 12) - (len(candidate) < 8)
        if abs(len(candidate) - len(plain)) <= allowed and _distance(plain, candidate) <= allowed:
            return word
    return None


def _plain(word: str) -> str:
    return _PARTING.sub("", word).lower()


def _distance(one: str, other: str) -> int:
    """How many letters to add, leave out, change or swap with the next one (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one):
        above, row = row, [i + 1]
        for j, another in enumerate(other):
            row.append(min(above[j + 1] + 1, row[j] + 1, above[j] + (letter != another)))
            if i and j and letter == other[j - 1] and one[i - 1] == another:
                row[-1] = min(row[-1], before[j - 1] + 1)
        before = above
    return row[-1]
