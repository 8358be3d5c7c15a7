"""What a long run needs: progress, and steps that a signal must not interrupt."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    Progress = Callable[[int], object]
    """Called from the main thread with the number of bytes just processed.

    Where it has a method ``add_total``, that is called first, with the number of bytes to expect; a bar needs it to
    estimate the time left.
    """

    Unblocked = Callable[[], AbstractContextManager[None]]
else:
    import _signal as signal  # `signal` makes enumerations of its constants: 2 % of a small build

ENDING_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))

completed: list[Path] = []
"""The output that this command has moved into place. An interruption after that must not look like one before it."""

reporters: list[Callable[[str], object]] = []
"""What prints the lines of the command that runs; empty where Python code builds."""


def warn(text: str) -> None:
    """Warn of what a build leaves behind: in the command's own form, or in the log."""
    if reporters:
        reporters[-1](f"warning: {text}")
        return
    import logging  # noqa: PLC0415 - hardly ever needed

    logging.getLogger("model_archiver").warning("%s", text)


def no_progress(_count: int) -> None:
    """Show nothing."""


def add_total(progress: Progress, total: int) -> None:
    """Announce how many bytes there will be."""
    announce = getattr(progress, "add_total", None)
    if announce is not None:
        announce(total)


@contextmanager
def block_signals() -> Iterator[Unblocked]:
    """Block the signals that end a command until the block is left.

    Threads that are started inside keep them blocked for good, and so leave them to the main thread. The function that
    is yielded returns a context in which the signals are delivered: for the long part between two steps that must both
    be done.
    """
    before = _blocked()
    with _masked({*before, *ENDING_SIGNALS}):
        yield partial(_masked, before)


def signal_pending() -> bool:
    """Return whether a blocked signal is waiting."""
    return hasattr(signal, "sigpending") and bool(signal.sigpending())


@contextmanager
def _masked(signals: Iterable[int]) -> Iterator[None]:
    """Block these signals and no others; a pending one is raised when it is unblocked, on entry or exit."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows, where Python handles Ctrl-C only between two steps
        yield
        return
    before = _blocked()
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, signals)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _blocked() -> set[int]:
    """Return the signals that are blocked now."""
    return set(signal.pthread_sigmask(signal.SIG_BLOCK, ())) if hasattr(signal, "pthread_sigmask") else set()
