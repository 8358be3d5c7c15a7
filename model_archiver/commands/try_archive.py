"""``test`` and ``--test``: run an archive, or the result of a build, in the server's own worker, and ask it."""

from __future__ import annotations

import re
import sys
from pathlib import Path, PurePosixPath

from model_archiver.checks.context import CheckContext
from model_archiver.commands.inspect import read_and_check
from model_archiver.core.codes import ignored_codes
from model_archiver.core.manifest import MANIFEST_PATH, SAMPLES_PATH
from model_archiver.core.problems import ModelArchiverError, Problem, ProblemList, error_of, raise_errors
from model_archiver.core.report import ArchiveEntry, ArchiveReport
from model_archiver.core.running import no_progress
from model_archiver.planning.gathering import FolderWalk
from model_archiver.reading.opening import manifest_problems, missing_files, open_archive
from model_archiver.trial.report import TrialFailedError, TrialReport
from model_archiver.trial.requests import read_requests
from model_archiver.trial.trial import Trial, TrialSettings
from model_archiver.writing.build import plan_report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from model_archiver.core.plan import Plan
    from model_archiver.core.request import ModelArchiverConfig, StrPath
    from model_archiver.core.running import Progress
    from model_archiver.trial.private_tree import PrivateTree

# Prefixes of the codes of checks whose errors the worker's result overrides.
_FOR_THE_WORKER = ("handler-", "model-file-", "weights-", "import-", "labels-", "vocabulary-")


def try_archive(  # noqa: PLR0913 - a flag each
    archive: StrPath,
    inputs: Sequence[StrPath] = (),
    *,
    form: Sequence[str] = (),
    content_type: str | None = None,
    expect: Sequence[StrPath] = (),
    tolerance: float = 0.0,
    cases: StrPath | None = None,
    python: StrPath | None = None,
    batch_size: int | None = None,
    timeout: float | None = None,
    device: str | None = None,
    envelope: str = "",
    install_requirements: bool = False,
    ignore: str | Sequence[str] = (),
    max_size: int | None = None,
    progress: Progress = no_progress,
) -> TrialReport:
    """Load an archive in the server's own worker, send it requests, and return the result.

    This runs the code of the archive.

    Args:
        archive: a ``.mar``, a ``.tar.gz`` or a model folder.
        inputs: files, each of which is sent as one request; ``-`` is stdin. Without any request, the archive's own
            samples are sent.
        form: parts of one request with several, ``NAME=VALUE`` or ``NAME=@FILE``.
        content_type: the type of all inputs; None guesses each from the file's name.
        expect: files with the expected answers, one for each request.
        tolerance: the largest absolute difference that is allowed between numbers in JSON.
        cases: a JSON file with requests and the expected answers.
        python: the interpreter that has the server's package, or the folder of a virtual environment.
        batch_size: the most requests that are sent together; None means what the archive's configuration says.
        timeout: the seconds that loading, and each answer, may take; None means what the configuration says.
        device: ``cpu``, ``cuda`` or ``cuda:N``; None means what the configuration says.
        envelope: TorchServe's service envelope.
        install_requirements: install the archive's requirements into the private folder first.
        ignore: codes of warnings to ignore; each string may be a comma-separated list of them.
        max_size: how much it may unpack to, in bytes; None means 1 GiB or 100 times its size.
        progress: is called with the size of each block that was read; the archive is read twice.

    Raises:
        ModelArchiverError: the archive, a file or the interpreter cannot be read or run at all.
    """
    wrong = {
        "batch_size": batch_size is not None and batch_size < 1,
        "timeout": timeout is not None and not timeout > 0,
        "tolerance": not tolerance >= 0,
        "device": device is not None and not re.fullmatch(r"cpu|cuda(:[0-9]{1,3})?", device),
    }
    raise_errors([Problem("error", "value-invalid", "is not valid", "", name) for name in wrong if wrong[name]])
    ignored = ignored_codes(ignore)
    requests = read_requests(inputs, form, content_type, expect, tolerance, cases)
    report, opened, checked = read_and_check(archive, max_size, progress)
    found = TrialReport(report, list(report.problems), [], [], {}, {})
    doubted = [problem for problem in report.problems if problem.level == "error"]
    if not report.manifest or any(not problem.code.startswith(_FOR_THE_WORKER) for problem in doubted):
        return found
    try:
        settings = TrialSettings(python, timeout, install_requirements, SAMPLES_PATH, batch_size, device, envelope)
        trial = Trial(CheckContext(checked), settings, requests)
        trial.run(found, lambda tree: tree.unpack(opened, report, max_size, progress))
    except ModelArchiverError as failure:
        found.problems += failure.problems
    found.leave_out(ignored)
    errors = [problem for problem in found.problems if problem.level == "error"]
    if doubted and found.answers and errors == doubted:
        found.problems = [each.replace(level="warning") for each in found.problems]
        found.notes.append("It serves, although the checks say that it does not: please report this bug of the checks.")
    return found


