"""Without the modules that the checks name no worker starts, and it does without others.

A worker is started as the front end does it, in the model's folder, and is asked for nothing.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from model_archiver.checks.imports import ON_SOME, modules_of_worker

from . import environments
from .conftest import ENVIRONMENTS

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.servers

LIVED_WITHOUT = ("code", "csv", "gzip", "hashlib", "psutil", "service", "tarfile", "tqdm", "unicodedata")


# What is not missed before a model is loaded, which the trials of these names do.
LATE_ON_TORCHSERVE = {"uuid"}
LATE_ON_MMS = {"multiprocessing", "subprocess", "uuid"}


@pytest.mark.parametrize(
    "name", sorted((modules_of_worker("torchserve") | {"ts", "yaml", "numpy"}) - LATE_ON_TORCHSERVE)
)
def test_no_worker_of_torchserve_starts_beside(tmp_path: Path, name: str):
    assert not starts(environments.TORCHSERVE, "ts", tmp_path, name)


@pytest.mark.parametrize("name", sorted((modules_of_worker("mms") | {"mms"}) - LATE_ON_MMS))
def test_no_worker_of_mms_starts_beside(tmp_path: Path, name: str):
    assert not starts(environments.MMS, "mms", tmp_path, name)


@pytest.mark.parametrize("name", ["base64", "gettext", "glob", "select", "tempfile", "textwrap", "tokenize"])
def test_some_workers_of_torchserve_do_not_start_beside(tmp_path: Path, name: str):
    assert name in ON_SOME
    if starts(environments.TORCHSERVE, "ts", tmp_path, name):
        pytest.skip("this one does without")


@pytest.mark.parametrize("name", LIVED_WITHOUT)
def test_a_worker_starts_beside(tmp_path: Path, name: str):
    assert starts(environments.TORCHSERVE, "ts", tmp_path, name)
    assert starts(environments.MMS, "mms", tmp_path, name)


def starts(environment: environments.Environment, package: str, folder: Path, name: str) -> bool:
    """Whether a worker starts in a folder with an empty module of a name."""
    (folder / f"{name}.py").touch()
    python = environment.python(ENVIRONMENTS)
    [script] = python.parents[1].glob(f"lib/python*/site-packages/{package}/model_service_worker.py")
    options = ["--sock-type", "unix", "--sock-name", str(folder / ".sock.9000")]
    options += (
        ["--metrics-config", str(script.parent / "configs" / "metrics.yaml")]
        if package == "ts"
        else [
            *("--handler", "h", "--model-path", str(folder), "--model-name", "m"),
            *("--preload-model", "false", "--tmp-dir", str(folder)),
        ]
    )
    environ = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}
    with subprocess.Popen(
        [python, script, *options],
        cwd=folder,
        env=environ,
        text=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as worker:
        try:
            return any("worker started." in line for line in worker.stdout)
        finally:
            worker.kill()
