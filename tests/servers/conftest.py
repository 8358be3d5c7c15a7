"""Real servers, each installed once and started once for the tests that ask for it.

They are left out of a plain run: ``pytest -m servers tests/servers`` runs them.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from . import environments
from .archives import FORMATS
from .mms import MultiModelServer
from .served import Outcomes
from .torchserve import TorchServe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Command

    from .sending import Packer

ENVIRONMENTS = Path(__file__).parents[2] / ".cache" / "servers"
OLDEST_JAVA = 11


def pytest_configure(config: pytest.Config) -> None:
    """Collect the outcomes for the table of what serves where."""
    config.pluginmanager.register(Outcomes(), "served")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if reason := missing(needs_java=not item.path.name.startswith("test_trial")):
        pytest.skip(reason)


@cache
def missing(*, needs_java: bool) -> str:
    if os.name != "posix":
        return "the servers are tried on POSIX systems only"
    if needs_java and environments.java_version() < OLDEST_JAVA:
        return f"the servers need Java {OLDEST_JAVA} or newer, from JAVA_HOME or PATH"
    return ""


@pytest.fixture(scope="session")
def torchserve_python() -> Path:
    return environments.TORCHSERVE.python(ENVIRONMENTS)


@pytest.fixture(scope="session")
def mms_python() -> Path:
    return environments.MMS.python(ENVIRONMENTS)


@pytest.fixture
def pack(work: Path, run: Command) -> Packer:
    def pack(handler: str, *flags: object) -> Path:
        Path("handler.py").write_text(handler)
        words = ("--model-name", "m", "--handler", "handler.py", "--no-checks", "--force")
        assert run(*words, *flags).status == 0
        return Path("m.mar")

    return pack


@pytest.fixture
def own_tmp(work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder that a trial leaves empty."""
    folder = work / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


@pytest.fixture(params=FORMATS)
def archive_format(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="session")
def new_torchserve(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., TorchServe]:
    python = environments.TORCHSERVE.python(ENVIRONMENTS)
    return lambda **settings: TorchServe(python, tmp_path_factory.mktemp("torchserve"), **settings)


@pytest.fixture(scope="session")
def torchserve(new_torchserve: Callable[..., TorchServe]) -> Iterator[TorchServe]:
    with new_torchserve() as server:
        yield server


@pytest.fixture(scope="session")
def json_torchserve(new_torchserve: Callable[..., TorchServe]) -> Iterator[TorchServe]:
    """Return a TorchServe that unwraps ``{"instances": rows}``, without which base_handler cannot answer."""
    with new_torchserve(service_envelope="json") as server:
        yield server


@pytest.fixture(scope="session")
def new_mms(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., MultiModelServer]:
    python = environments.MMS.python(ENVIRONMENTS)
    return lambda **settings: MultiModelServer(python, tmp_path_factory.mktemp("mms"), **settings)


@pytest.fixture(scope="session")
def mms(new_mms: Callable[..., MultiModelServer]) -> Iterator[MultiModelServer]:
    with new_mms() as server:
        yield server
