"""Our commands work with MMS's package model-archiver installed over ours, under ours, and removed again.

Both packages own files of the folder ``model_archiver``: whichever is installed later replaces those of the other, and
whichever is removed takes them along.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.installs

ROOT = Path(__file__).parent.parent
OURS = "torch-model-archiver"
THEIRS = "model-archiver==1.0.3"
BIN = "Scripts" if os.name == "nt" else "bin"


class Environment:
    def __init__(self, folder: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        self.scripts = folder / BIN
        self.python = self.scripts / "python"

    def pip(self, *words: object) -> None:
        run(self.python, "-m", "pip", "--quiet", *words)

    def install(self, *words: object) -> None:
        self.pip("install", "--no-deps", *words)

    def remove_theirs(self) -> None:
        self.pip("uninstall", "--yes", "model-archiver")


def run(*words: object) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([*map(str, words)], env=environ, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A wheel of each package, and one of each dependency of ours."""
    folder = tmp_path_factory.mktemp("wheels")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, THEIRS]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"pip cannot download {THEIRS}: {(done.stderr.splitlines() or ['it does not say why'])[-1]}")
    [theirs] = folder.iterdir()
    # The sources are copied, because a build in place leaves old modules in build/.
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "model_archiver", source / "model_archiver", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, source)
    ours = tmp_path_factory.mktemp("ours")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--wheel-dir", ours, source)
    [wheel] = ours.glob("torch_model_archiver-*.whl")
    return {"theirs": theirs, "ours": wheel, "dependencies": ours}


@pytest.fixture
def environment(tmp_path: Path, wheels: dict[str, Path]) -> Environment:
    """An environment with the dependencies of ours and neither package."""
    made = Environment(tmp_path / "environment")
    made.install(*(path for path in wheels["dependencies"].glob("*.whl") if path != wheels["ours"]))
    return made


def check_commands(environment: Environment, folder: Path) -> None:
    """Build and verify an archive, with the script and with the module."""
    (folder / "handler.py").write_text("def handle(data, context):\n    return data\n")
    (folder / "config.yaml").write_text("minWorkers: 1\nmaxWorkers: 1\n")
    (folder / "requirements.txt").write_text("numpy>=1.26,<3\n")
    files = [*("--handler", folder / "handler.py"), *("--config-file", folder / "config.yaml")]
    files += ["--requirements-file", folder / "requirements.txt"]
    for command in ([environment.scripts / OURS], [environment.python, "-m", "model_archiver"]):
        for archive_format, name in {"default": "m.mar", "tgz": "m.tar.gz", "no-archive": "m"}.items():
            words = [*("--model-name", "m"), *files, *("--archive-format", archive_format, "--export-path", folder)]
            assert run(*command, *words, "--force", "--strict").stdout == ""
            run(*command, "verify", folder / name, "--strict")


def test_theirs_over_ours_and_removed(tmp_path: Path, environment: Environment, wheels: dict[str, Path]) -> None:
    environment.install(wheels["ours"])
    check_commands(environment, tmp_path)
    environment.install(wheels["theirs"])
    check_commands(environment, tmp_path)
    environment.remove_theirs()
    check_commands(environment, tmp_path)


def test_ours_over_theirs_which_is_removed(tmp_path: Path, environment: Environment, wheels: dict[str, Path]) -> None:
    environment.install(wheels["theirs"])
    environment.install(wheels["ours"])
    check_commands(environment, tmp_path)
    environment.remove_theirs()
    check_commands(environment, tmp_path)
