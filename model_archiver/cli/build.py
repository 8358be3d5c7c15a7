"""``build``: the models that a file lists, each as a command line of its own would build it."""

from __future__ import annotations

import importlib
import logging
import re
import socket
from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial

from model_archiver._version import __version__
from model_archiver.cli import json_output, text_output
from model_archiver.cli.models_file import SETTINGS, read_models
from model_archiver.cli.outcomes import DONE, FAILED, Outcome, ignored_note, report_trial
from model_archiver.cli.parser import MMS, mms_parser, torch_parser
from model_archiver.cli.terminal import progress_bar
from model_archiver.commands.build_many import run_many
from model_archiver.core.codes import ignored_codes
from model_archiver.core.problems import ModelArchiverError, Problem, as_seen, error
from model_archiver.core.text import counted, listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from typing import Any

    from model_archiver.cli.models_file import Listed
    from model_archiver.cli.terminal import Reporter
    from model_archiver.commands.build_many import BuildResult

    Results = Sequence[BuildResult | None]  # None: it was not begun
    Reported = dict[int, dict[str, Any]]  # the parts of the JSON document, by the identity of the result

_PACKAGE = "torch-model-archiver"
_ADDRESS = r"(?:(?:tcp|tls|wss?)://)?\[?([^/\s]+?)\]?:(\d+)"  # given others, distributed starts a cluster of its own
_CONNECT_SECONDS, _WORKER_SECONDS = 5, 30  # the import of distributed takes some, too


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
            unchanged = f"{as_seen(report.path)} is unchanged"
            reporter.line(unchanged if result.unchanged else text_output.written_line(report))
    listed = json_output.problem_list(problems)
    reported[id(result)] = {"model_name": name, "status": FAILED if failure else DONE, "problems": listed, **fields}


def _closing_lines(models: Sequence[Listed], results: Results, args: argparse.Namespace) -> list[str]:
    """Return lines that name the models that failed, and one that counts all."""
    failed = [model for model, result in zip(models, results, strict=True) if result and result.exception]
    done = [(result.report, result.unchanged) for result in results if result and result.report]
    unchanged = sum(is_unchanged for _, is_unchanged in done)
    skipped = len(models) - len(done) - len(failed)
    advice = "" if args.keep_going else " (use --keep-going to build them too)"
    counts = {"unchanged": unchanged, "failed": len(failed), f"not built{advice}": skipped}
    shown = [f"{len(done) - unchanged:,} {'planned' if args.dry_run else 'written'}"]
    shown += [f"{count:,} {what}" for what, count in counts.items() if count]
    return [
        *ignored_note(sum(report.ignored for report, _ in done)),
        *(f"failed: {request.model_name} ({args.file}:{line})" for line, request in failed),
        f"{counted(len(models), 'model')}: {', '.join(shown)}",
    ]


@contextmanager
def cluster_executor(address: str) -> Iterator[Executor]:
    """Yield an executor that builds on the workers of the Dask scheduler at an address; log nothing.

    Raise ModelArchiverError if it does not answer, has no worker, or one with another version of this package.
    """
    if not (match := re.fullmatch(_ADDRESS, address)):
        raise error("usage-invalid", "is not the address of a Dask scheduler", "give HOST:PORT", f"--dask {address}")
    import asyncio  # noqa: PLC0415 - slow to load

    try:
        distributed = importlib.import_module("distributed")
    except Exception as failure:  # a broken package can raise anything
        raise ModelArchiverError("Dask needs the extra [dask]: pip install distributed") from failure
    with ExitStack() as stack:
        logging.disable()
        stack.callback(logging.disable, logging.NOTSET)
        wrong = f"no worker joined the Dask cluster at {address} within {_WORKER_SECONDS} s; start one: dask worker "
        try:
            socket.create_connection((match[1], match[2]), _CONNECT_SECONDS).close()  # distributed tries many times
            greeting = distributed.core.connect(address, **distributed.Security().get_connection_args("client"))
            asyncio.run(asyncio.wait_for(greeting, _CONNECT_SECONDS))  # Client would wait forever for a silent server
            client = stack.enter_context(distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False))
        except Exception as failure:
            reason = str(failure).partition("\n")[0] or type(failure).__name__
            raise ModelArchiverError(f"no Dask scheduler answers at {address}: {reason}") from failure
        try:
            client.wait_for_workers(1, timeout=_WORKER_SECONDS)
            versions = client.get_versions(packages=[_PACKAGE])["workers"]
        except Exception as failure:
            raise ModelArchiverError(wrong + address) from failure
        for name, worker in versions.items():
            if (version := worker["packages"][_PACKAGE] or "(not installed)") != __version__:
                wrong = f"the worker {name} has {_PACKAGE} {version}, but this computer has {__version__}"
                raise ModelArchiverError(f"{wrong}; install the same version there")
        executor = client.get_executor(pure=False, retries=0)
        executor._max_workers = sum(client.nthreads().values())  # the name that it has in other executors
        executor.wait_for_workers = lambda: client.wait_for_workers(1, _WORKER_SECONDS)
        executor.lost = f"all workers of the Dask cluster at {address}, or its scheduler, are lost"
        yield executor
