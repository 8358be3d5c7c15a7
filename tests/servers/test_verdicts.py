"""A real server and `test` agree about an archive: it serves on both, or on neither.

Each archive of `verdicts` is registered with a real TorchServe or Multi Model Server, through Java, and asked over
HTTP. `test` tries it with the worker of the same installation. It serves if it loads, and if each answer has a status
of 2xx. Where both answer, status and body are the same too. ``pytest -s`` prints the table at the end.

The servers work ahead, because most of their time is spent waiting.
"""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from model_archiver import try_archive
from model_archiver.core.problems import ModelArchiverError
from model_archiver.trial.requests import guess_type

from . import loopback
from .server import WORKER_TIMEOUT, ServerError
from .verdicts import MMS, PLAIN, ROWS, UNTRIED, WITH_ENVELOPE, Row

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .server import ModelServer

pytestmark = [pytest.mark.servers, pytest.mark.filterwarnings("ignore:.*torch.jit.* is deprecated:DeprecationWarning")]

BOUNDARY = "part-of-a-form"
AT_ONCE = 2


@dataclass(frozen=True)
class Verdict:
    """What became of an archive.

    Attributes:
        serves: whether it loads, and each answer has a status of 2xx.
        why: it does not.
        answers: status and body of each request that was sent alone and answered.
    """

    serves: bool
    why: str
    answers: tuple[tuple[int, bytes], ...] = ()

    def __str__(self) -> str:
        return "serves" if self.serves else "does not serve"


@dataclass(frozen=True)
class Packaged:
    """A row that is packaged, and about which its server is being asked.

    Attributes:
        folder: with the files, which is the current folder for `test`.
        archive: the path of the archive.
        server: the real server.
        verdict: of the real server.
    """

    folder: Path
    archive: Path
    server: ModelServer
    verdict: Future[Verdict]


@pytest.fixture(scope="module")
def installing_torchserve(new_torchserve: Callable[..., ModelServer]) -> Iterator[ModelServer]:
    with new_torchserve(install_py_dep_per_model="true") as server:
        yield server


@pytest.fixture(scope="module")
def packaged(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Packaged]]:
    """Package the archives of the tests that run, and have the servers tried with them, in the order of the tests."""
    fixtures = {PLAIN: "installing_torchserve", WITH_ENVELOPE: "json_torchserve", MMS: "mms"}
    items = [item for item in request.session.items if item.path == request.path]
    names = [item.callspec.params["name"] for item in items]
    found = {}
    with ThreadPoolExecutor(AT_ONCE) as pool, pytest.MonkeyPatch.context() as patch:
        for number, name in enumerate(names):
            row, model, folder = (ROWS | UNTRIED)[name], f"row-{number}", tmp_path_factory.mktemp(f"row-{number}")
            server = request.getfixturevalue(fixtures[row.server])
            patch.chdir(folder)
            archive = row.package(model, folder)
            verdict = pool.submit(ask_server, server, row.for_server(archive, model), model, row)
            found[name] = Packaged(folder, archive, server, verdict)
        patch.undo()
        yield found
        pool.shutdown(cancel_futures=True)


@pytest.fixture(scope="module")
def table() -> Iterator[list[tuple[str, ...]]]:
    """Return a list that takes the rows, and that is printed at the end."""
    lines: list[tuple[str, ...]] = []
    yield lines
    for line in [("archive", "server", "real server", "test"), *lines]:
        print("{:<50} {:<28} {:<16} {}".format(*line))  # noqa: T201


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if row.slow else []) for name, row in ROWS.items()]
)
def test_real_server_and_trial_agree(
    name: str, packaged: dict[str, Packaged], table: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = ROWS[name]
    real, tried = both_verdicts(packaged[name], row, monkeypatch)
    table.append((name, row.server, str(real), str(tried)))
    said = f"{name}:\n  real server: {real}: {real.why}\n  test: {tried}: {tried.why}"
    assert real.serves == tried.serves == row.serves, said
    assert row.says in tried.why, said
    for one, other in zip(real.answers, tried.answers, strict=False):
        assert one == other, said


@pytest.mark.parametrize("name", UNTRIED)
def test_what_needs_another_start_is_not_tried(
    name: str, packaged: dict[str, Packaged], table: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    row = UNTRIED[name]
    real, tried = both_verdicts(packaged[name], row, monkeypatch)
    table.append((name, row.server, str(real), "cannot try it"))
    assert real.serves == row.serves, real.why
    assert not tried.serves
    assert "[trial-unsupported]" in tried.why
    assert row.says in tried.why


def both_verdicts(packaged: Packaged, row: Row, monkeypatch: pytest.MonkeyPatch) -> tuple[Verdict, Verdict]:
    """Return the verdicts of the real server and of `test`."""
    monkeypatch.chdir(packaged.folder)
    tried = ask_trial(packaged, row)
    return packaged.verdict.result(), tried


def ask_server(server: ModelServer, archive: Path, name: str, row: Row) -> Verdict:
    """Return the verdict of a real server, which has the archive only meanwhile."""
    words: dict[str, object] = {"url": server.copy_to_store(archive), "synchronous": "true"}
    if row.server == MMS:  # TorchServe takes the archive's configuration, or one worker
        words["initial_workers"] = 1
    path = f"/models?{urlencode(words)}"
    try:
        status, said = loopback.ask(server.management_port, "POST", path, timeout=WORKER_TIMEOUT)
        if status != 200:
            return Verdict(serves=False, why=f"{status} {said.decode(errors='replace')}")
        alone = [predict(server, name, *request) for request in requests_of(row)]
        together: list[tuple[int, bytes]] = []
        if row.batch:
            with ThreadPoolExecutor(len(alone)) as pool:
                together += pool.map(lambda request: predict(server, name, *request), requests_of(row))
    except OSError as failure:
        return Verdict(serves=False, why=str(failure))
    finally:
        with suppress(ServerError):
            server.unregister(name)
    wrong = [f"{status} {body.decode(errors='replace')}" for status, body in alone + together if status // 100 != 2]
    return Verdict(not wrong, "; ".join(wrong), tuple(alone))


def predict(server: ModelServer, name: str, body: bytes, content_type: str) -> tuple[int, bytes]:
    return loopback.ask(server.inference_port, "POST", f"/predictions/{name}", body, content_type)


def requests_of(row: Row) -> Iterator[tuple[bytes, str]]:
    """Yield the body and the content type of each request."""
    if row.form:
        parts = [part.partition("=") for part in row.form]
        head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="'
        body = "".join(f'{head}{name}"\r\n\r\n{value}\r\n' for name, _, value in parts)
        yield f"{body}--{BOUNDARY}--\r\n".encode(), f"multipart/form-data; boundary={BOUNDARY}"
    else:
        yield from ((body, guess_type(name)) for name, body in row.bodies.items())


def ask_trial(packaged: Packaged, row: Row) -> Verdict:
    """Return the verdict of `test`, whose requests are files of the current folder."""
    for name, body in row.bodies.items():
        Path(name).write_bytes(body)
    try:
        report = try_archive(
            packaged.archive,
            () if row.form else list(row.bodies),
            form=row.form,
            python=packaged.server.python,
            envelope="json" if row.server == WITH_ENVELOPE else "",
            install_requirements=row.installs,
        )
    except ModelArchiverError as failure:
        return Verdict(serves=False, why=str(failure))
    why = "\n".join(str(problem) for problem in report.problems if problem.level == "error")
    answers = tuple((answer.status, answer.body) for answer in report.results if not answer.batched)
    return Verdict(report.is_ok, why, answers)
