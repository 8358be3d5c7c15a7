"""What each command does with its arguments: it calls the function of that name, and returns what is printed."""

from __future__ import annotations

from model_archiver._version import __version__
from model_archiver.cli.terminal import Reporter, print_result, progress_bar
from model_archiver.core.problems import ModelArchiverError, Problem, UsageError, as_error, error
from model_archiver.core.record import Record
from model_archiver.core.running import add_total
from model_archiver.core.text import counted, did_you_mean

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any

    from model_archiver.cli.flags import FlagParser
    from model_archiver.cli.text_output import TextStyle
    from model_archiver.core.report import ArchiveReport
    from model_archiver.trial.report import TrialReport

DONE, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
_FOR_OUTPUT = {"log", "json", "output_format", "quiet", "debug"}


class Outcome(Record):
    """The output of a finished command, without its problems."""

    status: int
    text: Callable[[], str]  # on stdout; empty for none
    fields: Callable[[], Mapping[str, Any]]  # of the JSON document, in place of the text
    lines: Sequence[str] = ()  # on stderr


def package(args: argparse.Namespace, reporter: Reporter, repeated: Iterable[Problem]) -> Outcome:
    """Package a model."""
    # Imported here, so that --help and a mistyped flag are answered at once.
    from model_archiver.cli import text_output  # noqa: PLC0415
    from model_archiver.commands.package import plan_package  # noqa: PLC0415

    plan, problems, trial = plan_package(args, dry_run=args.dry_run, found=repeated)
    reporter.problems(problems)
    for note in plan.notes:
        reporter.line(f"note: {note}")
    report, tried = None, {}
    if args.dry_run and args.output_format == "text":
        print_result(text_output.plan_table(plan))
    with progress_bar(hidden=args.quiet) as progress:
        if not args.dry_run:
            from model_archiver.writing.build import build  # noqa: PLC0415 - not needed for --dry-run

            add_total(progress, plan.size)
            report = build(plan, progress, trial)
        elif trial:
            trial(progress=progress)
    ignored = problems.ignored
    if trial:
        reporter.problems(trial.report.problems)
        ignored, tried = ignored + trial.report.ignored, report_trial(trial.report, args, reporter)
    written = [text_output.written_line(report)] if report else []

    def fields() -> Mapping[str, Any]:
        from model_archiver.cli import json_output  # noqa: PLC0415 - only for JSON

        own = json_output.report_fields(report) if report else json_output.plan_fields(plan)
        return {**tried, **own, **json_output.given(ignored=ignored)}

    return Outcome(DONE, str, fields, () if args.quiet else (*ignored_note(ignored), *written))


def ignored_note(count: int) -> list[str]:
    """Return a line that counts the warnings that were ignored; none if there are none."""
    return [f"note: {counted(count, 'warning')} ignored"] if count else []


def report_trial(report: TrialReport, args: argparse.Namespace, reporter: Reporter) -> dict[str, Any]:
    """Print what came of the trial of a build, and return its fields of the JSON document."""
    from model_archiver.cli.text_output import TextStyle  # noqa: PLC0415 - only with --test

    outcome = _trial_outcome(report, args, TextStyle())
    for line in (*outcome.lines, *outcome.text().splitlines()):
        reporter.line(line)
    return dict(outcome.fields())


def _trial_outcome(report: TrialReport, args: argparse.Namespace, style: TextStyle) -> Outcome:
    from model_archiver.cli import json_output, text_output  # noqa: PLC0415

    log = json_output.shown_log(report, whole=getattr(args, "log", False))  # a flag that packaging lacks
    lines = [f"note: {note}" for note in report.notes]
    lines += [f"log: {line}" for line in log or () if args.output_format != "json"] + ignored_note(report.ignored)
    verdict = "" if args.quiet else text_output.trial_verdict(report, style)
    status = DONE if report.is_ok else FAILED
    return Outcome(status, lambda: verdict, lambda: json_output.trial_fields(report, log), lines)


def inspect(args: argparse.Namespace, reporter: Reporter, style: TextStyle) -> Outcome:
    """Show what an archive is."""
    from model_archiver.cli import json_output, text_output  # noqa: PLC0415
    from model_archiver.commands.inspect import inspect  # noqa: PLC0415

    with progress_bar(hidden=args.quiet) as progress:
        report = inspect(args.archive, max_size=args.max_size, progress=progress)
    reporter.problems(report.problems)
    status = DONE if report.is_ok else FAILED
    return Outcome(status, lambda: text_output.archive_table(report, style), lambda: json_output.report_fields(report))


