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

from model_archiver.core.problems import ModelArchiverError, Problem, UsageError, printable
from model_archiver.core.running import ENDING_SIGNALS, no_progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import FrameType
    from typing import NoReturn

    from tqdm import tqdm

    from model_archiver.cli.parser import FlagParser
    from model_archiver.cli.text_output import TextStyle
    from model_archiver.core.running import Progress


DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
DIFFERENT, TROUBLE = 1, 2
"""Of ``diff``, as of the tool of that name."""


def run(parser: FlagParser, argv: Sequence[str] | None) -> int:
    """Run the command that the arguments ask for; return its exit status."""
    words = sys.argv[1:] if argv is None else list(argv)
    args = argparse.Namespace(debug="--debug" in words)  # else, as where it is shortened, the parser tells
    failed = TROUBLE if words[:1] == ["diff"] else FAILED
    reporter = Reporter(parser.prog)
    try:
        with _ended_by_signals(), _without_collector():
            if words and not words[0].startswith("-"):
                return _look_inside(parser.prog, words, args, reporter)
            _parse(parser, words, args)
            _package(args, reporter)
    except SystemExit as done:  # --help and --tool-version
        return int(done.code or DONE)
    except ModelArchiverError as error:
        if args.debug:
            _print_traceback()
        reporter.problems(error)
        return USAGE if isinstance(error, UsageError) else failed
    except KeyboardInterrupt:
        reporter.error("interrupted")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - whatever it is, a user gets one line
        if args.debug:
            _print_traceback()
        hint = "" if args.debug else "; --debug shows where"
        reporter.error(f"this is a bug of the archiver: {type(error).__name__}: {error}{hint}")
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


def _package(args: argparse.Namespace, reporter: Reporter) -> None:
    # What packaging needs is imported here, so that --help and a mistyped flag are answered at once.
    from model_archiver.cli import json_output  # noqa: PLC0415
    from model_archiver.commands.package import plan_package, write_package  # noqa: PLC0415

    plan, warnings = plan_package(args, dry_run=args.dry_run)
    for warning in warnings:
        reporter.line("warning", str(warning))
    for note in plan.notes:
        reporter.line("note", note)
    if args.dry_run:
        _print(json_output.plan_json(plan, warnings) if args.json else json_output.plan_table(plan))
        return
    with _progress_bar(plan.size, hidden=args.quiet) as progress:
        report = write_package(plan, warnings, progress)
    if not args.quiet:  # first: the archive is there, whether or not its JSON can be printed
        reporter.plain(json_output.closing_line(report))
    if args.json:
        _print(json_output.report_json(report))


def _look_inside(prog: str, words: Sequence[str], args: argparse.Namespace, reporter: Reporter) -> int:
    """Run one of the commands that read an archive; its exit status."""
    from model_archiver.cli.command_parser import command_parser  # noqa: PLC0415 - as for packaging

    name, *rest = words
    _parse(command_parser(prog, name), rest, args)
    return {"inspect": _inspect, "verify": _verify, "extract": _extract, "diff": _diff}[name](args, reporter)


def _inspect(args: argparse.Namespace, reporter: Reporter) -> int:
    from model_archiver.cli import json_output, text_output  # noqa: PLC0415
    from model_archiver.commands.inspect import inspect  # noqa: PLC0415

    with _progress_bar(None, hidden=args.quiet) as progress:
        report = inspect(args.archive, max_size=args.max_size, progress=progress)
    _print(json_output.report_json(report) if args.json else text_output.archive_table(report, _stdout_style()))
    return reporter.found(report.problems)


def _verify(args: argparse.Namespace, _tell: Reporter) -> int:
    from model_archiver.cli import json_output, text_output  # noqa: PLC0415
    from model_archiver.commands.inspect import verify  # noqa: PLC0415

    try:
        with _progress_bar(None, hidden=args.quiet) as progress:
            report = verify(args.archive, strict=args.strict, max_size=args.max_size, progress=progress)
    except ModelArchiverError as error:
        if not args.json:
            raise
        _print(json_output.unread_json(args.archive, error.problems))
        return FAILED
    text = (
        json_output.report_json(report)
        if args.json
        else text_output.verdict(report, _stdout_style(), is_quiet=args.quiet)
    )
    if text:
        _print(text)
    return DONE if report.is_ok else FAILED


def _extract(args: argparse.Namespace, reporter: Reporter) -> int:
    from model_archiver.cli import json_output  # noqa: PLC0415
    from model_archiver.commands.extract import extract  # noqa: PLC0415

    with _progress_bar(None, hidden=args.quiet) as progress:
        done = extract(args.archive, args.to or None, force=args.force, max_size=args.max_size, progress=progress)
    reporter.found(done.archive.problems)
    if not args.quiet:
        reporter.plain(json_output.extraction_line(done))
    return DONE


def _diff(args: argparse.Namespace, reporter: Reporter) -> int:
    from model_archiver.cli import json_output, text_output  # noqa: PLC0415
    from model_archiver.commands.diff import diff  # noqa: PLC0415

    with _progress_bar(None, hidden=args.quiet) as progress:
        difference = diff(args.a, args.b, max_size=args.max_size, progress=progress)
    reporter.found([*difference.a.problems, *difference.b.problems])
    style = _stdout_style()
    _print(json_output.difference_json(difference) if args.json else text_output.difference_table(difference, style))
    return DONE if difference.same else DIFFERENT


def _stdout_style() -> TextStyle:
    """How tables are to look where stdout goes: fitted and coloured on a terminal, plain elsewhere."""
    from model_archiver.cli.text_output import TextStyle  # noqa: PLC0415

    if sys.stdout is None or not sys.stdout.isatty():
        return TextStyle()
    is_coloured = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return TextStyle(shutil.get_terminal_size().columns, is_coloured)


def _print(text: str) -> None:
    """Print a result to stdout; what its encoding lacks is shown as escapes.

    Raises:
        ModelArchiverError: it cannot be written there, as where the disk is full.
        SystemExit: the reader has gone.
    """
    if sys.stdout is None:
        hint = "let it go somewhere"
        raise ModelArchiverError(problems=[Problem("error", "stdout-unwritable", "is closed", hint, path="stdout")])
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
        raise ModelArchiverError(problems=[Problem("error", "stdout-unwritable", reason, path="stdout")]) from error


class Reporter:
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

    def problems(self, error: ModelArchiverError) -> None:
        """Everything that an error carries, a line each."""
        if not error.problems:
            self.error(str(error))
        self.found(error.problems)

    def found(self, problems: Iterable[Problem]) -> int:
        """Issues, a line each; the exit status that they make."""
        status = DONE
        for problem in problems:
            self.line(problem.level, str(problem))
            status = FAILED if problem.level == "error" else status
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
    existing = {number: signal.getsignal(number) for number in ENDING_SIGNALS}
    # Ignored ones, as under nohup, stay so; those that C code handles (None) could not be given back.
    existing = {number: handler for number, handler in existing.items() if handler not in (signal.SIG_IGN, None)}
    for number in existing:
        signal.signal(number, end)
    try:
        yield
    except Exception as error:
        if raised:  # in the midst of a step of the standard library's, which then failed in its own way
            raise KeyboardInterrupt from error
        raise
    finally:
        for number, handler in existing.items():
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
        yield no_progress
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

    def add_total(self, total: int) -> None:
        """Add to the bytes that there will be."""
        self._bar.total = (self._bar.total or 0) + total
