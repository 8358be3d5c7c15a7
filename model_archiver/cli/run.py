"""The one place that runs commands, prints what they return, and decides the exit status."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys

from model_archiver.cli.terminal import Reporter, interrupted_by_signals, print_result, progress_bar
from model_archiver.core.problems import ModelArchiverError, UsageError, as_error
from model_archiver.core.running import completed, reporters

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from model_archiver.cli.parser import FlagParser
    from model_archiver.cli.text_output import TextStyle
    from model_archiver.core.problems import Problem

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
DIFFERENT, NOT_COMPARED = 1, 2
"""The exit status of ``diff``, as of the tool of that name."""
_NOT_FOR_TRIALS = {"archive", "input", "log", "json", "quiet", "debug"}
"""The arguments of ``test`` that are about the output, or that it takes by their position."""


def run_command(parser: FlagParser, argv: Sequence[str] | None) -> int:
    """Run what the arguments, or those of the process, ask for, and return the exit status."""
    words = sys.argv[1:] if argv is None else list(argv)
    command = words[0] if words and not words[0].startswith("-") else "package"
    # Needed before the arguments are parsed; the parser also knows these flags where they are abbreviated.
    args = argparse.Namespace(debug="--debug" in words, json="--json" in words)
    reporter = Reporter(parser.prog)
    completed.clear()
    reporters.append(reporter.line)
    try:
        with interrupted_by_signals():
            if command == "package":
                _parse(parser, words, args)
                return _package(args, reporter)
            return _run_reader(parser.prog, words, args, reporter)
    except SystemExit as done:  # of --help and --tool-version, or nobody reads stdout
        return int(done.code or DONE)
    except KeyboardInterrupt:
        reporter.line(f"error: interrupted{f' after {completed[0]} was written' if completed else ''}")
        return _print_failure(command, INTERRUPTED, args, ())
    except (ModelArchiverError, OSError) as failure:
        error = as_error(failure)
        _print_traceback(args)
        if error.problems:
            reporter.problems(error.problems)
        else:
            reporter.line(f"error: {error}")
        status = USAGE if isinstance(error, UsageError) else _failed(command)
        return _print_failure(command, status, args, error.problems)
    except Exception as failure:  # noqa: BLE001 - whatever it is, a user gets one line
        _print_traceback(args)
        hint = "" if args.debug else "; run it again with --debug to see where"
        text = f"internal error: {type(failure).__name__}: {failure}{hint}; please report it"
        reporter.line(f"error: {f'{failure}; install this tool again' if isinstance(failure, ImportError) else text}")
        return _print_failure(command, _failed(command), args, ())
    finally:
        reporters.pop()


def _failed(command: str) -> int:
    return NOT_COMPARED if command == "diff" else FAILED


def _print_failure(command: str, status: int, args: argparse.Namespace, problems: Sequence[Problem]) -> int:
    """Print the JSON document of a command that failed, if that was asked for; return the status."""
    if args.json and not any(problem.code == "stdout-unwritable" for problem in problems):
        with contextlib.suppress(ModelArchiverError, SystemExit):  # stdout is closed or full; the status says it all
            _print_json(command, status, problems)
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


def _package(args: argparse.Namespace, reporter: Reporter) -> int:
    # Imported here, so that --help and a mistyped flag are answered at once.
    from model_archiver.cli import text_output  # noqa: PLC0415
    from model_archiver.commands.package import plan_package  # noqa: PLC0415

    plan, warnings = plan_package(args, dry_run=args.dry_run)
    reporter.problems(warnings)
    for note in plan.notes:
        reporter.line(f"note: {note}")
    report = None
    if not args.dry_run:
        from model_archiver.writing.build import build  # noqa: PLC0415 - not needed for --dry-run

        with progress_bar(plan.size, hidden=args.quiet) as progress:
            report = build(plan, progress)
        if not args.quiet:  # first: the archive exists, whether or not its JSON can be printed
            reporter.line(text_output.written_line(report))
    elif not args.json:
        print_result(text_output.plan_table(plan))
    if args.json:
        from model_archiver.cli import json_output  # noqa: PLC0415

        fields = json_output.report_fields(report) if report else json_output.plan_fields(plan)
        _print_json("package", DONE, warnings, **fields)
    return DONE


def _run_reader(program: str, words: Sequence[str], args: argparse.Namespace, reporter: Reporter) -> int:
    """Run one of the commands that read an archive; return its exit status."""
    from model_archiver.cli.command_parser import command_parser  # noqa: PLC0415

    name, *rest = words
    _parse(command_parser(program, name), rest, args)
    commands = {"inspect": _inspect, "verify": _verify, "extract": _extract, "diff": _diff, "test": _test}
    return commands[name](args, reporter)


def _inspect(args: argparse.Namespace, reporter: Reporter) -> int:
    from model_archiver.cli import json_output, text_output  # noqa: PLC0415
    from model_archiver.commands.inspect import inspect  # noqa: PLC0415

    with progress_bar(None, hidden=args.quiet) as progress:
        report = inspect(args.archive, max_size=args.max_size, progress=progress)
    status = DONE if report.is_ok else FAILED
    reporter.problems(report.problems)
    if args.json:
        _print_json("inspect", status, report.problems, **json_output.report_fields(report))
    else:
        print_result(text_output.archive_table(report, _stdout_style()))
    return status


def _verify(args: argparse.Namespace, reporter: Reporter) -> int:
    from model_archiver.cli import json_output, text_output  # noqa: PLC0415
    from model_archiver.commands.inspect import verify  # noqa: PLC0415

    with progress_bar(None, hidden=args.quiet) as progress:
        report = verify(args.archive, strict=args.strict, max_size=args.max_size, progress=progress)
    status = DONE if report.is_ok else FAILED
    reporter.problems(report.problems)
    if args.json:
        _print_json("verify", status, report.problems, **json_output.report_fields(report))
    elif not args.quiet:
        print_result(text_output.verdict(report, _stdout_style()))
    return status


def _extract(args: argparse.Namespace, reporter: Reporter) -> int:
    from model_archiver.cli import json_output, text_output  # noqa: PLC0415
    from model_archiver.commands.extract import extract  # noqa: PLC0415

    with progress_bar(None, hidden=args.quiet) as progress:
        done = extract(args.archive, args.to or None, force=args.force, max_size=args.max_size, progress=progress)
    reporter.problems(done.archive.problems)
    if not args.quiet:
        reporter.line(text_output.extracted_line(done))
    if args.json:
        fields = {"folder": str(done.folder), **json_output.report_fields(done.archive)}
        _print_json("extract", DONE, done.archive.problems, **fields)
    return DONE


def _diff(args: argparse.Namespace, reporter: Reporter) -> int:
    from model_archiver.cli import json_output, text_output  # noqa: PLC0415
    from model_archiver.commands.diff import diff  # noqa: PLC0415

    with progress_bar(None, hidden=args.quiet) as progress:
        difference = diff(args.a, args.b, max_size=args.max_size, progress=progress)
    status = DONE if difference.same else DIFFERENT
    problems = [*difference.a.problems, *difference.b.problems]
    reporter.problems(problems)
    if args.json:
        _print_json("diff", status, problems, **json_output.difference_fields(difference))
    else:
        print_result(text_output.difference_table(difference, _stdout_style()))
    return status


def _test(args: argparse.Namespace, reporter: Reporter) -> int:
    from model_archiver.cli import trial_output  # noqa: PLC0415
    from model_archiver.commands.try_archive import try_archive  # noqa: PLC0415

    flags = {name: value for name, value in vars(args).items() if name not in _NOT_FOR_TRIALS}
    with progress_bar(None, hidden=args.quiet) as progress:
        report = try_archive(args.archive, args.input, progress=progress, **flags)
    status = DONE if report.is_ok else FAILED
    reporter.problems(report.problems)
    for note in report.notes:
        reporter.line(f"note: {note}")
    if args.json:
        _print_json("test", status, report.problems, **trial_output.trial_fields(report, with_log=args.log))
        return status
    for line in trial_output.log_lines(report, whole=args.log):
        reporter.line(f"log: {line}")
    if not args.quiet:
        print_result(trial_output.trial_verdict(report, _stdout_style()))
    return status


def _stdout_style() -> TextStyle:
    """Return how stdout shows text: truncated and in color on a terminal, plain elsewhere."""
    from model_archiver.cli.text_output import terminal_style  # noqa: PLC0415

    return terminal_style(sys.stdout)
