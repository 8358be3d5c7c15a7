"""Building one model of many: whatever is wrong with it is a part of its result."""

from __future__ import annotations

from pathlib import PurePosixPath

from model_archiver.commands.diff import compare
from model_archiver.commands.package import build_planned, plan_package
from model_archiver.core.manifest import MANIFEST_PATH, SAMPLES_PATH, parse_manifest
from model_archiver.core.problems import ModelArchiverError, Problem, as_error, raise_errors
from model_archiver.core.record import Record
from model_archiver.core.report import ArchiveEntry
from model_archiver.core.request import ArchiveFormat, ModelArchiverConfig
from model_archiver.core.running import no_progress
from model_archiver.core.sums import file_sha256, sha256
from model_archiver.planning.kserve import config_content
from model_archiver.reading.opening import check_sums, read_files
from model_archiver.writing.build import plan_report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from model_archiver.core.plan import Plan
    from model_archiver.core.report import ArchiveReport
    from model_archiver.core.running import Progress
    from model_archiver.trial.report import TrialReport

_METADATA = 1 << 26  # more bytes than builds write into MAR-INF
# What an existing file has that is not a damaged archive, but another file or a larger archive.
_FOREIGN = {"archive-unknown", "file-unreadable", "manifest-missing", "unpacked-too-large"}
_NO_TEST = {"test": False, "test_python": None, "test_timeout": None, "install_requirements": False}


class BuildResult(Record):
    """What came of one request."""

    request: ModelArchiverConfig
    report: ArchiveReport | None = None  # with the warnings about the request; of a dry run, without sums
    exception: ModelArchiverError | None = None  # why nothing was written; None if nothing failed
    trial: TrialReport | None = None  # what the trial found, where the request asks for one
    notes: tuple[str, ...] = ()  # what was decided because the request does not say, a sentence each
    unchanged: bool = False  # the existing archive is what a build would give, and was left as it is
    plan: Plan | None = None  # of a dry run: what would be written


def build_one(
    request: ModelArchiverConfig,
    *,
    jobs: int | None = None,
    if_changed: bool = False,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> BuildResult:
    """Build a model, and return what came of it, whatever is wrong; log nothing. It can be pickled, as its result can.

    With `if_changed`, an existing archive that is what the build would give is left; a `dry_run` writes nothing.
    """
    found, notes = [], []
    try:
        config = ModelArchiverConfig.from_args(request)
        config, report, trial = config.replace(jobs=jobs or config.jobs), None, None
        if if_changed:
            plan, problems, _ = plan_package(config.replace(force=True, **_NO_TEST))
            report, is_damaged = _existing_report(plan, progress)
            existing = plan.target.path / (MANIFEST_PATH if plan.target.in_place else "")
            if not (report or is_damaged or config.force) and existing.exists():
                message, hint = "differs from what the build would give", "use -f to replace it"
                found = [Problem("error", "target-exists", message, hint, str(existing))]
            config = config.replace(force=config.force or is_damaged or bool(found))
        unchanged = report is not None
        if not unchanged:
            plan, problems, trial = plan_package(config, dry_run=dry_run, found=found)
            if not dry_run:
                report = build_planned(plan, problems, trial, progress)
            elif trial:
                trial(progress=progress)
        if unchanged or dry_run:
            report = report or plan_report(plan, plan.size, None, [])
            report = report.replace(problems=problems.warnings, ignored=problems.ignored)
            if unchanged and config.test:
                notes = ["the archive is unchanged, so --test was not run"]
        tried, planned = trial.report if trial else None, plan if dry_run and not unchanged else None
        return BuildResult(request, report, None, tried, (*plan.notes, *notes), unchanged, planned)
    except Exception as failure:  # noqa: BLE001 - the other models must be built
        if isinstance(failure, (ModelArchiverError, OSError)):
            return BuildResult(request, exception=as_error(failure), trial=getattr(failure, "trial", None))
        reason = ModelArchiverError(f"internal error: {type(failure).__name__}: {failure}; please report it")
        reason.__cause__ = failure
        return BuildResult(request, exception=reason)


def _existing_report(plan: Plan, progress: Progress) -> tuple[ArchiveReport | None, bool]:
    """Return the report on the existing archive if it is what the plan gives, and whether it is a damaged one.

    A folder is damaged only if files are missing: what else differs in it may be the user's.
    """
    path, expected = plan.target.path, plan_report(plan, plan.size, None, [])
    if plan.target.in_place:
        text = (path / MANIFEST_PATH).read_bytes() if (path / MANIFEST_PATH).exists() else b""
        found = expected.replace(manifest=parse_manifest(text) or {})
        return found if compare(found, expected).same else None, False
    try:
        _, content, found = read_files(path, plan.size + _METADATA, progress)
        raise_errors([*found.problems, *check_sums(content, found.archive_format)])
    except ModelArchiverError as failure:
        if path.is_dir():
            return None, all(one.code == "sums-differ" and not (path / one.path).exists() for one in failure.problems)
        codes = {problem.code for problem in failure.problems if problem.level == "error"}
        return None, path.is_file() and (not codes <= _FOREIGN or not path.stat().st_size)
    packed = (*plan.members, *plan.samples)
    entries = [ArchiveEntry(each.path, each.size, None, file_sha256(each.source.path)) for each in packed]
    if plan.cases:
        entries.append(ArchiveEntry(PurePosixPath(SAMPLES_PATH), len(plan.cases), None, sha256(plan.cases)))
    is_same = compare(found, expected.replace(files=tuple(entries))).same and found.layout == expected.layout
    is_stored = all(entry.size == entry.compressed_size for entry in found.files)
    if plan.archive_format is ArchiveFormat.ZIP_STORE:
        is_same &= is_stored
    elif plan.archive_format is ArchiveFormat.DEFAULT:  # in which `auto` deflates the manifest at least
        is_same &= not is_stored or plan.deflate == "never"
    is_same &= all(side.is_file() and side.read_bytes() == config_content(plan, side) for side in plan.sidecars)
    return found.replace(excluded=plan.excluded, sidecars=plan.sidecars) if is_same else None, False
