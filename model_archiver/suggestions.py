"""What somebody likely meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def closest(given: str, known: Iterable[str]) -> str | None:
    """The known word that is closest to the one given, if one is close."""
    import difflib  # noqa: PLC0415 - most command lines are right

    return next(iter(difflib.get_close_matches(given, list(known), n=1)), None)


def did_you_mean(given: str, known: Iterable[str], otherwise: str) -> str:
    """Half a sentence with the known word that is closest to the one given; `otherwise` where none is close."""
    close = closest(given, known)
    return f"did you mean {close}?" if close else otherwise


def no_choice(given: object, values: Sequence[str]) -> tuple[str, str]:
    """What is wrong with a value that is none of a few, and which one was likely meant."""
    return f"there is no {str(given)!r}", did_you_mean(str(given), values, f"choose one of {', '.join(values)}")
