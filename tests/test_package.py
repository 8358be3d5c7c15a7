"""The source distribution and the wheel: what is in them, and what the tools of the package index say of them."""

from __future__ import annotations

import os
import stat
import sys
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.installing import Environment, copy_repository, fetch, repository_files, run

pytestmark = pytest.mark.installs

TOOLS = ("build", "check-wheel-contents", "mypy", "pipx", "pyroma", "setuptools>=77", "twine", "uv")
MADE = {"PKG-INFO", "setup.cfg"}
GENERATED = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt"}
NO_ADDRESS = [
    "Your package does not have author-email data.",
    "Your package should have a 'url' field with a link to the project home page, or a 'project_urls' field, with a "
    "dictionary of links, or both.",
]
"""What pyroma misses: this project has no home page and no e-mail."""

SCRIPT = """
import argparse
from dataclasses import dataclass
from pathlib import Path

import model_archiver
from model_archiver import ModelArchiver, ModelArchiverConfig, ModelArchiverError, diff, inspect, verify
from model_archiver.model_packaging import package


@dataclass(frozen=True)
class Mine:
    model_name: str
    handler: str


config = ModelArchiverConfig("m", handler=Path("h.py"), extra_files=["a", Path("b")], force=True)
ModelArchiver.generate_model_archive(config)
ModelArchiver.generate_model_archive(argparse.Namespace(model_name="m"))
ModelArchiver.generate_model_archive(Mine("m", "h.py"))
size: int = package(config).size
names: list[str] = [str(entry.path) for entry in inspect("m.mar").files]
same: bool = diff("m.mar", "m").same
version: str = model_archiver.__version__
try:
    verify("m.mar")
except ModelArchiverError as error:
    messages: list[str] = [problem.message for problem in error.problems]
"""
MISTAKES = """
from model_archiver import ModelArchiver, ModelArchiverConfig, inspect

ModelArchiverConfig(model_nam="m")
ModelArchiverConfig("m", deflate="often")
inspect("m.mar").siez
inspect(42)
"""


@dataclass(frozen=True)
class Built:
    tools: Environment
    sources: Path
    sdist: Path
    wheel: Path


def build(tools: Environment, sources: Path, into: Path, *kinds: str) -> Path:
    """Build distributions without an isolated environment, and return the last one."""
    words = ("--no-isolation", *(f"--{kind}" for kind in kinds), "--outdir", into, sources)
    run(tools.python, "-m", "build", *words, SOURCE_DATE_EPOCH="1700000000")
    [made] = into.glob("*.whl" if "wheel" in kinds else "*.tar.gz")
    return made


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    folder = tmp_path_factory.mktemp("package")
    tools = Environment(folder / "environment")
    fetch("--python", tools.python, "install", *TOOLS)
    sources = copy_repository(folder / "sources")
    sdist = build(tools, sources, folder / "sdist", "sdist")
    return Built(tools, sources, sdist, build(tools, sources, folder / "wheel", "wheel"))


def unpacked(sdist: Path, to: Path) -> Path:
    with tarfile.open(sdist) as archive:
        archive.extractall(to)
    [folder] = to.iterdir()
    return folder


def test_the_source_distribution_has_every_file_of_the_repository(built: Built, tmp_path: Path) -> None:
    folder = unpacked(built.sdist, tmp_path)
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    own = {path for path in files if path not in MADE and ".egg-info/" not in path}
    assert sorted(own) == repository_files()
    assert [path for path in own if files[path] != (built.sources / path).read_bytes()] == []


