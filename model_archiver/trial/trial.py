"""A trial: the archive in a private folder, the server's worker, the requests, and what came of it."""

from __future__ import annotations

import os
import tempfile
import time
from contextlib import closing
from pathlib import Path

from model_archiver.checks.config import config_settings
from model_archiver.checks.context import CheckContext
from model_archiver.core.manifest import MANIFEST_PATH, model_of
from model_archiver.core.problems import ProblemList, error
from model_archiver.core.record import Record
from model_archiver.core.running import block_signals
from model_archiver.core.text import counted
from model_archiver.reading.content import SampledFile
from model_archiver.reading.opening import OpenedArchive
from model_archiver.trial.diagnosis import Circumstances, Failure, diagnose, logged_warnings
from model_archiver.trial.expectations import TOGETHER, compare
from model_archiver.trial.interpreter import count_gpus, find_interpreter
from model_archiver.trial.private_tree import PrivateTree
from model_archiver.trial.processes import GuardedProcess
from model_archiver.trial.protocol import AnswerError, WorkerSettings
from model_archiver.trial.report import TrialReport
from model_archiver.trial.worker import Worker
from model_archiver.writing.staging import StagingDirectory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from model_archiver.core.problems import ModelArchiverError
    from model_archiver.core.report import ArchiveReport
    from model_archiver.core.request import StrPath
    from model_archiver.core.running import Progress
    from model_archiver.reading.archive import Archive
    from model_archiver.trial.interpreter import Interpreter
    from model_archiver.trial.report import TrialAnswer, TrialRequest

_DEFAULT_SECONDS, _SAGEMAKER_SECONDS = 120, 60
_UNSUPPORTED = ("sequenceBatching", "continuousBatching")
_OTHER_RUNTIMES = ("LSP", "python2")
_MOST_CONFIG = 1 << 17
_SHOWN_LINES = 15


class TrialSettings(Record):
    """How an archive is tried; None stands for what its configuration says."""

    python: StrPath | None = None  # the interpreter; None for the running one
    batch_size: int | None = None  # the most requests that are sent together
    timeout: float | None = None  # the seconds that loading, and each answer, may take
    device: str | None = None  # cpu, cuda or cuda:N
    envelope: str = ""
    install_requirements: bool = False
    max_size: int | None = None  # how much the archive may unpack to, in bytes


