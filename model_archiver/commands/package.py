"""The packaging job as a table of contents: plan, check, write."""

from __future__ import annotations

from model_archiver.core.problems import ModelArchiverError, Problem, ProblemList, as_error
from model_archiver.core.request import ModelArchiverConfig, Request
from model_archiver.core.running import no_progress
from model_archiver.planning.planner import make_plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from model_archiver.commands.try_archive import BuildTrial
    from model_archiver.core.plan import Plan
    from model_archiver.core.report import ArchiveReport
    from model_archiver.core.running import Progress


def package(config: Request | None, manifest: str | None = None, progress: Progress = no_progress) -> ArchiveReport:
    """Package a model and return what was written. Warnings go to the log named ``model_archiver``.

    Raises:
        ModelArchiverError: everything that is wrong with the request, or what went wrong with the build. It is a
            FileNotFoundError too if an input is missing.
    """
    plan, problems, trial = plan_package(config, manifest)
    _log(problems.warnings, plan.notes)
    report = build_planned(plan, problems, trial, progress)
    if trial is not None:
        _log(trial.report.problems, trial.report.notes)
    return report


def build_planned(plan: Plan, problems: ProblemList, trial: BuildTrial | None, progress: Progress) -> ArchiveReport:
    """Build what `plan_package` returned, and return what was written, with all warnings."""
    from model_archiver.writing.build import build  # noqa: PLC0415 - not needed for --dry-run

    report = build(plan, progress, trial)
    tried, ignored = (trial.report.problems, trial.report.ignored) if trial else ([], 0)
    return report.replace(problems=(*problems.warnings, *tried), ignored=problems.ignored + ignored)


def _log(warnings: Iterable[Problem], notes: Iterable[str]) -> None:
    import logging  # noqa: PLC0415 - the commands print warnings themselves and start faster without it

    for level, lines in ((logging.WARNING, warnings), (logging.INFO, notes)):
        for line in lines:
            logging.getLogger("model_archiver").log(level, "%s", line)


def plan_package(
    config: object, manifest: str | None = None, *, dry_run: bool = False, found: Iterable[Problem] = ()
) -> tuple[Plan, ProblemList, BuildTrial | None]:
    """Return what packaging would write, the warnings that it would give, and the trial for ``--test``. Write nothing.

    For a `dry_run`, after which nothing is written, an existing target is only a warning. What was `found` to be wrong
    with the command line counts too.

    Raise ModelArchiverError with everything that is wrong with the request.
    """
    request = ModelArchiverConfig.from_args(config)
    ignored: Collection[str] = ()
    if request.ignore:
        from model_archiver.core.codes import ignored_codes  # noqa: PLC0415 - only with --ignore

        ignored = ignored_codes(request.ignore)
    problems, trial = ProblemList(ignored), None
    problems.extend(found)
    for name in ("test_python", "test_timeout", "install_requirements"):
        if getattr(request, name) and not request.test:
            problems.error("usage-invalid", "needs --test", "give --test too", path=f"--{name.replace('_', '-')}")
    try:
        plan = make_plan(request, manifest, problems)
        if dry_run:
            problems.downgrade("target-exists")
        if request.checks:
            from model_archiver.checks import run_checks  # noqa: PLC0415 - not with --no-checks

            problems.extend(run_checks(plan))
        if request.test and not problems.has_errors:
            from model_archiver.commands.try_archive import BuildTrial  # noqa: PLC0415 - only with --test

            trial = BuildTrial(plan, request, ignored)
    except (ModelArchiverError, OSError) as error:  # a source cannot be read, or changed since it was found
        problems.extend(as_error(error).problems)
        problems.raise_errors(strict=request.strict)
        raise
    problems.raise_errors(strict=request.strict)
    return plan, problems, trial
