"""The commands: the one place that prints, catches signals and decides the exit status."""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from model_archiver.arg_parser import FlagParser, mms_parser, torch_parser
from model_archiver.interruption import ENDING_SIGNALS
from model_archiver.issue import Issue, printable
from model_archiver.model_archiver_error import ModelArchiverError, UsageError

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``torch-model-archiver``.

    Args:
        argv: the words after the command; None takes those of the process.

    Returns:
        The exit status: 0 done, 1 refused or failed, 2 a command line that cannot be understood, 130 interrupted.
    """
    return _run(torch_parser(), argv)


def mms_main(argv: Sequence[str] | None = None) -> int:
    """Run ``model-archiver``; as `main`."""
    return _run(mms_parser(), argv)


def _run(parser: FlagParser, argv: Sequence[str] | None) -> int:
    words = sys.argv[1:] if argv is None else list(argv)
    args = argparse.Namespace(debug="--debug" in words)  # else, as where it is shortened, the parser tells
    tell = _Teller(parser.prog)
    try:
        with _ended_by_signals(), _without_collector():
            _parse(parser, words, args)
            _package(args, tell)
    except SystemExit as done:  # --help and --tool-version
        return int(done.code or DONE)
    except ModelArchiverError as error:
        if args.debug:
            _print_traceback()
        tell.issues(error)
        return USAGE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        tell.error("interrupted")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - whatever it is, a user gets one line
        if args.debug:
            _print_traceback()
        hint = "" if args.debug else "; --debug shows where"
        tell.error(f"this is a bug of the archiver: {type(error).__name__}: {error}{hint}")
        return FAILED
    return DONE


def _parse(parser: FlagParser, words: Sequence[str], args: argparse.Namespace) -> None:
    """Parse the command line; what --help and --tool-version say is printed as every result is."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            parser.parse_args(words, args)
    except SystemExit:
        _print(said.getvalue().removesuffix("\n"))
        raise


def _print_traceback() -> None:
    import traceback  # noqa: PLC0415 - nearly never used

    traceback.print_exc()


def _package(args: argparse.Namespace, tell: _Teller) -> None:
    # What packaging needs is imported here, so that --help and a mistyped flag are answered at once.
    from model_archiver import rendering  # noqa: PLC0415
    from model_archiver.model_packaging import plan_package, write_package  # noqa: PLC0415

    plan, warnings = plan_package(args, dry_run=args.dry_run)
    for warning in warnings:
        tell.line("warning", str(warning))
    for note in plan.notes:
        tell.line("note", note)
    if args.dry_run:
        _print(rendering.plan_json(plan, warnings) if args.json else rendering.plan_table(plan))
        return
    with _progress_bar(plan.size, hidden=args.quiet) as progress:
        report = write_package(plan, warnings, progress)
    if not args.quiet:  # first: the archive is there, whether or not its JSON can be printed
        tell.plain(rendering.closing_line(report))
    if args.json:
        _print(rendering.report_json(report))


def _print(text: str) -> None:
    """Print a result to stdout; what its encoding lacks is shown as escapes.

    Raises:
        ModelArchiverError: it cannot be written there, as where the disk is full or the reader has gone.
    """
    if sys.stdout is None:
        hint = "let it go somewhere"
        raise ModelArchiverError(issues=[Issue("error", "stdout-unwritable", "is closed", hint, path="stdout")])
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        print(text, flush=True)  # noqa: T201
    except OSError as error:
        with contextlib.suppress(OSError):  # else Python fails once more when it flushes at its end
            devnull = os.open(os.devnull, os.O_WRONLY)
            os.dup2(devnull, sys.stdout.fileno())
            os.close(devnull)
        reason = error.strerror or str(error)
        raise ModelArchiverError(issues=[Issue("error", "stdout-unwritable", reason, path="stdout")]) from error


class _Teller:
    """Writes lines for people to stderr."""

    def __init__(self, prog: str) -> None:
        self._prog = prog

    def line(self, kind: str, text: str) -> None:
        """A line of a kind, such as ``error``."""
        self.plain(f"{kind}: {text}")

    def plain(self, text: str) -> None:
        """A line."""
        if sys.stderr is None:  # closed by whoever started us: print() would take stdout instead
            return
        with contextlib.suppress(OSError):  # nobody reads it any more
            print(f"{self._prog}: {printable(text)}", file=sys.stderr)  # noqa: T201

    def error(self, text: str) -> None:
        """What went wrong."""
        self.line("error", text)

    def issues(self, error: ModelArchiverError) -> None:
        """Everything that an error carries, a line each."""
        if not error.issues:
            self.error(str(error))
        for issue in error.issues:
            self.line(issue.level, str(issue))


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[None]:
    """Let the signals that end a command raise KeyboardInterrupt once, so that what was begun is cleaned up."""
    raised = False

    def end(_number: int, _frame: FrameType | None) -> None:
        nonlocal raised
        if not raised:  # a second one must not tear the cleaning up
            raised = True
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    # Ignored ones, as under nohup, stay so; those that C code handles (None) could not be given back.
    former = {number: handler for number, handler in former.items() if handler not in (signal.SIG_IGN, None)}
    for number in former:
        signal.signal(number, end)
    try:
        yield
    except Exception as error:
        if raised:  # in the midst of a step of the standard library's, which then failed in its own way
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _without_collector() -> Iterator[None]:
    """Collect no garbage: a command makes no cycles to speak of, and looking for them takes a tenth of a short one."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def _progress_bar(size: int, *, hidden: bool) -> Iterator[Callable[[int], object]]:
    """A bar on a terminal, for what takes longer than a second."""
    if hidden or sys.stderr is None or not sys.stderr.isatty():
        yield lambda _: None
        return
    from tqdm import tqdm  # noqa: PLC0415

    tqdm.monitor_interval = 0  # no thread that signals could be delivered to
    with tqdm(total=size, unit="B", unit_scale=True, unit_divisor=1024, delay=1, leave=False, file=sys.stderr) as bar:
        yield bar.update
