"""Steps that a signal must not tear apart."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
ENDING_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
"""The signals by which people and supervisors end a command."""


@contextmanager
def uninterrupted() -> Iterator[Callable[[], AbstractContextManager[None]]]:
    """Hold back the signals that end a command until the block is done.

    Threads that are started in the block hold them back for good, and so leave them to the main one.

    Yields:
        Makes a context in which they come through, for the long part between two steps that must both be done.
    """
    before = _mask()
    with _masked({*before, *ENDING_SIGNALS}):
        yield partial(_masked, before)


def interruption_waits() -> bool:
    """Whether a signal is held back now."""
    return hasattr(signal, "sigpending") and bool(signal.sigpending())


@contextmanager
def _masked(signals: Iterable[int]) -> Iterator[None]:
    """Hold back these signals and no others; one that waited is raised here, in or after the block."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows: Python looks for Ctrl-C between two steps only
        yield
        return
    before = _mask()
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _mask() -> set[int]:
    """The signals that are held back now."""
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, ())) if hasattr(signal, "pthread_sigmask") else set()
