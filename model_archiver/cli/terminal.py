"""What the commands share: results to stdout, messages to stderr, and progress."""

from __future__ import annotations

import contextlib
import io
import os
import sys
import time

from model_archiver.core.problems import Problem, error, printable
from model_archiver.core.running import completed, no_progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import TextIO

    from model_archiver.core.request import StrPath
    from model_archiver.core.running import Progress

_DELAY, _INTERVAL = 1, 0.1  # seconds before the first bar, and from one bar to the next
# The columns that a bar needs, and its format.
_FORMATS = (
    (60, "{l_bar}{bar}{r_bar}"),
    (28, "{percentage:3.0f}% {n_fmt}/{total_fmt} {rate_fmt}"),
    (0, "{percentage:3.0f}%"),
)


class Reporter:
    """Writes messages to stderr, each with the program's name in front, and keeps the problems among them."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.usage: str | None = None  # how the command is called, which a usage error ends with
        self.reported: list[Problem] = []  # of the command as a whole
        self.annotated: list[tuple[Problem, StrPath | None, Sequence[str]]] = []  # all, with what contains them

    def text(self, text: str) -> None:
        """Write a text as it is."""
        if sys.stderr is None:  # the parent closed it; print() would take stdout instead
            return
        _clear_bar()
        with contextlib.suppress(OSError):  # nobody reads it any more
            print(text.removesuffix("\n"), file=sys.stderr)  # noqa: T201

    def line(self, text: str) -> None:
        """Write a line."""
        self.text(f"{self.program}: {printable(text)}")

    def problems(
        self,
        problems: Iterable[Problem],
        archive: StrPath | None = None,
        *,
        own_files: Sequence[str] = (),
        names_archive: bool = False,
        model: str = "",
    ) -> None:
        """Write problems, a line each; of an archive, the paths are those of its members, except for `own_files`.

        With `names_archive`, it is one archive of several, so each line names it; with `model`, one model of several.
        """
        for problem in problems:
            named = problem.replace(message=f"{model}: {problem.message}") if model else problem
            self.annotated.append((named, archive, own_files))
            inside = f"{archive}: " if names_archive and problem.path != str(archive) else f"{model}: " if model else ""
            if not names_archive and not model:
                self.reported.append(problem)
            self.line(f"{problem.level}: {inside}{problem}")


def print_result(text: str) -> None:
    """Print a result to stdout, or nothing if it is empty; characters that its encoding lacks become escapes.

    Raise an error if it cannot be written, for example because the disk is full, and SystemExit if nobody reads it.
    """
    if not text:
        return
    written = f", but {completed[0].name} was written" if completed else ""
    if sys.stdout is None:
        raise error("stdout-unwritable", f"is closed{written}", "redirect it to a file or a terminal", "stdout")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    _clear_bar()
    try:
        print(f"{text}\n", end="", flush=True)  # noqa: T201 - in one piece, also if it is interrupted
    except OSError as failure:
        with contextlib.suppress(OSError):  # or Python fails again when it flushes at exit
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, sys.stdout.fileno())
            os.close(devnull)
        if isinstance(failure, BrokenPipeError):  # as with `| head`: the reader has all that it wanted
            raise SystemExit(1) from failure
        raise error("stdout-unwritable", f"{failure.strerror or failure}{written}", path="stdout") from failure


@contextlib.contextmanager
def progress_bar(*, hidden: bool) -> Iterator[Progress]:
    """Show a bar on a terminal for what takes longer than a second."""
    if hidden or sys.stderr is None or not sys.stderr.isatty() or os.environ.get("TERM") == "dumb":
        yield no_progress
        return
    bar = _Bar(sys.stderr)
    try:
        yield bar
    finally:
        bar.clear()


def columns_of(stream: TextIO | None) -> int:
    """Return the width of the terminal of a stream, or 80 if it is not known."""
    with contextlib.suppress(OSError, ValueError):  # not a terminal, or closed
        return (os.get_terminal_size(stream.fileno()).columns if stream else 0) or 80
    return 80


def _clear_bar() -> None:
    """Make room for a line."""
    if _Bar.shown:
        _Bar.shown.clear()


class _Bar:
    """Progress that is shown on a terminal, from a second after the start until all bytes are processed."""

    shown: _Bar | None = None  # the one that is on the screen

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._done = self._total = self._length = 0
        self._start = self._drawn = 0.0

    def add_total(self, total: int) -> None:
        """Add to the bytes that there will be; if all before are processed, they get a bar of their own."""
        if self._done >= self._total:
            self._done, self._total, self._start = 0, 0, time.perf_counter()
        self._total += total

    def __call__(self, count: int) -> None:
        self._done += count
        now = time.perf_counter()
        if self._done >= self._total:  # what follows has no bytes to count
            self.clear()
        elif now - self._start > _DELAY and now - self._drawn >= _INTERVAL:
            self._drawn = now
            self._draw(now - self._start)

    def clear(self) -> None:
        """Remove the bar from the screen, and the ``^C`` that a terminal adds to it."""
        if self._length:
            self._write(" " * min(self._length + 2, columns_of(self._stream)) + "\r")
            _Bar.shown, self._length = None, 0

    def _draw(self, elapsed: float) -> None:
        try:
            from tqdm import tqdm  # noqa: PLC0415 - only for what takes long
        except Exception:  # noqa: BLE001 - a build needs no bar, and a broken library can raise anything
            return

        width = max(columns_of(self._stream) - 3, 1)  # with room for ``^C``, and for the cursor
        text = tqdm.format_meter(
            self._done,
            self._total,
            elapsed,
            ncols=width,
            ascii=not self._stream.encoding.lower().startswith("utf"),
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            bar_format=next(form for needed, form in _FORMATS if width >= needed),
        )[:width]
        if self._length > width:  # the terminal has become narrower
            self.clear()
        padded = text.ljust(self._length)
        _Bar.shown, self._length = self, len(padded)
        self._write(padded)

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # the terminal is gone
            self._stream.write(f"\r{text}")
            self._stream.flush()
