"""What a README tells people to type, typed by a test: in a clone, with the servers on ports of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .loopback import HOST, free_ports
from .server import POLL, WORKER_TIMEOUT, leashed

ROOT = Path(__file__).parents[2]
START = re.compile(r"(torchserve|multi-model-server) --start ")
INFERENCE = "http://127.0.0.1:8080"
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A block of shell commands, and the JSON or text that is shown right after it, or nothing."""

    commands: tuple[str, ...]
    shown_json: Any
    shown_text: str


def shell_blocks(readme: Path) -> list[Block]:
    fenced = [(kind, text) for kind, text in FENCED.findall(readme.read_text(encoding="utf-8"))]
    after = [*fenced[1:], ("sh", "")]
    return [
        Block(
            tuple(text.replace("\\\n", " ").splitlines()),
            json.loads(shown) if kind_after == "json" else None,
            shown if kind_after == "" else "",
        )
        for (kind, text), (kind_after, shown) in zip(fenced, after, strict=True)
        if kind == "sh"
    ]


def words_of(printed: str) -> str:
    """Return what was printed without its figures, which may differ by a machine's last bits, and torch's build."""
    return re.sub(r"[\d.,]+(\+\w+,?)?", "#", printed)


class Reader:
    """Somebody who types commands in a clone of the repository.

    Args:
        folder: Where the clone goes.
        server_python: The interpreter beside the commands of the servers.
    """

    def __init__(self, folder: Path, server_python: Path) -> None:
        self.clone = folder / "clone"
        self.temp = folder / "temp"
        self.config = folder / "config.properties"
        self._servers = ExitStack()
        self.temp.mkdir()
        shutil.copytree(ROOT / "examples", self.clone / "examples")
        # The virtual environment that readers make for `test`.
        (self.clone / "serving").symlink_to(server_python.parents[1])
        # Multi Model Server's environment has the older program model-archiver.
        programs = folder / "programs"
        programs.mkdir()
        for name in ("torch-model-archiver", "model-archiver"):
            (programs / name).symlink_to(Path(sys.executable).with_name(name))
        path = [str(programs), str(server_python.parent), str(Path(sys.executable).parent), os.environ["PATH"]]
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
            "PATH": os.pathsep.join(path),
            "LC_ALL": "C.UTF-8",
            "TMPDIR": str(self.temp),
            "TEMP": str(self.temp),
            "TS_CONFIG_FILE": str(self.config),
            "MMS_CONFIG_FILE": str(self.config),
            # So that the curl of each machine leaves loopback to itself.
            "NO_PROXY": HOST,
        }

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *exception: object) -> None:
        self._servers.close()

    def types(self, block: Block) -> None:
        """Type a block's commands, and see that what comes is what is shown."""
        installing = ("pip install ", "python -m venv serving ")
        commands = [command for command in block.commands if not command.startswith(installing)]
        if not any(START.match(command) or command.startswith("curl ") or "--stop" in command for command in commands):
            self._runs("\n".join(commands), block.shown_text)
            return
        for command in commands:
            if START.match(command):
                self._starts(command)
            elif command.startswith("curl "):
                self._asks(command, block.shown_json)
            else:
                self._runs(command, "")
                self._servers.close()

    def sh(self, script: str) -> subprocess.CompletedProcess[str]:
        """Type a script."""
        return subprocess.run(
            ["/bin/sh", "-ec", script],
            cwd=self.clone,
            env=self._environ,
            capture_output=True,
            text=True,
            timeout=WORKER_TIMEOUT,
            check=False,
        )

    def _runs(self, script: str, shown: str) -> None:
        # What trains a model needs the packages of the tests, not those of the server.
        done = self.sh(script.replace("python examples/", f"{sys.executable} -W ignore examples/"))
        assert done.returncode == 0, done.stderr
        if shown and not shown.startswith("torch-model-archiver"):
            assert words_of(done.stdout) == words_of(shown)

    def _starts(self, command: str) -> None:
        ports = free_ports(5)
        self._inference = f"http://{HOST}:{ports[0]}"
        names = ("inference_address", "management_address", "metrics_address")
        lines = [f"{name}=http://{HOST}:{port}" for name, port in zip(names, ports, strict=False)]
        lines += [f"grpc_inference_port={ports[3]}", f"grpc_management_port={ports[4]}"]
        given = re.search(r" --ts-config (\S+)", command)
        if given is not None:  # what is in it, and the ports
            lines += (self.clone / given[1]).read_text(encoding="utf-8").splitlines()
            command = command.replace(given[0], "")
        self.config.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        # The command ends at once and leaves the server behind, which goes with the leash.
        command = ["/bin/sh", "-c", f"{command}; sleep 600"]
        self._servers.enter_context(leashed(command, self.temp / "console.log", self.clone, self._environ))

    def _asks(self, command: str, shown: Any) -> None:
        """Ask until the model is loaded: a server that is not ready refuses, or answers with a code of its own."""
        assert INFERENCE in command
        deadline = time.monotonic() + WORKER_TIMEOUT
        while True:
            done = self.sh(command.replace(INFERENCE, self._inference).replace("curl ", "curl --silent ", 1))
            answer = json.loads(done.stdout) if done.returncode == 0 else {"code": done.returncode}
            if "code" not in answer:
                break
            assert time.monotonic() < deadline, (answer, (self.temp / "console.log").read_text(errors="replace"))
            time.sleep(POLL)
        if shown is not None:
            assert approximately(shown) == answer


def approximately(shown: Any) -> Any:
    """Return something that is equal to *shown*, figures rounded."""
    if isinstance(shown, dict):
        return {key: approximately(value) for key, value in shown.items()}
    if isinstance(shown, list):
        return [approximately(value) for value in shown]
    return pytest.approx(shown, rel=1e-3, abs=2e-4) if isinstance(shown, float) else shown
