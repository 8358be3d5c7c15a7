"""``--test``: run the result of a build in the server's own worker before it is moved to its target."""

from __future__ import annotations

import sys
from pathlib import PurePosixPath

from model_archiver.checks.context import CheckContext
from model_archiver.core.manifest import MANIFEST_PATH, SAMPLES_PATH
from model_archiver.core.problems import ModelArchiverError, ProblemList, error_of
from model_archiver.core.report import ArchiveEntry
from model_archiver.core.running import no_progress
from model_archiver.planning.gathering import FolderWalk
from model_archiver.reading.manifest import manifest_problems, missing_files
from model_archiver.reading.opening import open_archive
from model_archiver.trial.report import TrialFailedError, TrialReport
from model_archiver.trial.trial import Trial, TrialSettings
from model_archiver.writing.build import plan_report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

    from model_archiver.core.plan import Plan
    from model_archiver.core.problems import Problem
    from model_archiver.core.report import ArchiveReport
    from model_archiver.core.request import ModelArchiverConfig
    from model_archiver.core.running import Progress
    from model_archiver.trial.private_tree import PrivateTree


class BuildTrial:
    """The trial of what one build makes; `report` is set by calling it."""

    report: TrialReport

    def __init__(self, plan: Plan, request: ModelArchiverConfig, ignored_codes: Collection[str]) -> None:
        """Find the interpreter, before anything is built.

        Raises:
            ModelArchiverError: the model cannot be tried, for example because no server is installed.
        """
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

        Raises:
            TrialFailedError: it does not serve, or cannot be tried.
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
