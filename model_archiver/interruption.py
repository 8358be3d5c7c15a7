"""Steps that a signal must not tear apart, and threads that leave signals to the main one."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")
ENDING_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))
"""The signals by which people and supervisors end a command."""


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold back the signals that end a command until the block is done; it must be short."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows: Python looks for Ctrl-C between two steps only
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def leave_signals_to_main_thread() -> None:
    """For the start of a thread: what it would take is not held back by `uninterrupted` in the main one."""
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