class Trial:
    """One trial, step by step; `report` returns what was found so far."""

    def __init__(self, report: ArchiveReport, requests: Sequence[TrialRequest], settings: TrialSettings) -> None:
        self.problems = ProblemList()
        self._notes: list[str] = []
        self._archive = report
        self._requests = requests
        self._settings = settings
        self._interpreter: Interpreter | None = None
        self._config: Mapping[object, object] = {}
        self._seconds: dict[str, float] = {}
        self._results: list[TrialAnswer] = []
        self._loads = self._has_failed = False
        self._log = ""

    def report(self) -> TrialReport:
        """Return what was found."""
        interpreter = self._interpreter
        return TrialReport(
            archive=self._archive,
            server=interpreter.server if interpreter else None,
            python=interpreter.executable if interpreter else "",
            versions=interpreter.versions if interpreter else {},
            loads=self._loads,
            answers=not self._has_failed if self._loads and self._requests else None,
            seconds=self._seconds,
            results=tuple(self._results),
            problems=tuple(self.problems),
            notes=tuple(self._notes),
            log=self._log,
        )

    def run(self, archive: Archive, progress: Progress) -> None:
        """Try the archive in a private folder, which is removed afterwards, as are all processes.

        Raises:
            ModelArchiverError: it cannot be tried.
        """
        manifest, settings = self._archive.manifest, self._settings
        if manifest.get("runtime") in _OTHER_RUNTIMES:
            raise _unsupported(f"the runtime {manifest['runtime']}", MANIFEST_PATH)
        context = _context(self._archive, {})
        is_mms, built_in = "modelServerVersion" in manifest, context.handler.built_in
        python = self._interpreter = find_interpreter(settings.python, for_mms=is_mms, built_in=built_in)
        temporary = Path(os.path.realpath(tempfile.gettempdir()))
        owner = os.getuid() if hasattr(os, "getuid") else 0
        with block_signals() as unblocked, StagingDirectory(temporary / "model", f"model-archiver-{owner}") as staging:
            folder = staging.path / "model"
            with unblocked():
                tree = PrivateTree(folder)
                tree.fill(archive, self._archive, settings.max_size, progress)
                self._read_config(folder)
                gpu = self._gpu(python)
            requirements = str(model_of(manifest).get("requirementsFile") or "")
            if requirements and settings.install_requirements:
                with closing(_start_pip(python, folder, requirements)) as pip, unblocked():
                    _check_pip(pip, requirements)
            about = self._circumstances(context, folder, requirements)
            with closing(Worker(python, self._worker_settings(context, folder, gpu), staging.path)) as worker:
                with unblocked():
                    if self._load(worker, about):
                        self._ask_all(worker, about)
                worker.log.settle()
                self._log = worker.log.text()
            self.problems.extend(tree.changes())

    def _read_config(self, folder: Path) -> None:
        """Read the configuration; raise ModelArchiverError if it needs another start than a trial makes."""
        name = str(model_of(self._archive.manifest).get("configFile") or "")
        path = folder / name
        if name and path.is_file() and path.stat().st_size <= _MOST_CONFIG:
            self._config = config_settings(_context(self._archive, {name: path.read_bytes()})) or {}
        wrong = [key for key in _UNSUPPORTED if self._config.get(key) is True]
        if self._config.get("parallelType") and self._config.get("torchrun"):
            wrong.append("parallelType with torchrun")
        if wrong:
            raise _unsupported(" and ".join(wrong), name)

    def _circumstances(self, context: CheckContext, folder: Path, requirements: str) -> Circumstances:
        missing = []
        if requirements and not self._settings.install_requirements:
            self._notes.append(
                f"The archive has requirements ({requirements}), which were not installed for the trial."
            )
            missing = (folder / requirements).read_text(encoding="utf-8", errors="replace").splitlines()
        files = frozenset(str(entry.path) for entry in self._archive.files)
        handler, envelope = context.handler, self._settings.envelope
        return Circumstances(str(folder), files, missing, handler.display_path, handler.module, envelope)

    def _worker_settings(self, context: CheckContext, folder: Path, gpu: int) -> WorkerSettings:
        return WorkerSettings(
            server=self._interpreter.server if self._interpreter else "torchserve",
            name=context.name,
            handler=context.handler.given,
            folder=str(folder),
            search_path=tuple(str(root) for root in context.roots[:-1]),
            batch_size=self._batch_size,
            gpu=gpu,
            envelope=self._settings.envelope,
            is_async=self._config.get("asyncCommunication") is True,
        )

    def _load(self, worker: Worker, about: Circumstances) -> bool:
        """Have the model loaded, and return whether it was."""
        start, limit = time.monotonic(), self._limit("startupTimeout")
        try:
            code, message = worker.load(limit)
        except AnswerError as failure:
            self._add_failure(Failure("load", limit, failure.reason), worker, about)
            return False
        finally:
            self._seconds["load"] = time.monotonic() - start
        if code != 200:
            self._add_failure(Failure("load", limit, "refused", message), worker, about)
            return False
        self._loads = True
        if self._interpreter and self._interpreter.server == "mms":
            worker.log.settle()
            self.problems.extend(logged_warnings(worker.log.text(), about))
        if not self._requests:
            self._notes.append("No request was sent: name one with --input.")
        return True

    def _ask_all(self, worker: Worker, about: Circumstances) -> None:
        """Send each request alone, then all together; stop when the worker does not answer any more."""
        if self._requests:
            self._seconds["answer"] = 0.0
        for numbers in self._rounds():
            batch = [self._requests[number - 1] for number in numbers]
            stage = f"request {numbers[0]}"
            if len(numbers) > 1:
                stage = f"requests {', '.join(map(str, numbers))}, sent together"
            failed = Failure(stage, self._limit("responseTimeout"), "refused", "", len(batch))
            start, mark = time.monotonic(), worker.log.mark()
            try:
                refusal, answers = worker.ask(batch, failed.limit)
            except AnswerError as failure:
                self._add_failure(failed.replace(reason=failure.reason), worker, about, mark)
                return
            finally:
                self._seconds["answer"] += time.monotonic() - start
            self._results += answers
            if refusal and not batch[0].expectation.is_refusal:
                self._add_failure(failed.replace(message=refusal), worker, about, mark)
                continue
            for answer, request in zip(answers, batch, strict=True):
                known = {str(problem) for problem in self.problems}
                for problem in compare(answer, request):
                    self._has_failed = True
                    if str(problem).replace(TOGETHER, "") not in known:
                        self.problems.add(problem)

    def _rounds(self) -> Iterator[list[int]]:
        """Yield the numbers, counted from 1, of the requests that are sent together."""
        numbered = list(enumerate(self._requests, 1))
        yield from ([number] for number, _ in numbered)
        together = [number for number, request in numbered if not request.expectation.is_refusal]
        size = self._batch_size
        if size > 1 and len(together) > 1:
            yield from (together[start : start + size] for start in range(0, len(together), size))

    def _add_failure(self, failure: Failure, worker: Worker, about: Circumstances, mark: int = 0) -> None:
        """Add the problem for what failed, once if several requests fail in the same way."""
        self._has_failed = True
        is_over = failure.reason == "closed" or (failure.stage, failure.reason) == ("load", "refused")
        status = worker.wait() if is_over else None
        worker.log.settle()
        problem = diagnose(failure, worker.log.text(mark), status, about)
        _, _, text = problem.message.partition(": ")
        if not any(known.message.endswith(text) and known.line == problem.line for known in self.problems):
            self.problems.add(problem)

    @property
    def _batch_size(self) -> int:
        return self._settings.batch_size or self._number("batchSize") or 1

    def _limit(self, key: str) -> float:
        is_sagemaker = key == "responseTimeout" and self._archive.layout == "sagemaker"
        default = _SAGEMAKER_SECONDS if is_sagemaker else _DEFAULT_SECONDS
        return self._settings.timeout or self._number(key) or default

    def _number(self, key: str) -> int:
        """Return an integer of the configuration, 0 if the server would ignore it."""
        value = self._config.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0

    def _gpu(self, interpreter: Interpreter) -> int:
        """Return the number of the GPU, or -1 for the CPU.

        Raises:
            ModelArchiverError: one was asked for, and is not there.
        """
        wanted = self._settings.device
        is_configured = str(self._config.get("deviceType", "")).lower() == "gpu"
        if wanted == "cpu" or (wanted is None and not is_configured):
            return -1
        number = int((wanted or "").partition(":")[2] or 0)
        count = count_gpus(interpreter)
        if number < count:
            return number
        found = f"torch finds {counted(count, 'GPU')} here" if count else "torch finds no GPU here"
        if wanted is not None:
            raise error("trial-device", found, "use --device cpu", f"--device {wanted}")
        self._notes.append(f"The configuration asks for a GPU, and {found}: tried on the CPU.")
        return -1


