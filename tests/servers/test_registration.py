"""A real TorchServe takes archives from its store, from files and from the web, and installs what they require."""

from __future__ import annotations

import hashlib
import http.server
import os
import threading
import zipfile
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest

from .archives import FORMATS, GREETING, HASHING_HANDLER, torch_archive, write_tree
from .loopback import HOST

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .torchserve import TorchServe

pytestmark = pytest.mark.servers

REQUIRING_HANDLER = """\
import required_greetings


def handle(data, context):
    return [required_greetings.HELLO]
"""

# A folder can be neither copied from a URL nor downloaded.
one_file_formats = pytest.mark.parametrize("archive_format", [form for form in FORMATS if form != "no-archive"])
GIBIBYTE = 1 << 30
OVER_4_GIB = 4 * GIBIBYTE + GIBIBYTE // 2


@pytest.mark.serves("loaded at start, `load_models=all`")
def test_every_archive_of_the_store_is_loaded_at_start(new_torchserve, tmp_path: Path, archive_format: str):
    server = new_torchserve(load_models="all")
    server.copy_to_store(greeting(tmp_path, "at-start", archive_format))

    with server:
        server.wait_until_ready("at-start")
        assert server.predict("at-start") == b"hello"


@pytest.mark.serves("registered from a `file://` URL")
@one_file_formats
def test_registered_from_a_file_url(torchserve: TorchServe, tmp_path: Path, archive_format: str):
    archive = greeting(tmp_path, "from-file", archive_format)

    with registered(torchserve, archive.as_uri(), "from-file"):
        assert torchserve.predict("from-file") == b"hello"


@pytest.mark.serves("registered from an HTTP URL")
@one_file_formats
def test_registered_from_the_web(torchserve: TorchServe, tmp_path: Path, archive_format: str):
    archive = greeting(tmp_path, "from-web", archive_format)

    with web(archive.parent) as url, registered(torchserve, f"{url}/{archive.name}", "from-web"):
        assert torchserve.predict("from-web") == b"hello"


@pytest.mark.serves("requirements file, `install_py_dep_per_model=true`")
def test_what_the_requirements_file_names_is_installed(new_torchserve, tmp_path: Path, archive_format: str):
    """From a wheel that lies here: no index is asked."""
    wheels = tmp_path / "wheels"
    write_wheel(wheels, "required_greetings", "HELLO = 'Guten Tag'\n")
    requirements = f"--no-index\n--find-links {wheels.as_uri()}\nrequired-greetings==1.0\n"
    write_tree(tmp_path, {"requiring.py": REQUIRING_HANDLER, "needs.txt": requirements})
    flags = ("--handler", tmp_path / "requiring.py", "--requirements-file", tmp_path / "needs.txt")
    archive = torch_archive(tmp_path / "out", "requiring", *flags, archive_format=archive_format)

    with new_torchserve(install_py_dep_per_model="true") as server, server.serving(archive, "requiring"):
        assert server.predict("requiring") == b"Guten Tag"


@pytest.mark.slow
@pytest.mark.parametrize("archive_format", FORMATS)
def test_an_archive_over_4_gib(torchserve: TorchServe, tmp_path: Path, archive_format: str):
    digest = write_large(tmp_path / "weights.bin", OVER_4_GIB)
    write_tree(tmp_path, {"hashing.py": HASHING_HANDLER})
    flags = ("--serialized-file", tmp_path / "weights.bin", "--handler", tmp_path / "hashing.py")
    archive = torch_archive(tmp_path / "out", "large", *flags, archive_format=archive_format)

    with torchserve.serving(archive, "large", response_timeout=600) as ask:
        assert ask({}) == {"weights.bin": digest}


def greeting(folder: Path, name: str, archive_format: str) -> Path:
    write_tree(folder, {"greeting.py": GREETING})
    return torch_archive(folder / "out", name, "--handler", folder / "greeting.py", archive_format=archive_format)


@contextmanager
def registered(server: TorchServe, url: str, name: str) -> Iterator[None]:
    server.register(url)
    try:
        yield
    finally:
        server.unregister(name)


@contextmanager
def web(folder: Path) -> Iterator[str]:
    """Give the URL of a web server on loopback that hands out the files of *folder*."""
    handler = partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer((HOST, 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://{HOST}:{server.server_port}"
        finally:
            server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


def write_wheel(folder: Path, module: str, source: str) -> None:
    folder.mkdir()
    info = f"{module}-1.0.dist-info"
    files = {
        f"{module}.py": source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    with zipfile.ZipFile(folder / f"{module}-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in files.items():
            wheel.writestr(path, text)
        wheel.writestr(f"{info}/RECORD", "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"]))


def write_large(path: Path, size: int) -> str:
    """Write *size* bytes that cannot be compressed, and return their SHA-256."""
    digest = hashlib.sha256()
    block = os.urandom(1 << 24)
    with path.open("wb") as file:
        for number in range(size // len(block)):
            stretch = number.to_bytes(8, "big") + block[8:]
            digest.update(stretch)
            file.write(stretch)
    return digest.hexdigest()
