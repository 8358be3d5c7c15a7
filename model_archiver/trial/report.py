"""What a trial asks, and what it found."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from model_archiver.checks.context import HandlerReference
from model_archiver.core import request
from model_archiver.core.problems import ModelArchiverError, Problem, ProblemList
from model_archiver.core.record import Record
from model_archiver.core.report import ArchiveReport


class Part(Record):
    """A part of a request."""

    name: str  # body, or the name of a form's part
    content_type: str  # empty for the plain value of a form
    value: bytes


class Expectation(Record):
    """What the answer to a request must be."""

    body: bytes | None = None
    is_json: bool = False  # compare by value, and not byte by byte
    tolerance: float = 0.0  # how much numbers may differ, as an absolute difference
    percent: float = 0.0  # how much numbers may differ, in percent; at least 1e-6
    status: int | None = None  # the exact HTTP status; None for any 2xx
    error: str | None = None  # a text in the refusal of the request; None where it must not be refused

    @property
    def is_refusal(self) -> bool:
        """Return whether the request must be refused; such a request is sent alone only."""
        return self.error is not None or (self.status is not None and not 200 <= self.status < 300)


class TrialRequest(Record):
    """A request."""

    name: str  # as the user gave it: a path, -, --form, or the place in a file of cases
    parts: tuple[Part, ...]
    content_type: str  # of the header
    expectation: Expectation = Expectation()


class TrialAnswer(Record):
    """The answer to a request.

    Attributes:
        request: the name of the request.
        batched: whether the request was sent together with others.
        status: the HTTP status that a client gets.
        reason: the reason phrase of the status.
        content_type: the content type that the handler set; may be empty.
        headers: the headers that the handler set.
        body: the whole answer, as a client gets it; pieces of a streamed one are joined.
        seconds: the time from sending the batch to its answer, in seconds.
    """

    request: str
    batched: bool
    status: int
    reason: str
    content_type: str
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class TriedModel(Record):
    """The model of an unpacked archive, and how the worker loads it."""

    server: request.Server
    name: str
    handler: HandlerReference
    folder: str  # of the model, with links resolved
    files: frozenset[str]  # the paths of the files in it
    requirements: Sequence[str]  # the lines of those that are not installed
    search_path: Sequence[str]  # folders of the archive that the front end puts before all others
    batch_size: int
    gpu: int  # its number, or -1 for the CPU
    envelope: str  # TorchServe's service envelope, or an empty string
    is_async: bool  # whether the handler is a coroutine


class TrialFailedError(ModelArchiverError):
    """The result of a build does not serve, so it was not written; `trial` is what was found."""

    def __init__(self, trial: TrialReport) -> None:
        super().__init__(problems=trial.problems)
        self.trial = trial


class TrialReport(Record, frozen=False):
    """What a trial found.

    Attributes:
        archive: the report on the archive, as `verify` returns it.
        problems: errors and warnings about the archive, and of the trial.
        results: every answer, of the single requests first.
        notes: what a user should know, a sentence each.
        seconds: the time that it took to load (``load``) and to answer (``answer``), in seconds.
        versions: the versions of ``python``, ``torch`` and the server's package, where they are installed there.
        server: the server whose worker was tried; None if none was started.
        python: the path of the interpreter.
        loads: whether the worker loaded the model.
        answers: whether every answer was as expected; None if nothing was asked.
        log: the last lines that the worker wrote.
        ignored: how many warnings `--ignore` left out of the problems.
    """

    archive: ArchiveReport
    problems: list[Problem]
    results: list[TrialAnswer]
    notes: list[str]
    seconds: dict[str, float]
    versions: Mapping[str, str]
    server: request.Server | None = None
    python: str = ""
    loads: bool = False
    answers: bool | None = None
    log: str = ""
    ignored: int = 0

    def leave_out(self, codes: Collection[str]) -> None:
        """Leave out the warnings of some codes."""
        kept = ProblemList(codes)
        kept.extend(self.problems)
        self.problems, self.ignored = list(kept), kept.ignored

    @property
    def is_ok(self) -> bool:
        """Return whether the model loads, and answers what it was asked."""
        return self.loads and self.answers is not False and all(each.level != "error" for each in self.problems)
