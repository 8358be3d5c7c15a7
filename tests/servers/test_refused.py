"""Real servers do not serve what packaging refuses, nor what ``--strict`` refuses; and they serve what it passes.

The archives are made with ``--no-checks``.
"""

from __future__ import annotations

import gzip
import time
from typing import TYPE_CHECKING

import pytest

from model_archiver.cli import main
from tests.trials import handlers, mms, weights
from tests.trials.trial import Trial, every

from .archives import mms_archive, torch_archive
from .server import POLL, ServerError

if TYPE_CHECKING:
    from pathlib import Path

    from .mms import MultiModelServer
    from .server import ModelServer
    from .torchserve import TorchServe

pytestmark = [pytest.mark.servers, pytest.mark.filterwarnings("ignore:.*torch.jit.* is deprecated:DeprecationWarning")]

LOOKS = 8
LOG_TIMEOUT = 1


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@every({**handlers.REFUSED, **weights.REFUSED})
def test_torchserve_does_not_serve(torchserve: TorchServe, tmp_path: Path, trial: Trial):
    refuses(torchserve, torch_archive(tmp_path / "out", "refused", *trial.write(tmp_path), "--no-checks"), trial)


@every(handlers.SERVED)
def test_torchserve_serves(torchserve: TorchServe, tmp_path: Path, trial: Trial):
    archive = torch_archive(tmp_path / "out", "passed", *trial.write(tmp_path), "--no-checks")
    serves(torchserve, archive)


def test_no_url_leads_to_a_version_with_a_slash(torchserve: TorchServe, tmp_path: Path):
    """The newest version of a model is served without its number."""
    words = handlers.SLASHED_VERSION.write(tmp_path)
    with torchserve.serving(torch_archive(tmp_path / "out", "slashed", *words, "--no-checks"), "slashed"):
        assert torchserve.predict("slashed") == b"served"
        with pytest.raises(ServerError, match=handlers.SLASHED_VERSION.says):
            torchserve.predict("slashed/a/b")


@every(weights.SERVED)
def test_torchserve_loads(torchserve: TorchServe, tmp_path: Path, trial: Trial):
    archive = torch_archive(tmp_path / "out", "passed", *trial.write(tmp_path), "--no-checks")
    with torchserve.serving(archive, "passed"):
        pass


@every(mms.REFUSED)
def test_mms_does_not_serve(mms: MultiModelServer, tmp_path: Path, trial: Trial):
    refuses(mms, mms_archive(tmp_path / "out", "refused", *trial.write(tmp_path), "--no-checks"), trial)


@every(mms.SERVED)
def test_mms_serves(mms: MultiModelServer, tmp_path: Path, trial: Trial):
    serves(mms, mms_archive(tmp_path / "out", "passed", *trial.write(tmp_path), "--no-checks"))


@pytest.mark.parametrize(
    ("archive_format", "name", "says"),
    [
        ("default", "refused.tar.gz", "Failed to save model"),
        ("default", "refused.zip", "Failed to save model"),
        ("tgz", "refused.mar", "Model name is not defined"),
        ("tgz", "refused.tar", "Failed to save model"),
    ],
)
def test_torchserve_does_not_read_an_archive_under_another_name(
    torchserve: TorchServe, tmp_path: Path, capfd: pytest.CaptureFixture[str], archive_format: str, name: str, says: str
):
    (tmp_path / "h.py").write_text(handlers.FUNCTION)
    archive = torch_archive(tmp_path, "m", "--handler", "h.py", archive_format=archive_format)
    is_tar = name.endswith(".tar")
    wrong = tmp_path / name
    wrong.write_bytes(gzip.decompress(archive.read_bytes()) if is_tar else archive.read_bytes())
    assert main(["verify", str(wrong)]) == 1
    assert "[archive-unknown]\n" in capfd.readouterr().err
    refuses(torchserve, wrong, Trial("", says=says))


def refuses(server: ModelServer, archive: Path, trial: Trial) -> None:
    """See that the server does not serve an archive, and that it is for the reason that is known.

    That may take more than one look: Multi Model Server stops to read the output of a worker when its socket closes.
    """
    logged = server.console.stat().st_size
    for _ in range(LOOKS):
        with pytest.raises(ServerError) as rejection, server.serving(archive, "refused"):
            server.predict("refused")
        if trial.says in str(rejection.value) or appears(server.console, logged, trial.says):
            return
    pytest.fail(f"nothing says {trial.says!r}: {rejection.value}")


def appears(log: Path, start: int, words: str) -> bool:
    """Whether words are in a log from a place on, or come there: the lines of a worker that died may be late."""
    deadline = time.monotonic() + LOG_TIMEOUT
    while time.monotonic() < deadline:
        if words.encode() in log.read_bytes()[start:]:
            return True
        time.sleep(POLL)
    return False


def serves(server: ModelServer, archive: Path) -> None:
    with server.serving(archive, "passed"):
        assert server.predict("passed") == b"served"