class BuildTrial:
    """The trial of what one build makes; `report` is set by calling it."""

    report: TrialReport

    def __init__(self, plan: Plan, request: ModelArchiverConfig, ignored_codes: Collection[str]) -> None:
        """Find the interpreter before anything is built; raise ModelArchiverError if the model cannot be tried."""
        samples = str(request.samples or SAMPLES_PATH)
        settings = TrialSettings(request.test_python, request.test_timeout, request.install_requirements, samples)
        self._plan, self._is_strict, self._ignored_codes = plan, request.strict, ignored_codes
        try:
            self._trial = Trial(CheckContext(plan), settings)
        except ModelArchiverError as failure:
            raise error_of(map(self._of_build, failure.problems)) from None

    def __call__(
        self, built: ArchiveReport | None = None, archive: Path | None = None, progress: Progress = no_progress
    ) -> None:
        """Try a finished archive in the folder in which it was built, or else what would be packed, from its sources.

        Raise TrialFailedError if it does not serve, or cannot be tried.
        """
        if built is not None and archive is not None:
            opened = open_archive(archive, built.path)
            self._run(built, lambda tree: tree.unpack(opened, built, sys.maxsize, progress))
            return
        plan = self._plan
        files = {member.path: member.source for member in (*plan.members, *plan.samples)}
        if plan.target.in_place:  # the server sees everything that is in the folder
            problems = ProblemList()
            files = dict(FolderWalk("in the folder", None, problems).files(plan.target.path))
            problems.raise_errors(strict=False)
        texts = {PurePosixPath(MANIFEST_PATH): plan.manifest.encode()}
        texts |= {PurePosixPath(SAMPLES_PATH): plan.cases} if plan.cases else {}
        entries = [ArchiveEntry(path, source.size, None, None) for path, source in files.items()]
        self._run(plan_report(plan, plan.size, None, entries), lambda tree: tree.copy(files, texts, progress))

    def _run(self, archive: ArchiveReport, fill: Callable[[PrivateTree], object]) -> None:
        manifest, paths = archive.manifest, {entry.path for entry in archive.files}
        wrong = [*manifest_problems(manifest), *missing_files(manifest, paths)]  # only in one that a caller gave
        found = TrialReport(archive, [each for each in wrong if each.level == "error"], [], [], {}, {})
        self.report = found
        try:
            if not found.problems:
                self._trial.run(found, fill)
        except ModelArchiverError as failure:
            found.problems += failure.problems
        found.leave_out(self._ignored_codes)
        found.problems = [self._of_build(problem) for problem in found.problems]
        if not found.is_ok:
            raise TrialFailedError(found)

    def _of_build(self, problem: Problem) -> Problem:
        """Return a problem of the trial as that of a build: with the path of the source, and the flags of packaging."""
        sources = {str(member.path): member.display_path for member in self._plan.members}
        level = "error" if self._is_strict else problem.level
        hint = problem.hint.replace("--python", "--test-python").replace("--timeout", "--test-timeout")
        return problem.replace(path=sources.get(problem.path, problem.path), level=level, hint=hint)
