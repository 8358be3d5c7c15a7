"""What a long run needs: progress, and what signals may interrupt."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from functools import partial

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import FrameType
    from typing import TypeAlias
else:
    import _signal as signal  # `signal` makes enumerations of its constants: 2 % of a small build

Progress: TypeAlias = "Callable[[int], object]"
"""Called from the main thread with the number of bytes just processed.

Where it has a method ``add_total``, that is called first, with the number of bytes to expect; a bar needs it to
estimate the time left.
"""

Unblocked: TypeAlias = "Callable[[], AbstractContextManager[None]]"
Undo: TypeAlias = "list[Callable[[], object]]"  # the steps that restore what was there, the last one first
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
    getattr(progress, "add_total", no_progress)(total)


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


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Make the signals that end a command raise KeyboardInterrupt once, so that everything is cleaned up."""
    raised = False

    def interrupt(_number: int, frame: FrameType | None) -> None:
        nonlocal raised
        if not raised:  # a second one must not interrupt the clean-up
            raised = True
            raise_outside_imports(frame)

    def raise_outside_imports(frame: FrameType | None, *_: object) -> None:
        """Raise KeyboardInterrupt. An import would lose it: during one, wait for its end, as a profile function."""
        while frame is not None and frame is not outermost:
            if frame.f_code.co_filename.startswith("<frozen importlib"):
                sys.setprofile(raise_outside_imports)
                return
            frame = frame.f_back
        sys.setprofile(profiler)
        raise KeyboardInterrupt

    outermost, profiler = sys._getframe(2), sys.getprofile()  # what imports the caller is not our matter
    handlers = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    # Ignored signals, as under nohup, stay ignored; a handler in C (None) could not be restored.
    handlers = {number: handler for number, handler in handlers.items() if handler not in (signal.SIG_IGN, None)}
    try:
        for number in handlers:
            signal.signal(number, interrupt)
    except ValueError:  # not in the main thread, which alone may set them
        handlers = {}
    try:
        yield
    except Exception as failure:
        if raised:  # inside a call of the standard library, which then failed in its own way
            raise KeyboardInterrupt from failure
        raise
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        if raised:  # too late to be delivered
            sys.setprofile(profiler)


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