def test_the_wheel_has_the_package_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as archive:
        members = archive.infolist()
    package = {path for path in repository_files() if path.startswith("model_archiver/")}
    info = f"{'-'.join(built.wheel.name.split('-')[:2])}.dist-info"
    assert {member.filename for member in members} == package | {f"{info}/{name}" for name in GENERATED}
    modes = {stat.filemode(member.external_attr >> 16) for member in members if not member.filename.endswith("RECORD")}
    assert modes == {"-rw-r--r--"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no umask")
@pytest.mark.parametrize("umask", ["077", "002"])
def test_the_wheel_does_not_depend_on_the_umask_or_the_folder(built: Built, tmp_path: Path, umask: str) -> None:
    folder = tmp_path / "a folder"
    before = os.umask(int(umask, 8))
    try:
        sources = copy_repository(folder) if umask == "077" else unpacked(built.sdist, folder)
        old = sources / "build" / "lib" / "model_archiver" / "removed.py"
        old.parent.mkdir(parents=True)
        old.touch()
        wheel = build(built.tools, sources, tmp_path / "dist", "wheel")
    finally:
        os.umask(before)
    assert (wheel.name, wheel.read_bytes()) == (built.wheel.name, built.wheel.read_bytes())


def test_the_tools_of_the_package_index_accept_both(built: Built) -> None:
    run(built.tools.scripts / "twine", "--no-color", "check", "--strict", built.sdist, built.wheel)
    run(built.tools.scripts / "check-wheel-contents", built.wheel)
    said = run(built.tools.scripts / "pyroma", "--min", "8", built.sources).stdout.splitlines()
    assert [line for line in said if line.startswith(("Your ", "The ", "You "))] == NO_ADDRESS


@pytest.fixture(scope="module")
def mypy(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, int], list[str]]:
    """Return the errors in a user's script, in an environment with the wheel."""
    built.tools.install(built.wheel)
    folder = tmp_path_factory.mktemp("mypy")

    def check(text: str, status: int) -> list[str]:
        (folder / "script.py").write_text(text)
        words = ("-m", "mypy", "--strict", "--no-error-summary", "script.py")
        lines = run(built.tools.python, *words, cwd=folder, status=status).stdout.splitlines()
        return [line for line in lines if ": error: " in line]

    return check


def test_mypy_checks_scripts_that_import_the_package(mypy: Callable[[str, int], list[str]]) -> None:
    assert mypy(SCRIPT, 0) == []
    assert [line.split(":")[1] for line in mypy(MISTAKES, 1)] == ["4", "5", "6", "7"]


def test_mypy_rejects_what_cannot_be_a_config(mypy: Callable[[str, int], list[str]]) -> None:
    text = "from model_archiver import ModelArchiver\n\nModelArchiver.generate_model_archive(42)\n"
    [error] = mypy(text, 1)
    assert error.startswith("script.py:3: error: Argument 1 ")


@pytest.mark.parametrize("tool", ["pipx", "uv tool"])
def test_it_installs_as_a_tool(built: Built, tmp_path: Path, tool: str) -> None:
    fetch("wheel", "--wheel-dir", tmp_path / "wheels", built.wheel)
    programs = tmp_path / "bin"
    environ = {"UV_OFFLINE": "1", "UV_FIND_LINKS": str(tmp_path / "wheels"), "UV_CACHE_DIR": str(tmp_path / "cache")}
    environ |= {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(programs)}
    environ |= {"PIPX_HOME": str(tmp_path / "pipx"), "PIPX_BIN_DIR": str(programs)}
    environ |= {"PATH": f"{built.tools.scripts}{os.pathsep}{os.environ['PATH']}"}
    program, *words = tool.split()
    run(built.tools.scripts / program, *words, "install", "--python", sys.executable, built.wheel, **environ)
    version = built.wheel.name.split("-")[1]
    for name in ("torch-model-archiver", "model-archiver"):
        assert run(programs / name, "--tool-version").stdout == f"{name} {version}\n"
    (tmp_path / "handler.py").write_text("def handle(data, context):\n    return data\n")
    (tmp_path / "config.yaml").write_text("minWorkers: 1\nmaxWorkers: 1\n")
    command, flags = programs / "torch-model-archiver", ("--handler", "handler.py", "--config-file", "config.yaml")
    run(command, "--model-name", "m", *flags, "--strict", cwd=tmp_path)
    assert run(command, "verify", "m.mar", cwd=tmp_path).stdout.startswith("m.mar: OK, ")
