"""A reader of pages who has servers, on ports of their own."""

from __future__ import annotations

import os
import re
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path

from tests import pages
from tests.pages import ROOT, Block, blocks_of

from . import environments
from .loopback import HOST, free_ports
from .server import leashed

ENVIRONMENTS = ROOT / ".cache" / "servers"
PYTHONS = {"torchserve": environments.TORCHSERVE, "mms": environments.MMS}
FOLDERS = {"torchserve": "serving", "mms": "serving-mms"}
START = re.compile(r"(\S*/)?(torchserve|multi-model-server) --start ")
ADDRESSES = ("inference_address", "management_address", "metrics_address")
FIRST_PORT = 8080


class Reader(pages.Reader):
    """Somebody who types what a page says, beside the environments ``serving`` and ``serving-mms``."""

    def __init__(self, folder: Path, server: str = "torchserve") -> None:
        super().__init__(folder)
        self._config = folder / "config.properties"
        self._ports: list[int] = []
        self._servers = ExitStack()
        # Multi Model Server's environment has the older program model-archiver.
        self._programs = folder / "programs"
        self._programs.mkdir()
        for name in ("torch-model-archiver", "model-archiver"):
            (self._programs / name).symlink_to(Path(sys.executable).with_name(name))
        # NO_PROXY: so that the curl of each machine leaves loopback to itself.
        files = {"TS_CONFIG_FILE": str(self._config), "MMS_CONFIG_FILE": str(self._config)}
        self.environ |= {"TEMP": str(self.temp), "NO_PROXY": HOST, **files}
        self._path = self.environ["PATH"]
        self._enters(server)

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *exception: object) -> None:
        self._servers.close()

    def prepares(self, block: Block) -> None:
        if block.needs:
            self._enters(block.needs)

    def scripts_of(self, block: Block) -> list[str]:
        """Return what is typed at once: a block that starts or stops a server is typed command by command."""
        commands = block.text.replace("\\\n", " ").splitlines()
        return commands if any(START.match(command) or " --stop" in command for command in commands) else [block.text]

    def run(self, script: str) -> tuple[int, str]:
        if START.match(script):
            return self._starts(script)
        for number, port in enumerate(self._ports[: len(ADDRESSES)], FIRST_PORT):
            script = script.replace(f"{HOST}:{number}", f"{HOST}:{port}")
        # What trains a model needs the packages of the tests, and on another processor it rounds differently.
        done = super().run(script.replace("python examples/", f"{sys.executable} -W ignore examples/"))
        if "python examples/" in script:
            shutil.copytree(ROOT / "examples", self.clone / "examples", dirs_exist_ok=True)
        if " --stop" in script:
            self._servers.close()
        return done

    def _enters(self, server: str) -> None:
        """Have the environment of this server where readers make theirs."""
        python = PYTHONS[server].python(ENVIRONMENTS)
        serving = self.clone / FOLDERS[server]
        serving.unlink(missing_ok=True)
        serving.symlink_to(python.parents[1])
        self.environ["PATH"] = os.pathsep.join([str(self._programs), str(python.parent), self._path])

    def _starts(self, command: str) -> tuple[int, str]:
        self._servers.close()
        self._ports = free_ports(5)
        given = re.search(r" --\w+-config (\S+)", command)
        settings = (self.clone / given[1]).read_text(encoding="utf-8").splitlines() if given else []
        settings += [f"{name}=http://{HOST}:{port}" for name, port in zip(ADDRESSES, self._ports, strict=False)]
        settings += [f"grpc_inference_port={self._ports[3]}", f"grpc_management_port={self._ports[4]}"]
        self._config.write_text("".join(f"{line}\n" for line in settings), encoding="utf-8")
        # The command ends at once and leaves the server behind, which goes with the leash.
        words = ["/bin/sh", "-c", f"{command.replace(given[0], '') if given else command}\nsleep 600"]
        self._servers.enter_context(leashed(words, self.temp / "console.log", self.clone, self.environ))
        return 0, ""


def read_page(page: Path, folder: Path) -> None:
    """Type all of a page."""
    blocks = blocks_of(page.read_text(encoding="utf-8"), pages.name_of(page))
    with Reader(folder) as reader:
        try:
            for _ in range(pages.times_of(page)):
                reader.reads(blocks, *PYTHONS)
        except pages.PageError as error:
            console = reader.temp / "console.log"
            log = console.read_text(errors="replace")[-4000:] if console.exists() else ""
            raise pages.PageError(f"{error}\n{log}") from None
