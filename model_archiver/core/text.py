"""Short texts for people: sizes, and the word that was likely meant."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence

_ADDED = r"-(?:all|archive|files?|many|mode|model|output|warnings)$"  # what people add to the name of a flag or command
_SIZE = r"([0-9]{1,15}(?:\.[0-9]{1,3})?)\s*(?:([KMGT]?)(?:i?B)?)"


def human_size(size: float) -> str:
    """Return a number of bytes as people write it, such as ``12.3 MiB``."""
    if size == 1:
        return "1 byte"
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


def parse_size(text: str) -> int:
    """Return the bytes of ``2000000``, ``500M`` or ``1.5 GiB``, in powers of 1024; raise ValueError for other texts."""
    match = re.fullmatch(_SIZE, text.strip(), re.IGNORECASE)
    if match is None:
        raise ValueError(text)
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


def counted(count: int, noun: str) -> str:
    """Return a number with its noun, such as ``1 file`` or ``1,200 files``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shortened(text: str, most: int = 80) -> str:
    """Return the text, or as many characters of it as a printed line has room for."""
    return text if len(text) <= most else f"{text[:most]}..."


def listed(names: Sequence[str], most: int = 3) -> str:
    """Return the first of some names, each as far as a printed line has room for it, and how many more there are."""
    shown = ", ".join(map(shortened, names[:most]))
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def expand_home(value: str) -> str:
    """Return a path whose ``~`` or ``~user`` at the start is replaced by the home folder, unless it exists as written.

    Shells do so only at the start of a word: not in ``--flag=~/x``, and not after a comma.
    """
    return value if value[:1] != "~" or os.path.lexists(value) else os.path.expanduser(value)  # noqa: PTH111 - a text


def closest(given: str, known: Iterable[str], least: float = 0.6) -> str | None:
    """Return the known word that is closest to a given one, or None if none is as close as `least`, of 1."""
    import difflib  # noqa: PLC0415 - most command lines are right

    return next(iter(difflib.get_close_matches(given, list(known), 1, least)), None)


def likely_meant(given: str, known: Iterable[str]) -> str | None:
    """Return the flag, command, choice or code that was meant, or None if none or several are likely."""
    import difflib  # noqa: PLC0415 - most command lines are right

    name = given.strip("-").replace("_", "-").lower()[:100]  # comparing long texts is slow
    names = {word.strip("-").lower(): word for word in known}
    names = {key: word for key, word in names.items() if key.startswith("no-") == name.startswith("no")}
    near = {key: difflib.SequenceMatcher(None, key, name).ratio() for key in names}
    near |= {key: near[key] + 0.1 for key in names if sorted(key) == sorted(name)}  # only their order differs
    rules = (
        [key for key in names if key.replace("-", "") == name.replace("-", "")],
        # In other tools, --output names the output file.
        [key for key in names if len(name) > 2 and key.startswith(name) and name not in ("out", "output")],
        [key for key in names if key.endswith(f"-{name}")],
        [key for key in names if key in (name.removeprefix("model-").removeprefix("test-"), re.sub(_ADDED, "", name))],
        [key for key in names if near[key] == max(near.values()) >= 0.82],
    )
    found = next(filter(None, rules), [])
    return names[found[0]] if len(found) == 1 else None


def did_you_mean(given: str, known: Iterable[str], otherwise: str) -> str:
    """Return a hint that names the known word that was likely meant, or `otherwise` if that is not certain."""
    word = likely_meant(given, known)
    return f"did you mean {word}?" if word else otherwise


def invalid_choice(given: object, choices: Sequence[str]) -> tuple[str, str]:
    """Return message and hint for a value that is none of a few choices."""
    hint = did_you_mean(str(given), choices, f"choose one of {', '.join(choices)}")
    return f"{str(given)!r} is not a valid choice", hint
