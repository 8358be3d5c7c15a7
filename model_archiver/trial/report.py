"""What a trial asks, and what it found."""

from __future__ import annotations

from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from model_archiver.core.problems import Problem
    from model_archiver.core.report import ArchiveReport
    from model_archiver.core.request import Server


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
        is_batched: whether the request was sent together with others.
        status: the HTTP status that a client gets.
        reason: the reason phrase.
        content_type: as the handler set it; may be empty.
        headers: those that the handler set.
        body: the whole answer, as a client gets it; pieces of a streamed one are joined.
        seconds: from sending the batch to its answer.
    """

    request: str
    is_batched: bool
    status: int
    reason: str
    content_type: str
    headers: Mapping[str, str]
    body: bytes
    seconds: float


class TrialReport(Record):
    """What a trial found.

    Attributes:
        archive: the report on the archive, as `verify` returns it.
        server: whose worker was tried; None if none was started.
        python: the path of the interpreter.
        versions: of ``python``, ``torch`` and the server's package, where they are installed there.
        loads: whether the worker loaded the model.
        answers: whether every answer was as it must be; None if nothing was asked.
        seconds: the time that it took to load (``load``) and to answer (``answer``).
        results: every answer, of the single requests first.
        problems: errors, warnings and notes of the archive and of the trial.
        notes: facts that are no problem, a sentence each.
        log: the last lines that the worker wrote.
    """

    archive: ArchiveReport
    server: Server | None
    python: str
    versions: Mapping[str, str]
    loads: bool
    answers: bool | None
    seconds: Mapping[str, float]
    results: tuple[TrialAnswer, ...]
    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    log: str

    @property
    def is_ok(self) -> bool:
        """Return whether the model loads, and answers what it was asked."""
        return self.loads and self.answers is not False and all(each.level != "error" for each in self.problems)
