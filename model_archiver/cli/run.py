"""The one place that runs commands, prints what they return, and decides the exit status."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence

from model_archiver.cli import outcomes
from model_archiver.cli.flags import FlagParser
from model_archiver.cli.outcomes import DONE, FAILED, INTERRUPTED, USAGE, Outcome
from model_archiver.cli.terminal import Reporter, print_result
from model_archiver.core.problems import ModelArchiverError, Problem, UsageError, as_error, raise_errors
from model_archiver.core.running import completed, interrupted_by_signals, reporters

NOT_COMPARED = 2  # of ``diff``, which fails if the archives differ, as the tool of that name
UNWRITABLE = "stdout-unwritable"


def run_command(parser: FlagParser, argv: Sequence[str] | None) -> int:
    """Run what the arguments, or those of the process, ask for, and return the exit status."""
    words = sys.argv[1:] if argv is None else list(argv)
    reporter = Reporter(parser.prog)
    if not words:
        reporter.text(parser.format_help())
        return USAGE
    if words in (["--version"], ["-v"]):  # of the tool: nothing else can be meant
        words = ["version"]
    command = "package" if words[0].startswith("-") else words[0]
    args = _early_arguments(words)
    completed.clear()
    reporters.append(reporter.line)
    try:
        with interrupted_by_signals():
            outcome = _run(parser, words, args, reporter)
            for line in outcome.lines:  # first: an archive exists, whether or not its JSON can be printed
                reporter.line(line)
            if args.output_format == "text":
                print_result(outcome.text())
            _print_for_machines(command, outcome.status, args, reporter, outcome.fields)
            status = outcome.status
    except SystemExit as done:  # of --help and --tool-version, or nobody reads stdout
        return int(done.code or DONE)
    except (KeyboardInterrupt, Exception) as failure:  # noqa: BLE001 - whatever it is, a user gets one line
        status = _report_failure(failure, command, args, reporter)
    finally:
        reporters.pop()
    codes = [problem.code for problem, *_ in reporter.annotated if problem.level == "error" and problem.code]
    if status == FAILED and codes and not args.quiet:
        reporter.line(f"note: to learn more, run {parser.prog} explain {codes[0]}")
    return status


def _early_arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the flags of the output from the words, so that a usage error is printed as was asked for."""
    has_jobs = words[0].startswith("-") or words[0] == "build"
    shortest = len("--js" if has_jobs else "--j")
    is_json = any("--json".startswith(word) and len(word) >= shortest for word in words)
    output_format = "json" if is_json else None
    for word, value in zip(words, [*words[1:], ""], strict=True):
        flag, is_one_word, given = word.partition("=")
        if "--output-format".startswith(flag) and len(flag) >= len("--o") and not is_json:
            output_format = given if is_one_word else value
    return argparse.Namespace(debug="--debug" in words, quiet="--quiet" in words, output_format=output_format)


def _run(parser: FlagParser, words: Sequence[str], args: argparse.Namespace, reporter: Reporter) -> Outcome:
    """Parse the arguments, and do what they ask for."""
    reporter.usage = parser.usage
    if words[0].startswith("-"):
        parser.parse_args(words, args)
        return outcomes.package(args, reporter, parser.repeated)
    from model_archiver.cli.command_parser import command_parser  # noqa: PLC0415 - not for packaging

    command = words[0]
    reporter.usage = f"{parser.prog} COMMAND [flags]"
    flags = command_parser(parser.prog, command, words[1:])
    reporter.usage = flags.usage
    flags.parse_args(words[1:], args)
    if getattr(args, "strict", False):
        raise_errors([problem.replace(level="error") for problem in flags.repeated])
    reporter.problems(flags.repeated)
    if command == "help":
        return outcomes.show_help(parser, args)
    if command == "build":
        from model_archiver.cli.build import build  # noqa: PLC0415 - for this command only

        return build(args, reporter)
    from model_archiver.cli.text_output import terminal_style  # noqa: PLC0415 - not for --help

    function = getattr(outcomes, command)  # has the command's name
    return function(args, reporter, terminal_style(sys.stdout))  # type: ignore[no-any-return]


def _report_failure(failure: BaseException, command: str, args: argparse.Namespace, reporter: Reporter) -> int:
    """Print what stopped a command, and return the exit status."""
    problems: Sequence[Problem] = ()
    status, text = NOT_COMPARED if command == "diff" else FAILED, str(failure)
    if args.debug and not isinstance(failure, KeyboardInterrupt):
        import traceback  # noqa: PLC0415 - only for --debug

        traceback.print_exc()
    if isinstance(failure, KeyboardInterrupt):
        status, text = INTERRUPTED, f"interrupted{f' after {completed[0]} was written' if completed else ''}"
    elif isinstance(failure, (ModelArchiverError, OSError)):
        problems = as_error(failure).problems
    elif library := _broken_library(failure):
        text = f"the library {library} cannot be imported: {failure}; install this tool again"
    elif isinstance(failure, ImportError):
        text = f"{failure}; install this tool again"
    else:
        hint = "" if args.debug else "; run it again with --debug to see where"
        text = f"internal error: {type(failure).__name__}: {failure}{hint}; please report it"
    reporter.problems(problems or [Problem("error", "", text)])
    trial = getattr(failure, "trial", None)  # of a TrialFailedError, which is not imported for every command
    fields = outcomes.report_trial(trial, args, reporter) if trial else {}
    if isinstance(failure, UsageError):
        status = USAGE
        reporter.text(f"usage: {reporter.usage}")
    if any(problem.code == UNWRITABLE for problem in problems):
        return FAILED
    try:
        _print_for_machines(command, status, args, reporter, lambda: fields)
    except SystemExit:  # nobody reads it
        return status
    except ModelArchiverError as unwritable:
        reporter.problems(unwritable.problems)
        return INTERRUPTED if status == INTERRUPTED else FAILED
    return status


def _broken_library(failure: BaseException) -> str:
    """Return the name of the library whose import failed, or an empty string."""
    name, traceback = getattr(failure, "name", None) or "", failure.__traceback__
    while traceback and not name:
        frame, traceback = traceback.tb_frame, traceback.tb_next
        module = frame.f_globals["__name__"] if frame.f_code.co_name == "<module>" else ""
        name = "" if module.startswith("model_archiver.") else module
    return "" if name.startswith("model_archiver.") else name.partition(".")[0]


def _print_for_machines(
    command: str, status: int, args: argparse.Namespace, reporter: Reporter, fields: Callable[[], Mapping[str, object]]
) -> None:
    """Print the JSON document, or the annotations of GitHub, if that was asked for."""
    if args.output_format == "json":
        from model_archiver.cli.json_output import document  # noqa: PLC0415 - only for JSON

        print_result(document(command, status, reporter.reported, fields()))
    elif args.output_format == "github":
        from model_archiver.cli.github_output import workflow_command  # noqa: PLC0415 - only for GitHub

        print_result("\n".join(workflow_command(*annotated) for annotated in reporter.annotated))
