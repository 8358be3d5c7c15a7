"""A trial: the archive in a private folder, the server's worker, the requests, and what came of it."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from model_archiver.checks.config import config_settings
from model_archiver.checks.context import CheckContext
from model_archiver.core import running
from model_archiver.core.manifest import MANIFEST_PATH
from model_archiver.core.problems import error
from model_archiver.core.record import Record
from model_archiver.core.request import StrPath
from model_archiver.core.text import counted
from model_archiver.trial.diagnosis import Failure, diagnose, logged_warnings
from model_archiver.trial.expectations import TOGETHER, compare
from model_archiver.trial.interpreter import GuardedProcess, Interpreter, count_gpus, find_interpreter
from model_archiver.trial.private_tree import PrivateTree
from model_archiver.trial.report import TrialReport, TrialRequest, TriedModel
from model_archiver.trial.requests import packed_requests
from model_archiver.trial.worker import DONE, AnswerError, Worker
from model_archiver.writing.staging import StagingDirectory

_DEFAULT_SECONDS, _SAGEMAKER_SECONDS = 120, 60
_UNSUPPORTED = ("sequenceBatching", "continuousBatching")
_OTHER_RUNTIMES = ("LSP", "python2")
_SHOWN_LINES = 15


class TrialSettings(Record):
    """How an archive is tried; None stands for what its configuration says."""

    python: StrPath | None = None  # the interpreter; None for the running one
    timeout: float | None = None  # the seconds that loading, and each answer, may take
    install_requirements: bool = False
    samples: str = ""  # the path of the samples file in messages
    batch_size: int | None = None  # the most requests that are sent together
    device: str | None = None  # cpu, cuda or cuda:N
    envelope: str = ""


class Trial:
    """One trial, step by step, which adds what it finds to a report."""

    def __init__(self, context: CheckContext, settings: TrialSettings, requests: Sequence[TrialRequest] = ()) -> None:
        """Find the interpreter, or raise ModelArchiverError; without `requests`, those of the archive are sent."""
        self._context = context
        self._requests = requests
        self._settings = settings
        self._config: Mapping[object, object] = config_settings(context) or {}
        self._check_supported()
        self._python = find_interpreter(settings.python, context.server, context.handler.built_in)

    def run(self, found: TrialReport, fill: Callable[[PrivateTree], object]) -> None:
        """Try the model in a private folder, into which `fill` puts its files, and add what comes of it to `found`.

        The folder and all processes are gone afterwards. Raise ModelArchiverError if the model cannot be tried.
        """
        self._found, settings, python = found, self._settings, self._python
        place = Path(os.path.realpath(tempfile.gettempdir())) / "model"
        name = f"model-archiver-{os.getuid() if hasattr(os, 'getuid') else 0}"
        with running.block_signals() as unblocked, StagingDirectory(place, name) as staging:
            folder = staging.path / "model"
            with unblocked():
                tree = PrivateTree(folder)
                fill(tree)
                self._requests = self._requests or packed_requests(folder, settings.samples)
                model = self._model(folder)
            requirements = self._context.text_field("requirementsFile")
            if requirements and settings.install_requirements:
                _install(requirements, python, folder, unblocked)
            found.server, found.python, found.versions = python.server, python.executable, python.versions
            with closing(Worker(python, model, staging.path)) as worker, unblocked():
                if self._load(worker, model):
                    self._ask_all(worker, model)
            found.log = worker.log.text()
            found.problems += tree.changes()

    def _check_supported(self) -> None:
        """Raise ModelArchiverError if the model needs another start than a trial makes."""
        wrong = [key for key in _UNSUPPORTED if self._config.get(key) is True]
        if self._config.get("parallelType") not in (None, "custom") and self._config.get("torchrun"):
            wrong.append("parallelType with torchrun")
        path, runtime = self._context.text_field("configFile"), self._context.fields.get("runtime")
        if runtime in _OTHER_RUNTIMES:
            path, wrong = MANIFEST_PATH, [f"the runtime {runtime}"]
        if wrong:
            message = f"test does not support {' and '.join(wrong)}"
            raise error("trial-unsupported", message, "try it on the server itself", path)

    def _model(self, folder: Path) -> TriedModel:
        lines, requirements = [], self._context.text_field("requirementsFile")
        if requirements and not self._settings.install_requirements:
            self._found.notes.append(f"The archive has requirements ({requirements}), which were not installed.")
            lines = (folder / requirements).read_text(encoding="utf-8", errors="replace").splitlines()
        return TriedModel(
            server=self._python.server,
            name=self._context.text_field("modelName"),
            handler=self._context.handler,
            folder=str(folder),
            files=frozenset(str(entry.path) for entry in self._found.archive.files),
            requirements=lines,
            search_path=[str(root) for root in self._context.roots[:-1]],
            batch_size=self._settings.batch_size or self._number("batchSize") or 1,
            gpu=self._gpu(),
            envelope=self._settings.envelope,
            is_async=self._config.get("asyncCommunication") is True,
        )

    def _load(self, worker: Worker, model: TriedModel) -> bool:
        """Have the model loaded, and return whether it was."""
        found, start, limit = self._found, time.monotonic(), self._limit("startupTimeout")
        try:
            code, message = worker.load(limit)
            failed = Failure("load", limit, "refused", message) if code != DONE else None
        except AnswerError as failure:
            failed = Failure("load", limit, failure.reason)
        found.seconds["load"] = time.monotonic() - start
        if failed:
            self._add_failure(failed, worker, model)
            return False
        found.loads = True
        if model.server == "mms" and model.envelope:
            found.notes.append("Multi Model Server has no envelopes: --envelope was not used.")
        if model.server == "mms":
            worker.log.wait_until_quiet()
            found.problems += logged_warnings(worker.log.text(), model)
        if self._requests:
            found.answers, found.seconds["answer"] = True, 0.0
        else:
            advice = "package the model with --samples FILE, or run test with --input FILE"
            found.notes.append(f"No request was sent: {advice}.")
        return True

    def _ask_all(self, worker: Worker, model: TriedModel) -> None:
        """Send each request alone, then all together; stop when the worker does not answer any more."""
        for numbers in self._rounds(model.batch_size):
            batch = [self._requests[number - 1] for number in numbers]
            stage = f"request {numbers[0]}"
            if len(numbers) > 1:
                stage = f"requests {', '.join(map(str, numbers[:-1]))} and {numbers[-1]}, sent together"
            failed = Failure(stage, self._limit("responseTimeout"), "refused", "", len(batch))
            start, mark = time.monotonic(), worker.log.count
            try:
                refusal, answers = worker.ask(batch, failed.limit)
            except AnswerError as failure:
                self._add_failure(failed.replace(reason=failure.reason), worker, model, mark)
                self._found.notes.append("Later requests were not sent, because the worker does not answer any more.")
                return
            finally:
                self._found.seconds["answer"] += time.monotonic() - start
            self._found.results += answers
            if refusal and not batch[0].expectation.is_refusal:
                self._add_failure(failed.replace(message=refusal), worker, model, mark)
                continue
            for answer, request in zip(answers, batch, strict=True):
                known = {str(problem) for problem in self._found.problems}
                differences = list(compare(answer, request))
                self._found.answers = self._found.answers and not differences
                self._found.problems += [each for each in differences if str(each).replace(TOGETHER, "") not in known]

    def _rounds(self, batch_size: int) -> list[list[int]]:
        """Return the numbers, counted from 1, of the requests that are sent together, each alone first."""
        numbered = list(enumerate(self._requests, 1))
        together = [number for number, request in numbered if not request.expectation.is_refusal]
        batches = [together[start : start + batch_size] for start in range(0, len(together), batch_size)]
        return [[number] for number, _ in numbered] + [batch for batch in batches if len(batch) > 1]

    def _add_failure(self, failure: Failure, worker: Worker, model: TriedModel, mark: int = 0) -> None:
        """Add the problem for what failed; not again if requests fail together as they do alone."""
        self._found.answers = False if self._found.loads else None
        is_over = failure.reason == "closed" or (failure.stage, failure.reason) == ("load", "refused")
        status = worker.wait() if is_over else None
        worker.log.wait_until_quiet()
        problem = diagnose(failure, worker.log.text(mark), status, model)
        _, _, text = problem.message.partition(": ")
        same = (each for each in self._found.problems if each.message.endswith(text) and each.line == problem.line)
        if failure.count == 1 or not any(same):
            self._found.problems.append(problem)

    def _limit(self, key: str) -> float:
        is_sagemaker = key == "responseTimeout" and self._found.archive.layout == "sagemaker"
        default = _SAGEMAKER_SECONDS if is_sagemaker else _DEFAULT_SECONDS
        return self._settings.timeout or self._number(key) or default

    def _number(self, key: str) -> int:
        """Return an integer of the configuration, 0 if the server would ignore it."""
        value = self._config.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0

    def _gpu(self) -> int:
        """Return the number of the GPU, or -1 for the CPU; raise ModelArchiverError if one is asked for and absent."""
        wanted = self._settings.device
        is_configured = str(self._config.get("deviceType", "")).lower() == "gpu"
        if wanted == "cpu" or (wanted is None and not is_configured):
            return -1
        number = int((wanted or "").partition(":")[2] or 0)
        count = count_gpus(self._python)
        if number < count:
            return number
        here = f"torch finds {counted(count, 'GPU') if count else 'no GPU'} here"
        if wanted is not None:
            raise error("trial-device", here, "use --device cpu", f"--device {wanted}")
        self._found.notes.append(f"The configuration asks for a GPU, and {here}: tried on the CPU.")
        return -1


def _install(requirements: str, python: Interpreter, folder: Path, unblocked: running.Unblocked) -> None:
    """Install the requirements as ModelManager.java does (`setupModelDependencies`), or raise ModelArchiverError."""
    command = [python.executable, "-m", "pip", "install", "-U", "-t", str(folder), "-r", str(folder / requirements)]
    temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder.parent))
    with closing(GuardedProcess(command, folder, {**os.environ, **temporary})) as pip, unblocked():
        if not pip.wait():
            return
        pip.log.wait_until_quiet()
        lines = pip.log.text().splitlines()
        said = [line for line in lines if line.lower().startswith("error")] or lines[-_SHOWN_LINES:]
        raise error("trial-requirements", f"pip cannot install these requirements: {' '.join(said)}", path=requirements)
