"""What the commands share: results to stdout, messages to stderr, progress, and signals."""

from __future__ import annotations

import contextlib
import io
import os
import sys

from model_archiver.core.problems import Problem, error, printable
from model_archiver.core.running import ENDING_SIGNALS, completed, no_progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Iterable, Iterator, Sequence
    from types import FrameType
    from typing import NoReturn

    from tqdm import tqdm

    from model_archiver.core.request import StrPath
    from model_archiver.core.running import Progress
else:
    import _signal as signal  # `signal` makes enumerations of its constants: 2 % of a small build


class Reporter:
    """Writes messages to stderr, each with the program's name in front, and keeps the problems among them."""

    def __init__(self, program: str) -> None:
        self.program = program
        self.usage: str | None = None  # how the command is called, which a usage error ends with
        self.reported: list[Problem] = []  # of the command as a whole
        self.annotated: list[tuple[Problem, StrPath | None, Sequence[str]]] = []  # all, with what contains them
        self.first_code = ""  # of an error

    def text(self, text: str) -> None:
        """Write a text as it is."""
        if sys.stderr is None:  # the parent closed it; print() would take stdout instead
            return
        with contextlib.suppress(OSError):  # nobody reads it any more
            print(text.removesuffix("\n"), file=sys.stderr)  # noqa: T201

    def line(self, text: str) -> None:
        """Write a line."""
        self.text(f"{self.program}: {printable(text)}")

    def error(self, text: str) -> None:
        """Write an error that has no code."""
        self.problems([Problem("error", "", text)])

    def problems(
        self,
        problems: Iterable[Problem],
        archive: StrPath | None = None,
        *,
        own_files: Sequence[str] = (),
        names_archive: bool = False,
    ) -> None:
        """Write problems, a line each.

        Args:
            problems: what is wrong.
            archive: the archive that they are about; their paths are those of its members.
            own_files: the paths that are the user's files all the same.
            names_archive: this is one archive of several, so each line names it.
        """
        for problem in problems:
            self.annotated.append((problem, archive, own_files))
            if problem.level == "error":
                self.first_code = self.first_code or problem.code
            inside = f"{archive}: " if names_archive and problem.path != str(archive) else ""
            if not names_archive:
                self.reported.append(problem)
            self.line(f"{problem.level}: {inside}{problem}")


def print_result(text: str) -> None:
    """Print a result to stdout, or nothing if it is empty; characters that its encoding lacks become escapes.

    Raises:
        ModelArchiverError: it cannot be written, for example because the disk is full.
        SystemExit: nobody reads it any more.
    """
    if not text:
        return
    written = f", but {completed[0].name} was written" if completed else ""
    if sys.stdout is None:
        raise error("stdout-unwritable", f"is closed{written}", "redirect it to a file or a terminal", "stdout")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
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


@contextlib.contextmanager
def progress_bar(*, hidden: bool) -> Iterator[Progress]:
    """Show a bar on a terminal for what takes longer than a second."""
    if hidden or sys.stderr is None or not sys.stderr.isatty():
        yield no_progress
        return
    from tqdm import tqdm  # noqa: PLC0415 - only on a terminal

    tqdm.monitor_interval = 0  # without its thread, to which signals could be delivered
    with tqdm(unit="B", unit_scale=True, unit_divisor=1024, delay=1, leave=False, file=sys.stderr) as bar:
        yield _Bar(bar)


class _Bar:
    """Progress that is shown."""

    def __init__(self, bar: tqdm[NoReturn]) -> None:
        self._bar = bar

    def __call__(self, count: int) -> None:
        self._bar.update(count)

    def add_total(self, total: int) -> None:
        """Add to the bytes that there will be."""
        self._bar.total = (self._bar.total or 0) + total