def verify(args: argparse.Namespace, reporter: Reporter, style: TextStyle) -> Outcome:
    """Verify one archive; or several, each with its own verdict, and a line that counts them."""
    from model_archiver.cli import json_output, text_output  # noqa: PLC0415

    if len(args.archives) == 1:
        report = _verified(args.archives[0], args)
        reporter.problems(report.problems, args.archives[0])
        return Outcome(
            DONE if report.is_ok else FAILED,
            lambda: "" if args.quiet else text_output.verdict(report, style),
            lambda: json_output.report_fields(report),
            [] if args.quiet else ignored_note(report.ignored),
        )
    archives, ignored = [], 0
    for name in args.archives:
        fields: Mapping[str, Any] = {"archive": name}
        try:
            report = _verified(name, args)
        except (ModelArchiverError, OSError) as failure:  # it cannot be read at all; the others can
            if isinstance(failure, UsageError):  # about all of them
                raise
            problems = as_error(failure, name).problems
            verdict = text_output.rejection(name, problems, style)
        else:
            problems, ignored = report.problems, ignored + report.ignored
            verdict = text_output.verdict(report, style)
            fields = json_output.report_fields(report) if args.output_format == "json" else fields
        status = FAILED if any(problem.level == "error" for problem in problems) else DONE
        archives.append({**fields, "status": status, "problems": json_output.problem_list(problems)})
        reporter.problems(problems, name, names_archive=True)
        if args.output_format == "text" and not args.quiet:
            print_result(verdict)
    failed = sum(each["status"] for each in archives)
    counts = f"{counted(len(archives), 'archive')}: {len(archives) - failed} OK, {failed} rejected"
    return Outcome(
        FAILED if failed else DONE,
        lambda: "" if args.quiet else counts,
        lambda: {"archives": archives},
        [] if args.quiet else ignored_note(ignored),
    )


def _verified(archive: str, args: argparse.Namespace) -> ArchiveReport:
    from model_archiver.commands.inspect import verify  # noqa: PLC0415

    with progress_bar(hidden=args.quiet) as progress:
        return verify(archive, strict=args.strict, ignore=args.ignore, max_size=args.max_size, progress=progress)


def extract(args: argparse.Namespace, reporter: Reporter, _style: TextStyle) -> Outcome:
    """Unpack an archive."""
    from model_archiver.cli import json_output, text_output  # noqa: PLC0415
    from model_archiver.commands.extract import extract  # noqa: PLC0415

    with progress_bar(hidden=args.quiet) as progress:
        done = extract(args.archive, args.to or None, force=args.force, max_size=args.max_size, progress=progress)
    reporter.problems(done.archive.problems)
    return Outcome(
        DONE,
        str,
        lambda: {"folder": str(done.folder), **json_output.report_fields(done.archive)},
        [] if args.quiet else [text_output.extracted_line(done)],
    )


def diff(args: argparse.Namespace, reporter: Reporter, style: TextStyle) -> Outcome:
    """Show what differs between two archives."""
    from model_archiver.cli import json_output, text_output  # noqa: PLC0415
    from model_archiver.commands.diff import diff  # noqa: PLC0415

    with progress_bar(hidden=args.quiet) as progress:
        found = diff(args.a, args.b, max_size=args.max_size, progress=progress)
    reporter.problems(dict.fromkeys([*found.a.problems, *found.b.problems]))
    status, table = DONE if found.same else FAILED, text_output.difference_table
    return Outcome(status, lambda: table(found, style), lambda: json_output.difference_fields(found))


def test(args: argparse.Namespace, reporter: Reporter, style: TextStyle) -> Outcome:
    """Run an archive in the server's worker."""
    from model_archiver.commands.try_archive import try_archive  # noqa: PLC0415

    flags = {name: value for name, value in vars(args).items() if name not in _FOR_OUTPUT}
    with progress_bar(hidden=args.quiet) as progress:
        report = try_archive(inputs=flags.pop("input"), **flags, progress=progress)
    own = filter(None, [*args.input, *args.expect, args.cases, args.python])
    reporter.problems(report.problems, args.archive, own_files=tuple(own))
    return _trial_outcome(report, args, style)


def explain(args: argparse.Namespace, reporter: Reporter, _style: TextStyle) -> Outcome:
    """Explain a code, or list all of them."""
    from model_archiver.cli import text_output  # noqa: PLC0415
    from model_archiver.core.codes import read_codes  # noqa: PLC0415

    table = read_codes()
    code = (args.code or "").strip("[]")
    if code and code not in table:
        hint = did_you_mean(code, table, f"run {reporter.program} explain to list all codes")
        raise error("usage-invalid", f"unknown code {code}", hint)
    chosen = {code: table[code]} if code else table
    shown = []
    for name, entry in chosen.items():
        texts = {key: entry[key] for key in ("level", "meaning", "explanation", "fix")}
        shown.append({"code": name, **texts, "example": entry["example"]["run"]})
    return Outcome(
        DONE,
        lambda: text_output.explanation(code, table[code]) if code else text_output.code_list(table),
        lambda: {"codes": shown},
    )


def completion(args: argparse.Namespace, reporter: Reporter, _style: TextStyle) -> Outcome:
    """Print the completion script of a shell."""
    from model_archiver.cli.completion import completion_script  # noqa: PLC0415

    return _text(completion_script(reporter.program, args.shell))


def version(_args: argparse.Namespace, reporter: Reporter, _style: TextStyle) -> Outcome:
    """Print the tool's version."""
    return Outcome(DONE, lambda: f"{reporter.program} {__version__}", lambda: {"version": __version__})


def show_help(parser: FlagParser, args: argparse.Namespace) -> Outcome:
    """Show the help of packaging, or of a command."""
    from model_archiver.cli.command_parser import command_parser  # noqa: PLC0415

    if args.about:
        return _text(command_parser(parser.prog, args.about, ["--help"]).format_help())
    if args.all:
        parser.short_help = ""
    return _text(parser.format_help())


def _text(text: str) -> Outcome:
    return Outcome(DONE, lambda: text.removesuffix("\n"), lambda: {"text": text})
