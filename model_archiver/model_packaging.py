"""The packaging job as a table of contents: plan, check, write."""

from __future__ import annotations

from dataclasses import replace

from model_archiver.arg_parser import ArgParser
from model_archiver.formats.build import build
from model_archiver.issue import Issue
from model_archiver.model_archiver_config import ModelArchiverConfig
from model_archiver.model_archiver_error import ModelArchiverError
from model_archiver.model_packaging_utils import ModelExportUtils
from model_archiver.planning.findings import Findings
from model_archiver.planning.plan import Plan
from model_archiver.planning.planner import make_plan
from model_archiver.progress import Progress, silent
from model_archiver.report import ArchiveReport

__all__ = [
    "ArgParser",
    "ModelArchiverConfig",
    "ModelExportUtils",
    "generate_model_archive",
    "package",
    "package_model",
    "plan_package",
    "write_package",
]


def generate_model_archive(config: object | None = None) -> None:
    """Package a model.

    Args:
        config: what is asked: a `ModelArchiverConfig`, or any object with some of its fields as attributes;
            None reads the command line.

    Raises:
        ModelArchiverError: everything that is wrong with the request, or what went wrong with the build. It is a
            FileNotFoundError too where an input is missing.
    """
    package(ArgParser.export_model_args_parser() if config is None else config)


def package_model(config: object = None, manifest: str | None = None, *, args: object = None) -> None:
    """Package a model under a manifest of the caller's own, which is written as given.

    Args:
        config: as for `generate_model_archive`.
        manifest: the text of ``MAR-INF/MANIFEST.json``, as `ModelExportUtils.generate_manifest_json` makes it.
        args: another name of `config`, which older callers use.

    Raises:
        ModelArchiverError: as for `generate_model_archive`.
    """
    package(args if config is None else config, manifest)


def package(config: object, manifest: str | None = None, progress: Progress = silent) -> ArchiveReport:
    """Package a model and say what was written. Warnings go to the log named ``model_archiver``.

    Args:
        config: as for `generate_model_archive`.
        manifest: the text of the manifest; None makes it from the request.
        progress: is told of each stretch of the sources.

    Raises:
        ModelArchiverError: as for `generate_model_archive`.
    """
    import logging  # noqa: PLC0415 - the commands tell in their own way, and are faster without

    plan, warnings = plan_package(config, manifest)
    for level, lines in ((logging.WARNING, warnings), (logging.INFO, plan.notes)):
        for line in lines:
            logging.getLogger("model_archiver").log(level, "%s", line)
    return write_package(plan, warnings, progress)


def write_package(plan: Plan, warnings: tuple[Issue, ...], progress: Progress) -> ArchiveReport:
    """Write what `plan_package` gave.

    Args:
        plan: the plan.
        warnings: go to the report.
        progress: as for `package`.

    Raises:
        ModelArchiverError: what went wrong with the build.
    """
    return replace(build(plan, progress), issues=warnings)


def plan_package(
    config: object, manifest: str | None = None, *, dry_run: bool = False
) -> tuple[Plan, tuple[Issue, ...]]:
    """What packaging would write, and the warnings it would give; nothing is written.

    Args:
        config: as for `generate_model_archive`.
        manifest: as for `package`.
        dry_run: it is not going to be written: that the target exists already is a warning then.

    Raises:
        ModelArchiverError: everything that is wrong with the request.
    """
    request = ModelArchiverConfig.from_args(config)
    findings = Findings()
    try:
        plan = make_plan(request, manifest, findings)
        if request.checks:
            from model_archiver.checks import run_checks  # noqa: PLC0415 - only where they are wanted

            findings.extend(run_checks(plan))
    except ModelArchiverError as error:  # a source that changes while it is checked
        findings.extend(error.issues)
        findings.raise_errors(strict=request.strict)
        raise
    except OSError as error:  # what cannot be looked at, or has gone since it was found
        reason = error.strerror or str(error)
        where = error.filename or "the working directory"  # of which the system gives no name
        findings.error("file-unreadable", reason, "check the path and its rights", path=where)
        findings.raise_errors(strict=request.strict)
        raise
    if dry_run:
        findings.soften("target-exists")
    findings.raise_errors(strict=request.strict)
    return plan, findings.warnings


if __name__ == "__main__":  # python -m model_archiver.model_packaging, which scripts call too
    import runpy

    runpy.run_module("model_archiver", run_name="__main__")
