"""``test``: run an archive in the server's own worker, and ask it."""

from __future__ import annotations

from model_archiver.commands.inspect import verify
from model_archiver.core.problems import ModelArchiverError
from model_archiver.core.running import no_progress
from model_archiver.reading.opening import open_archive
from model_archiver.trial.requests import read_requests
from model_archiver.trial.trial import Trial, TrialSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from model_archiver.core.request import StrPath
    from model_archiver.core.running import Progress
    from model_archiver.trial.report import TrialReport

_FOR_THE_WORKER = ("handler-", "model-file-", "weights-", "import-", "labels-", "vocabulary-")
"""How the codes of the checks begin that say what a worker does: it decides."""


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
    max_size: int | None = None,
    progress: Progress = no_progress,
) -> TrialReport:
    """Load an archive in the server's own worker, send it requests, and return what came of it.

    This runs the code of the archive.

    Args:
        archive: a ``.mar``, a ``.tar.gz`` or a model folder.
        inputs: files, each of which is sent as one request; ``-`` is stdin.
        form: parts of one request with several, ``NAME=VALUE`` or ``NAME=@FILE``.
        content_type: the type of all inputs; None guesses each from the file's name.
        expect: files with the expected answers, one for each request.
        tolerance: how much numbers in JSON may differ, as an absolute difference.
        cases: a JSON file with requests and the expected answers.
        python: the interpreter that has the server's package, or the folder of a virtual environment.
        batch_size: the most requests that are sent together; None means what the archive's configuration says.
        timeout: the seconds that loading, and each answer, may take; None means what the configuration says.
        device: ``cpu``, ``cuda`` or ``cuda:N``; None means what the configuration says.
        envelope: TorchServe's service envelope.
        install_requirements: install the archive's requirements into the private folder first.
        max_size: how much it may unpack to, in bytes; None means 1 GiB or 100 times its size.
        progress: is called with the size of each block that was read; all is read twice.

    Raises:
        ModelArchiverError: the archive, a file or the interpreter cannot be read or run at all.
    """
    requests = read_requests(inputs, form, content_type, expect, tolerance, cases)
    report = verify(archive, max_size=max_size, progress=progress)
    settings = TrialSettings(python, batch_size, timeout, device, envelope, install_requirements, max_size)
    trial = Trial(report, requests, settings)
    trial.problems.extend(report.problems)
    doubted = [problem for problem in report.problems if problem.level == "error"]
    if not report.manifest or any(not problem.code.startswith(_FOR_THE_WORKER) for problem in doubted):
        return trial.report()
    try:
        trial.run(open_archive(archive), progress)
    except ModelArchiverError as failure:
        trial.problems.extend(failure.problems)
    found = trial.report()
    if not (doubted and found.answers and all(each in doubted for each in found.problems if each.level == "error")):
        return found
    note = "It serves in spite of what the checks say is an error: please report that, with the archive or its handler."
    softened = tuple(each.replace(level="warning") if each in doubted else each for each in found.problems)
    return found.replace(problems=softened, notes=(*found.notes, note))
