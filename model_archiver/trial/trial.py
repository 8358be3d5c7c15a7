"""The trial of an archive: the server's worker loads it, and is asked what a client asks."""

from __future__ import annotations

import os
import tempfile
import time
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
from model_archiver.trial import diagnosis
from model_archiver.trial.expectations import TOGETHER, compare
from model_archiver.trial.interpreter import count_gpus, find_interpreter
from model_archiver.trial.private_tree import PrivateTree
from model_archiver.trial.processes import Processes
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

_DEFAULT_SECONDS = 120
_UNSUPPORTED = ("sequenceBatching", "continuousBatching")
_OTHER_RUNTIMES = ("LSP", "python2")
_MOST_CONFIG = 1 << 17
_SHOWN_LINES = 15


class TrialSettings(Record):
    """How an archive is tried.

    Attributes:
        python: the interpreter, or None for the running one.
        batch_size: the most requests that are sent together; None for what the archive's configuration says.
        timeout: the seconds that loading, and each answer, may take; None for what the configuration says.
        device: ``cpu``, ``cuda`` or ``cuda:N``; None for what the configuration says.
        envelope: the service envelope, or an empty string.
        install_requirements: install the archive's requirements first.
        max_size: how much the archive may unpack to, in bytes.
    """

    python: StrPath | None = None
    batch_size: int | None = None
    timeout: float | None = None
    device: str | None = None
    envelope: str = ""
    install_requirements: bool = False
    max_size: int | None = None


