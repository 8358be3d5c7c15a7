"""Words of a source in a message."""

from __future__ import annotations


def shortened(text: str, longest: int = 80) -> str:
    """A text without its end where it is longer than anybody reads."""
    return text if len(text) <= longest else f"{text[:longest]}..."
