"""The one place that runs commands, prints what they return, and decides the exit status."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys

from model_archiver.cli.terminal import Reporter, interrupted_by_signals, print_result, progress_bar
from model_archiver.core.problems import ModelArchiverError, ProblemList, UsageError, as_error
from model_archiver.core.record import Record
from model_archiver.core.running import add_total, completed, reporters
from model_archiver.core.text import counted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any

    from model_archiver.cli.parser import FlagParser
    from model_archiver.cli.text_output import TextStyle
    from model_archiver.core.problems import Problem
    from model_archiver.trial.report import TrialReport

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
NOT_COMPARED = 2  # of ``diff``, which fails if the archives differ, as the tool of that name
_FOR_OUTPUT = {"log", "json", "quiet", "debug"}


def run_command(parser: FlagParser, argv: Sequence[str] | None) -> int:
    """Run what the arguments, or those of the process, ask for, and return the exit status."""
    words = sys.argv[1:] if argv is None else list(argv)
    command = words[0] if words and not words[0].startswith("-") else "package"
    failed = NOT_COMPARED if command == "diff" else FAILED
    # Needed before the arguments are parsed; the parser also knows these flags where they are abbreviated.
    args = argparse.Namespace(debug="--debug" in words, json="--json" in words)
    reporter = Reporter(parser.prog)
    completed.clear()
    reporters.append(reporter.line)
    try:
        with interrupted_by_signals():
            if command == "package":
                _parse(parser, words, args)
                return _package(args, reporter, parser.repeated)
            return _run_reader(parser.prog, words, args, reporter)
    except SystemExit as done:  # of --help and --tool-version, or nobody reads stdout
        return int(done.code or DONE)
    except KeyboardInterrupt:
        reporter.line(f"error: interrupted{f' after {completed[0]} was written' if completed else ''}")
        return _print_failure(command, INTERRUPTED, args, reporter)
    except (ModelArchiverError, OSError) as failure:
        error = as_error(failure)
        _print_traceback(args)
        if error.problems:
            reporter.problems(error.problems)
        else:
            reporter.line(f"error: {error}")
        status = USAGE if isinstance(error, UsageError) else failed
        trial = getattr(error, "trial", None)  # of a TrialFailedError, which is not imported for every command
        fields = _report_trial(trial, args, reporter) if trial else {}
        return _print_failure(command, status, args, reporter, **fields)
    except Exception as failure:  # noqa: BLE001 - whatever it is, a user gets one line
        _print_traceback(args)
        hint = "" if args.debug else "; run it again with --debug to see where"
        text = f"internal error: {type(failure).__name__}: {failure}{hint}; please report it"
        reporter.line(f"error: {f'{failure}; install this tool again' if isinstance(failure, ImportError) else text}")
        return _print_failure(command, failed, args, reporter)
    finally:
        reporters.pop()


def _print_failure(command: str, status: int, args: argparse.Namespace, reporter: Reporter, **fields: object) -> int:
    """Print the JSON document of a command that failed, if that was asked for; return the status."""
    if args.json and not any(problem.code == "stdout-unwritable" for problem in reporter.reported):
        with contextlib.suppress(ModelArchiverError, SystemExit):  # stdout is closed or full; the status says it all
            _print_json(command, status, reporter.reported, **fields)
    return status


def _print_traceback(args: argparse.Namespace) -> None:
    if args.debug:
        import traceback  # noqa: PLC0415 - only for --debug

        traceback.print_exc()


def _print_json(command: str, status: int, problems: Sequence[Problem], **fields: object) -> None:
    from model_archiver.cli.json_output import document  # noqa: PLC0415 - only for --json

    print_result(document(command, status, problems, **fields))


def _parse(parser: FlagParser, words: Sequence[str], args: argparse.Namespace) -> None:
    """Parse the arguments; print what --help and --tool-version say as every result is printed."""
    output = io.StringIO()
    try:
        with contextlib.redirect_stdout(output):
            parser.parse_args(words, args)
    except SystemExit:
        print_result(output.getvalue().removesuffix("\n"))
        raise


def _package(args: argparse.Namespace, reporter: Reporter, repeated: Iterable[Problem]) -> int:
    # Imported here, so that --help and a mistyped flag are answered at once.
    from model_archiver.cli import text_output  # noqa: PLC0415
    from model_archiver.commands.package import plan_package  # noqa: PLC0415

    plan, problems, trial = plan_package(args, dry_run=args.dry_run, found=repeated)
    reporter.problems(problems)
    for note in plan.notes:
        reporter.line(f"note: {note}")
    report, tried = None, {}
    if not args.dry_run:
        from model_archiver.writing.build import build  # noqa: PLC0415 - not needed for --dry-run

        with progress_bar(hidden=args.quiet) as progress:
            add_total(progress, plan.size)
            report = build(plan, progress, trial)
    else:
        if not args.json:
            print_result(text_output.plan_table(plan))
        if trial:
            trial()
    ignored = problems.ignored
    if trial:
        reporter.problems(trial.report.problems)
        ignored, tried = ignored + trial.report.ignored, _report_trial(trial.report, args, reporter)
    # First: the archive exists, whether or not its JSON can be printed.
    written = [text_output.written_line(report)] if report else []
    for line in () if args.quiet else (*_ignored_note(ignored), *written):
        reporter.line(line)
    if args.json:
        from model_archiver.cli import json_output  # noqa: PLC0415

        fields = json_output.report_fields(report) if report else json_output.plan_fields(plan)
        _print_json("package", DONE, reporter.reported, **{**tried, **fields, **json_output.given(ignored=ignored)})
    return DONE


def _ignored_note(count: int) -> list[str]:
    return [f"note: {counted(count, 'warning')} ignored"] if count else []


def _report_trial(report: TrialReport, args: argparse.Namespace, reporter: Reporter) -> dict[str, Any]:
    """Print what came of the trial of a build, and return its fields of the JSON document."""
    from model_archiver.cli.text_output import TextStyle  # noqa: PLC0415 - only with --test

    lines, verdict, fields = _trial_output(report, args, TextStyle())
    for line in (*lines, *verdict.splitlines()):
        reporter.line(line)
    return fields


def _trial_output(
    report: TrialReport, args: argparse.Namespace, style: TextStyle, *, whole_log: bool = False
) -> tuple[list[str], str, dict[str, Any]]:
    """Return what is shown of a trial: the lines of notes and log, the verdict, and the fields of the JSON document."""
    from model_archiver.cli import json_output, text_output  # noqa: PLC0415

    log = json_output.log_lines(report, whole=whole_log)
    lines = [f"note: {note}" for note in report.notes] + [f"log: {line}" for line in log if not args.json]
    lines += _ignored_note(report.ignored)
    verdict = "" if args.quiet else text_output.trial_verdict(report, style)
    return lines, verdict, json_output.trial_fields(report, log if whole_log or log else None)


def _run_reader(program: str, words: Sequence[str], args: argparse.Namespace, reporter: Reporter) -> int:
    """Run one of the commands that read an archive; return its exit status."""
    from model_archiver.cli.command_parser import command_parser  # noqa: PLC0415

    name, *rest = words
    parser = command_parser(program, name)
    _parse(parser, rest, args)
    problems = ProblemList()
    problems.extend(parser.repeated)
    problems.raise_errors(strict=getattr(args, "strict", False))
    from model_archiver.cli.text_output import terminal_style  # noqa: PLC0415 - not for --help

    commands = {"inspect": _inspect, "verify": _verify, "extract": _extract, "diff": _diff, "test": _test}
    flags = {flag: value for flag, value in vars(args).items() if flag not in _FOR_OUTPUT}
    with progress_bar(hidden=args.quiet) as progress:
        found = commands[name](args, {**flags, "progress": progress}, terminal_style(sys.stdout))
    problems.extend(found.problems)
    reporter.problems(problems)
    for line in found.lines:
        reporter.line(line)
    status = DONE if found.is_ok else FAILED
    if not isinstance(found.shown, str):
        _print_json(name, status, tuple(problems), **found.shown)
    elif found.shown:
        print_result(found.shown)
    return status


class _Found(Record):
    """What a command found, and how it is shown."""

    is_ok: bool
    problems: Sequence[Problem]
    shown: str | Mapping[str, Any]  # on stdout: the fields of the JSON document, or a text, which may be empty
    lines: Sequence[str] = ()  # on stderr


def _inspect(args: argparse.Namespace, flags: dict[str, Any], style: TextStyle) -> _Found:
    from model_archiver.cli import json_output, text_output  # noqa: PLC0415
    from model_archiver.commands.inspect import inspect  # noqa: PLC0415

    report = inspect(**flags)
    shown = json_output.report_fields(report) if args.json else text_output.archive_table(report, style)
    return _Found(report.is_ok, report.problems, shown)


def _verify(args: argparse.Namespace, flags: dict[str, Any], style: TextStyle) -> _Found:
    from model_archiver.cli import json_output, text_output  # noqa: PLC0415
    from model_archiver.commands.inspect import verify  # noqa: PLC0415

    report = verify(**flags)
    text = "" if args.quiet else text_output.verdict(report, style)
    shown = json_output.report_fields(report) if args.json else text
    return _Found(report.is_ok, report.problems, shown, [] if args.quiet else _ignored_note(report.ignored))


def _extract(args: argparse.Namespace, flags: dict[str, Any], _style: TextStyle) -> _Found:
    from model_archiver.cli import json_output, text_output  # noqa: PLC0415
    from model_archiver.commands.extract import extract  # noqa: PLC0415

    done = extract(**{**flags, "to": args.to or None})
    shown = {"folder": str(done.folder), **json_output.report_fields(done.archive)} if args.json else ""
    return _Found(True, done.archive.problems, shown, [] if args.quiet else [text_output.extracted_line(done)])


def _diff(args: argparse.Namespace, flags: dict[str, Any], style: TextStyle) -> _Found:
    from model_archiver.cli import json_output, text_output  # noqa: PLC0415
    from model_archiver.commands.diff import diff  # noqa: PLC0415

    found = diff(**flags)
    shown = json_output.difference_fields(found) if args.json else text_output.difference_table(found, style)
    return _Found(found.same, [*found.a.problems, *found.b.problems], shown)


def _test(args: argparse.Namespace, flags: dict[str, Any], style: TextStyle) -> _Found:
    from model_archiver.commands.try_archive import try_archive  # noqa: PLC0415

    report = try_archive(inputs=flags.pop("input"), **flags)
    lines, verdict, fields = _trial_output(report, args, style, whole_log=args.log)
    return _Found(report.is_ok, report.problems, fields if args.json else verdict, lines)