class Trial:
    """One trial, step by step; `report` returns what was found so far."""

    def __init__(self, report: ArchiveReport, requests: Sequence[TrialRequest], settings: TrialSettings) -> None:
        self.problems = ProblemList()
        self.notes: list[str] = []
        self._archive = report
        self._requests = requests
        self._settings = settings
        self._interpreter: Interpreter | None = None
        self._context = _context(report, {})
        self._config: Mapping[object, object] = {}
        self._seconds: dict[str, float] = {}
        self._results: list[TrialAnswer] = []
        self._loads = self._has_failed = False
        self._log = ""

    def report(self) -> TrialReport:
        """Return what was found."""
        interpreter = self._interpreter
        is_asked = self._loads and bool(self._requests)
        return TrialReport(
            archive=self._archive,
            server=interpreter.server if interpreter else None,
            python=interpreter.executable if interpreter else "",
            versions=interpreter.versions if interpreter else {},
            loads=self._loads,
            answers=not self._has_failed if is_asked else None,
            seconds=self._seconds,
            results=tuple(self._results),
            problems=tuple(self.problems),
            notes=tuple(self.notes),
            log=self._log,
        )

    def run(self, archive: Archive, progress: Progress) -> None:
        """Try the archive in a private folder, which is removed afterwards, as are all processes.

        Raises:
            ModelArchiverError: it cannot be tried.
        """
        runtime = self._archive.manifest.get("runtime")
        if runtime in _OTHER_RUNTIMES:
            raise _unsupported(f"the runtime {runtime}", MANIFEST_PATH)
        is_mms = "modelServerVersion" in self._archive.manifest
        built_in = self._context.handler.built_in
        self._interpreter = find_interpreter(self._settings.python, for_mms=is_mms, built_in=built_in)
        temporary = Path(os.path.realpath(tempfile.gettempdir()))
        owner = os.getuid() if hasattr(os, "getuid") else 0
        staging = StagingDirectory(temporary / "model", f"model-archiver-{owner}")
        with block_signals() as unblocked, staging, Processes(staging.path) as processes, unblocked():
            tree = PrivateTree(staging.path / "model")
            tree.fill(archive, self._archive, self._settings.max_size, progress)
            self._prepare(tree.folder)
            requirements = self._install(tree.folder, processes)
            self._try(self._interpreter, staging.path, requirements, processes)
            self.problems.extend(tree.changes())

    def _prepare(self, folder: Path) -> None:
        """Read the configuration; raise ModelArchiverError if it needs another start than a trial makes."""
        name = str(model_of(self._archive.manifest).get("configFile") or "")
        path = folder / name
        if name and path.is_file() and path.stat().st_size <= _MOST_CONFIG:
            self._context = _context(self._archive, {name: path.read_bytes()})
            self._config = config_settings(self._context) or {}
        wrong = [key for key in _UNSUPPORTED if self._config.get(key) is True]
        if self._config.get("parallelType") and self._config.get("torchrun"):
            wrong.append("parallelType with torchrun")
        if wrong:
            raise _unsupported(" and ".join(wrong), name)

    def _install(self, folder: Path, processes: Processes) -> Sequence[str]:
        """Install the requirements if that is asked for, else return their lines."""
        name = str(model_of(self._archive.manifest).get("requirementsFile") or "")
        if not name:
            return ()
        if not self._settings.install_requirements:
            self.notes.append(f"The archive has requirements ({name}), which were not installed for the trial.")
            return (folder / name).read_text(encoding="utf-8", errors="replace").splitlines()
        log = folder.parent / "pip.log"
        python = self._interpreter.executable if self._interpreter else ""
        command = [python, "-m", "pip", "install", "-U", "-t", str(folder), "-r", str(folder / name)]
        with log.open("wb") as output:
            temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder.parent))
            process = processes.start(command, folder, {**os.environ, **temporary}, output.fileno())
            status = process.wait()
        if status:
            lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
            said = [line for line in lines if line.lower().startswith("error")] or lines[-_SHOWN_LINES:]
            message = f"pip could not install them: {' '.join(said)}"
            raise error("trial-requirements", message, path=name)
        return ()

    def _try(self, interpreter: Interpreter, private: Path, requirements: Sequence[str], processes: Processes) -> None:
        folder, handler = private / "model", self._context.handler
        about = diagnosis.Circumstances(
            root=str(folder),
            files=frozenset(str(entry.path) for entry in self._archive.files),
            requirements=requirements,
            handler=handler.display_path,
            module=handler.module,
            envelope=self._settings.envelope,
        )
        settings = WorkerSettings(
            server=interpreter.server,
            name=self._context.name,
            handler=handler.given,
            folder=str(folder),
            search_path=tuple(str(root) for root in self._context.roots[:-1]),
            batch_size=self._batch_size,
            gpu=self._gpu(interpreter),
            envelope=self._settings.envelope,
            is_async=self._config.get("asyncCommunication") is True,
        )
        worker = Worker(interpreter, settings, private, processes)
        try:
            if self._load(worker, about):
                self._ask_all(worker, about)
        finally:
            worker.log.settle()
            self._log = worker.log.text()
            worker.close()

    def _load(self, worker: Worker, about: diagnosis.Circumstances) -> bool:
        """Have the model loaded, and return whether it was."""
        start = time.monotonic()
        limit = self._limit("startupTimeout")
        try:
            code, message = worker.load(limit)
        except AnswerError as failure:
            self._add_failure(diagnosis.Failure("load", limit, failure.reason), worker, about)
            return False
        finally:
            self._seconds["load"] = time.monotonic() - start
        if code != 200:
            self._add_failure(diagnosis.Failure("load", limit, "refused", message), worker, about)
            return False
        self._loads = True
        if self._interpreter and self._interpreter.server == "mms":
            worker.log.settle()
            self.problems.extend(diagnosis.logged_warnings(worker.log.text(), about))
        if not self._requests:
            self.notes.append("No request was sent: name one with --input.")
        return True

    def _ask_all(self, worker: Worker, about: diagnosis.Circumstances) -> None:
        """Send each request alone, then all together; stop when the worker does not answer any more."""
        if self._requests:
            self._seconds["answer"] = 0.0
        for numbers in self._rounds():
            batch = [self._requests[number] for number in numbers]
            stage = f"request {numbers[0] + 1}"
            if len(numbers) > 1:
                stage = f"requests {', '.join(str(number + 1) for number in numbers)}, sent together"
            failed = diagnosis.Failure(stage, self._limit("responseTimeout"), "refused", "", len(batch))
            start, mark = time.monotonic(), worker.log.mark()
            try:
                refusal, answers = worker.ask(batch, failed.limit)
            except AnswerError as failure:
                self._add_failure(failed.replace(reason=failure.reason), worker, about, mark)
                return
            finally:
                self._seconds["answer"] += time.monotonic() - start
            self._results += answers
            if refusal and not _is_refusal(batch):
                self._add_failure(failed.replace(message=refusal), worker, about, mark)
                continue
            for answer, request in zip(answers, batch, strict=True):
                found = list(compare(answer, request))
                self._has_failed |= any(problem.level == "error" for problem in found)
                known = {str(problem) for problem in self.problems}
                self.problems.extend(problem for problem in found if str(problem).replace(TOGETHER, "") not in known)

    def _rounds(self) -> Iterator[list[int]]:
        """Yield the numbers of the requests that are sent together."""
        yield from ([number] for number in range(len(self._requests)))
        together = [number for number, request in enumerate(self._requests) if not _is_refusal([request])]
        size = self._batch_size
        if size > 1 and len(together) > 1:
            yield from (together[start : start + size] for start in range(0, len(together), size))

    def _add_failure(
        self, failure: diagnosis.Failure, worker: Worker, about: diagnosis.Circumstances, mark: int = 0
    ) -> None:
        """Add the problem for what failed, once if several requests fail in the same way."""
        self._has_failed = True
        is_over = failure.reason == "closed" or (failure.stage, failure.reason) == ("load", "refused")
        status = worker.wait() if is_over else None
        worker.log.settle()
        problem = diagnosis.diagnose(failure, worker.log.text(mark), status, about)
        _, _, text = problem.message.partition(": ")
        if not any(known.message.endswith(text) and known.line == problem.line for known in self.problems):
            self.problems.add(problem)

    @property
    def _batch_size(self) -> int:
        return self._settings.batch_size or self._number("batchSize") or 1

    def _limit(self, key: str) -> float:
        is_sagemaker = key == "responseTimeout" and self._archive.layout == "sagemaker"
        return self._settings.timeout or self._number(key) or (60 if is_sagemaker else _DEFAULT_SECONDS)

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
        self.notes.append(f"The configuration asks for a GPU, and {found}: tried on the CPU.")
        return -1


def _unsupported(what: str, path: str) -> ModelArchiverError:
    message = f"{what} needs a worker that is started in another way, which is not tried"
    return error("trial-unsupported", message, "try it on the server itself", path)


def _context(report: ArchiveReport, kept: Mapping[str, bytes]) -> CheckContext:
    """Return the archive with the questions of the checks; only some files have bytes."""
    fields = {**report.manifest, "model": model_of(report.manifest)}
    members = (SampledFile(entry.path, entry.size, kept.get(str(entry.path))) for entry in report.files)
    return CheckContext(OpenedArchive(fields, tuple(members)))


def _is_refusal(requests: Sequence[TrialRequest]) -> bool:
    return any(request.expectation is not None and request.expectation.is_refusal for request in requests)
