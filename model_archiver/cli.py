"""The commands: the one place that prints, catches signals and decides the exit status."""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterable, Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from model_archiver.arg_parser import FlagParser, mms_parser, torch_parser
from model_archiver.interruption import ENDING_SIGNALS
from model_archiver.issue import Issue, printable
from model_archiver.model_archiver_error import ModelArchiverError, UsageError
from model_archiver.progress import Progress, silent

if TYPE_CHECKING:
    from tqdm import tqdm

    from model_archiver.tables import Look

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
DIFFERENT, TROUBLE = 1, 2
"""Of ``diff``, as of the tool of that name."""


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
    failed = TROUBLE if words[:1] == ["diff"] else FAILED
    tell = _Teller(parser.prog)
    try:
        with _ended_by_signals(), _without_collector():
            if words and not words[0].startswith("-"):
                return _look_inside(parser.prog, words, args, tell)
            _parse(parser, words, args)
            _package(args, tell)
    except SystemExit as done:  # --help and --tool-version
        return int(done.code or DONE)
    except ModelArchiverError as error:
        if args.debug:
            _print_traceback()
        tell.issues(error)
        return USAGE if isinstance(error, UsageError) else failed
    except KeyboardInterrupt:
        tell.error("interrupted")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - whatever it is, a user gets one line
        if args.debug:
            _print_traceback()
        hint = "" if args.debug else "; --debug shows where"
        tell.error(f"this is a bug of the archiver: {type(error).__name__}: {error}{hint}")
        return failed
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


def _look_inside(prog: str, words: Sequence[str], args: argparse.Namespace, tell: _Teller) -> int:
    """Run one of the commands that read an archive; its exit status."""
    from model_archiver.command_parser import command_parser  # noqa: PLC0415 - as for packaging

    name, *rest = words
    _parse(command_parser(prog, name), rest, args)
    return {"inspect": _inspect, "verify": _verify, "extract": _extract, "diff": _diff}[name](args, tell)


def _inspect(args: argparse.Namespace, tell: _Teller) -> int:
    from model_archiver import rendering, tables  # noqa: PLC0415
    from model_archiver.commands.inspect import inspect  # noqa: PLC0415

    with _progress_bar(None, hidden=args.quiet) as progress:
        report = inspect(args.archive, max_size=args.max_size, progress=progress)
    _print(rendering.report_json(report) if args.json else tables.archive_table(report, _stdout_look()))
    return tell.found(report.issues)


def _verify(args: argparse.Namespace, _tell: _Teller) -> int:
    from model_archiver import rendering, tables  # noqa: PLC0415
    from model_archiver.commands.verify import verify  # noqa: PLC0415

    try:
        with _progress_bar(None, hidden=args.quiet) as progress:
            report = verify(args.archive, strict=args.strict, max_size=args.max_size, progress=progress)
    except ModelArchiverError as error:
        if not args.json:
            raise
        _print(rendering.unread_json(args.archive, error.issues))
        return FAILED
    text = rendering.report_json(report) if args.json else tables.verdict(report, _stdout_look(), is_quiet=args.quiet)
    if text:
        _print(text)
    return DONE if report.is_sound else FAILED


def _extract(args: argparse.Namespace, tell: _Teller) -> int:
    from model_archiver import rendering  # noqa: PLC0415
    from model_archiver.commands.extract import extract  # noqa: PLC0415

    with _progress_bar(None, hidden=args.quiet) as progress:
        done = extract(args.archive, args.to or None, force=args.force, max_size=args.max_size, progress=progress)
    tell.found(done.archive.issues)
    if not args.quiet:
        tell.plain(rendering.extraction_line(done))
    return DONE


def _diff(args: argparse.Namespace, tell: _Teller) -> int:
    from model_archiver import rendering, tables  # noqa: PLC0415
    from model_archiver.commands.diff import diff  # noqa: PLC0415

    with _progress_bar(None, hidden=args.quiet) as progress:
        difference = diff(args.a, args.b, max_size=args.max_size, progress=progress)
    tell.found([*difference.a.issues, *difference.b.issues])
    look = _stdout_look()
    _print(rendering.difference_json(difference) if args.json else tables.difference_table(difference, look))
    return DONE if difference.same else DIFFERENT


def _stdout_look() -> Look:
    """How tables are to look where stdout goes: fitted and coloured on a terminal, plain elsewhere."""
    from model_archiver.tables import Look  # noqa: PLC0415

    if sys.stdout is None or not sys.stdout.isatty():
        return Look()
    is_coloured = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Look(shutil.get_terminal_size().columns, is_coloured)


def _print(text: str) -> None:
    """Print a result to stdout; what its encoding lacks is shown as escapes.

    Raises:
        ModelArchiverError: it cannot be written there, as where the disk is full.
        SystemExit: the reader has gone.
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
        if isinstance(error, BrokenPipeError):  # as `| head` leaves it: the reader has all that it wanted
            raise SystemExit(FAILED) from error
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
        self.found(error.issues)

    def found(self, issues: Iterable[Issue]) -> int:
        """Issues, a line each; the exit status that they make."""
        status = DONE
        for issue in issues:
            self.line(issue.level, str(issue))
            status = FAILED if issue.level == "error" else status
        return status


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
def _progress_bar(size: int | None, *, hidden: bool) -> Iterator[Progress]:
    """A bar on a terminal, for what takes longer than a second; where the size is not known yet, it is told later."""
    if hidden or sys.stderr is None or not sys.stderr.isatty():
        yield silent
        return
    from tqdm import tqdm  # noqa: PLC0415

    tqdm.monitor_interval = 0  # no thread that signals could be delivered to
    with tqdm(total=size, unit="B", unit_scale=True, unit_divisor=1024, delay=1, leave=False, file=sys.stderr) as bar:
        yield _Bar(bar)


class _Bar:
    """Progress that is shown."""

    def __init__(self, bar: tqdm[NoReturn]) -> None:
        self._bar = bar

    def __call__(self, count: int) -> None:
        self._bar.update(count)

    def expect(self, total: int) -> None:
        """Add to the bytes that there will be."""
        self._bar.total = (self._bar.total or 0) + total