def _start_pip(python: Interpreter, folder: Path, requirements: str) -> GuardedProcess:
    """Start installing the requirements as the server does (ModelManager.java, `setupModelDependencies`)."""
    command = [python.executable, "-m", "pip", "install", "-U", "-t", str(folder), "-r", str(folder / requirements)]
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder.parent))
    return GuardedProcess(command, folder, {**os.environ, **temporary})


def _check_pip(pip: GuardedProcess, requirements: str) -> None:
    """Wait for pip; raise ModelArchiverError if it fails."""
    if pip.wait():
        pip.log.settle()
        lines = pip.log.text().splitlines()
        said = [line for line in lines if line.lower().startswith("error")] or lines[-_SHOWN_LINES:]
        raise error("trial-requirements", f"pip could not install them: {' '.join(said)}", path=requirements)


def _unsupported(what: str, path: str) -> ModelArchiverError:
    message = f"{what} needs a worker that is started in another way, which is not tried"
    return error("trial-unsupported", message, "try it on the server itself", path)


def _context(report: ArchiveReport, kept: Mapping[str, bytes]) -> CheckContext:
    """Return the archive with the questions of the checks; only some files have bytes."""
    fields = {**report.manifest, "model": model_of(report.manifest)}
    members = (SampledFile(entry.path, entry.size, kept.get(str(entry.path))) for entry in report.files)
    return CheckContext(OpenedArchive(fields, tuple(members)))
