"""``build``: the models that a file lists, each as a command line of its own would build it."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

from model_archiver.cli import json_output, text_output
from model_archiver.cli.models_file import SETTINGS, read_models
from model_archiver.cli.outcomes import DONE, FAILED, Outcome, ignored_note, report_trial
from model_archiver.cli.parser import MMS, mms_parser, torch_parser
from model_archiver.cli.terminal import progress_bar
from model_archiver.commands.build_many import _LARGE, run_many
from model_archiver.commands.dask_cluster import cluster_executor
from model_archiver.core.codes import ignored_codes
from model_archiver.core.problems import Problem
from model_archiver.core.text import counted, listed
from model_archiver.planning.planner import available_cores

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

    from model_archiver.cli.models_file import Listed
    from model_archiver.cli.terminal import Reporter
    from model_archiver.commands.build_one import BuildResult

    Results = Sequence[BuildResult | None]  # None: it was not begun
    Reported = dict[int, dict[str, Any]]  # the parts of the JSON document, by the identity of the result


def build(args: argparse.Namespace, reporter: Reporter) -> Outcome:
    """Build the models of a file."""
    ignored_codes(args.ignore)
    models = read_models(mms_parser() if reporter.program == MMS else torch_parser(), args)
    requests = [request for _, request in models]
    unused = {name for each in requests if each.target != "kserve" for name in each.server_settings or ()}
    if keys := [flag.removeprefix("--") for flag, name in SETTINGS.items() if name in unused]:
        reporter.line(f"note: {listed(keys, len(keys))}: no effect without --target kserve")
    reported: Reported = {}
    cluster = cluster_executor(args.dask) if args.dask else nullcontext()
    with cluster as executor, progress_bar(hidden=args.quiet) as progress:
        results = run_many(
            requests,
            executor,
            partial(_report, args=args, reporter=reporter, reported=reported),
            jobs=args.jobs,
            if_changed=args.if_changed,
            dry_run=args.dry_run,
            keep_going=args.keep_going or args.dry_run,
            progress=progress,
        )
    not_begun: dict[str, Any] = {"status": None, "problems": []}
    pairs = zip(requests, results, strict=True)
    documents = [reported.get(id(result), {"model_name": each.model_name, **not_begun}) for each, result in pairs]
    return Outcome(
        DONE if all(result and not result.exception for result in results) else FAILED,
        lambda: "\n\n".join(text_output.plan_table(result.plan) for result in results if result and result.plan),
        lambda: {"models": documents},  # each has its own problems
        [] if args.quiet else _closing_lines(models, results, args),
    )


def _report(result: BuildResult, *, args: argparse.Namespace, reporter: Reporter, reported: Reported) -> None:
    """Print what came of a model, and add its part of the JSON document."""
    name, report, failure = result.request.model_name, result.report, result.exception
    problems = report.problems if report else []
    if failure:
        problems = failure.problems or [Problem("error", "", str(failure))]
    reporter.problems(problems, model=name)
    for note in result.notes:
        reporter.line(f"note: {name}: {note}")
    fields = report_trial(result.trial, args, reporter) if result.trial else {}
    if report:
        fields |= json_output.plan_fields(result.plan) if result.plan else json_output.report_fields(report)
        fields |= json_output.given(ignored=report.ignored, unchanged=result.unchanged)
        if not result.plan and not args.quiet:
            unchanged = f"{text_output.as_seen(report.path)} is unchanged"
            reporter.line(unchanged if result.unchanged else text_output.written_line(report))
    listed = json_output.problem_list(problems)
    reported[id(result)] = {"model_name": name, "status": FAILED if failure else DONE, "problems": listed, **fields}


def _closing_lines(models: Sequence[Listed], results: Results, args: argparse.Namespace) -> list[str]:
    """Return lines that name the models that failed, and one that counts all."""
    failed = [model for model, result in zip(models, results, strict=True) if result and result.exception]
    done = [(result.report, result.unchanged) for result in results if result and result.report]
    unchanged = sum(is_unchanged for _, is_unchanged in done)
    skipped = len(models) - len(done) - len(failed)
    counts = {"unchanged": unchanged, "failed": len(failed), "not begun (use --keep-going to build them too)": skipped}
    shown = [f"{len(done) - unchanged:,} {'planned' if args.dry_run else 'written'}"]
    shown += [f"{count:,} {what}" for what, count in counts.items() if count]
    jobs, how = args.jobs or available_cores(), ""
    if jobs > 1 and not (args.dask or args.dry_run):
        large = sum(sum(entry.size for entry in report.files) >= _LARGE for report, _ in done)
        small = len(done) + len(failed) - large if len(models) > 1 else 0
        how += f"; {small:,} side by side in {min(jobs, small)} processes" if small > 1 else ""
        how += f"; {large:,} with {jobs} threads" if large else ""
    return [
        *ignored_note(sum(report.ignored for report, _ in done)),
        *(f"failed: {request.model_name} ({args.file}:{line})" for line, request in failed),
        f"{counted(len(models), 'model')}: {', '.join(shown)}{how}",
    ]
