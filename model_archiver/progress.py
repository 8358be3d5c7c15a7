"""How what takes long tells how far it has come."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[int], object]
"""Is told the number of bytes of each stretch that has been taken care of, from the main thread.

Where it has a method ``expect``, that is told before how many bytes there will be, as a bar needs it to know the time
that is left.
"""


def silent(_count: int) -> None:
    """Nobody wants to know."""


def expect(progress: Progress, total: int) -> None:
    """Say how many bytes there will be."""
    told = getattr(progress, "expect", None)
    if told is not None:
        told(total)
