"""Virtual environments that packages are installed into, and wheels to install."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BIN = "Scripts" if os.name == "nt" else "bin"


def run(*words: object, status: int = 0, cwd: Path | None = None, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run a program that imports nothing of this repository."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [*map(str, words)], env={**kept, **environ}, cwd=cwd, check=False, capture_output=True, text=True
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


def fetch(*words: object) -> None:
    """Run pip, and skip the test where the package index cannot be reached."""
    command = [sys.executable, "-m", "pip", "--quiet", *map(str, words)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        reason = (done.stderr.splitlines() or ["it does not say why"])[-1]
        pytest.skip(f"pip cannot download what this test installs: {reason}")


class Environment:
    """A virtual environment, which this one's pip installs into."""

    def __init__(self, folder: Path) -> None:
        run(sys.executable, "-m", "venv", "--without-pip", folder)
        self.scripts = folder / BIN
        self.python = self.scripts / "python"
        self.pip = (sys.executable, "-m", "pip", "--python", self.python, "--quiet")

    def install(self, *words: object) -> None:
        run(*self.pip, "install", "--no-deps", *words)

    def remove(self, name: str) -> None:
        run(*self.pip, "uninstall", "--yes", name)

    def evaluate(self, program: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Run a program that imports nothing from the current folder, which may have a ``model_archiver``."""
        return run(self.python, "-I", "-c", program, status=status)


def repository_files() -> list[str]:
    """Return the paths of the files that git has or would add."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("needs git and a clone of the repository")
    listed = run(git, "-C", ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard").stdout
    return sorted(path for path in listed.split("\0") if path and (ROOT / path).is_file())


def copy_repository(to: Path) -> Path:
    """Copy those files: a build leaves files in the folder of its sources."""
    for path in repository_files():
        (to / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, to / path)
    return to
