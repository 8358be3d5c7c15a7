"""``handler-unreachable``: which of the packed files the server imports, in every way to name them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import pytest

from model_archiver.checks.package import Package
from tests.archives import manifest, output
from tests.conftest import Command

CODE = "def handle(data, context):\n    return data\n"
BOTH = ("torchserve", "mms")


@dataclass(frozen=True)
class File:
    """A file of an archive; nobody looks into it."""

    path: PurePosixPath
    size: int = 0
    where: str = ""
    origin: None = None


@dataclass(frozen=True)
class Archive:
    """An archive with a handler and some files."""

    server: Literal["torchserve", "mms"]
    handler: str
    paths: tuple[str, ...]
    name: str = "m"

    @property
    def fields(self) -> dict[str, Any]:
        return {"model": {"modelName": self.name, "handler": self.handler}}

    @property
    def members(self) -> tuple[File, ...]:
        return tuple(File(PurePosixPath(path)) for path in self.paths)


# The handler, the files of the archive, the one that the workers of both servers import: tried there.
FOUND = [
    ("pkg.mod", ["pkg/mod.py"], "pkg/mod.py"),
    ("pkg/mod.py:handle", ["pkg/mod.py"], "pkg/mod.py"),
    ("pkg/mod:handle", ["pkg/mod.py"], "pkg/mod.py"),
    ("pkg.mod.py:handle", ["pkg/mod.py"], "pkg/mod.py"),
    ("pkg.mod:handle", ["pkg/mod.py"], "pkg/mod.py"),
    ("mod.py:handle:x", ["mod.py"], "mod.py"),
    ("with-dash.py", ["with-dash.py"], "with-dash.py"),
    ("with blank.py", ["with blank.py"], "with blank.py"),
    ("dir/pkg.mod:handle", ["dir/pkg/mod.py"], "dir/pkg/mod.py"),
    ("dir.pkg.mod:handle", ["dir/pkg/mod.py"], "dir/pkg/mod.py"),
    ("base_handler", ["base_handler.py"], "base_handler.py"),
    ("sub/k.py:handle", ["k.py", "sub/k.py"], "sub/k.py"),
    ("sub/k.py", ["k.py", "sub/k.py"], "k.py"),
    ("k:handle", ["k.py", "k/k.py"], "k/k.py"),
    ("k:handle", ["k/__init__.py", "k/k.py"], "k/k.py"),
    ("k", ["k.py", "k/__init__.py"], "k/__init__.py"),
    ("./h.py", ["h.py"], "h.py"),
    ("./h.py:handle", ["h.py"], "h.py"),
    ("gone/h.py", ["h.py"], "h.py"),
    ("gone/h.py:handle", ["h.py"], "h.py"),
    ("json/h.py:handle", ["json/h.py"], "json/h.py"),
]


@pytest.mark.parametrize(("given", "paths", "imported"), FOUND)
@pytest.mark.parametrize("server", BOTH)
def test_the_file_that_the_server_imports(given: str, paths: list[str], imported: str, server) -> None:
    handler = Package(Archive(server, given, tuple(paths))).handler
    assert handler.is_reachable
    assert str(handler.member.path) == imported


def test_only_mms_looks_in_a_folder_that_is_called_as_the_handler() -> None:
    paths = ("k/__init__.py", "k/k.py")
    found = {server: str(Package(Archive(server, "k", paths)).handler.member.path) for server in BOTH}
    assert found == {"torchserve": "k/__init__.py", "mms": "k/k.py"}


# The handler, the files of --model-path, what is said.
UNREACHABLE = {
    "below a folder": (
        "handlers/my.py",
        ["handlers/my.py"],
        "d/handlers/my.py: lies where the server does not look: it drops the folder of handlers/my.py; "
        "name its function too, --handler handlers/my.py:handle, or --handler handlers.my",
    ),
    "below a folder, without .py": (
        "handlers/my",
        ["handlers/my.py"],
        "d/handlers/my.py: lies where the server does not look: it drops the folder of handlers/my; "
        "name its function too, --handler handlers/my:handle, or --handler handlers.my",
    ),
    "below a folder that no dotted name leads into": (
        "code/my.py",
        ["code/my.py"],
        "d/code/my.py: lies where the server does not look: it drops the folder of code/my.py; "
        "name its function too, --handler code/my.py:handle",
    ),
    "below a folder with a dash": (
        "the-code/my.py",
        ["the-code/my.py"],
        "d/the-code/my.py: lies where the server does not look: it drops the folder of the-code/my.py; "
        "name its function too, --handler the-code/my.py:handle",
    ),
    "below a folder that has a module of its name beside it": (
        "handlers/my.py",
        ["handlers/my.py", "handlers.py"],
        "d/handlers/my.py: lies where the server does not look: it drops the folder of handlers/my.py; "
        "name its function too, --handler handlers/my.py:handle",
    ),
    "a package below a folder": (
        "handlers/my",
        ["handlers/my/__init__.py"],
        "d/handlers/my/__init__.py: lies where the server does not look: it drops the folder of handlers/my; "
        "name its function too, --handler handlers/my:handle, or --handler handlers.my",
    ),
    "with a dot": (
        "my.handler.py",
        ["my.handler.py"],
        "d/my.handler.py: cannot be imported, for its name has a dot: my.handler would be a module of a package; "
        "rename it, to my_handler.py for one",
    ),
    "behind a module": (
        "k.mod",
        ["k.py", "k/mod.py"],
        "d/k/mod.py: cannot be imported, for k.py comes before the folder of that name; rename one of them",
    ),
    "in a folder that is called as a module of Python's": (
        "code.inference",
        ["code/inference.py"],
        "d/code/inference.py: cannot be imported as code.inference, for Python has a module code of its own; "
        "put an empty code/__init__.py there, which comes before it",
    ),
}


@pytest.mark.parametrize(("given", "paths", "line"), UNREACHABLE.values(), ids=UNREACHABLE)
@pytest.mark.parametrize("server", BOTH)
def test_a_handler_that_the_server_does_not_find(work, run: Command, run_mms: Command, given, paths, line, server):
    command = run if server == "torchserve" else run_mms
    _folder(*paths)
    words = ("--model-name", "m", "--model-path", "d", "--handler", given)
    result = command(*words)
    assert result.status == 1
    assert result.errors == [f"{line} [handler-unreachable]"]

    assert command(*words, "--no-checks").status == 0
    verified = run("verify", "m.mar")
    assert verified.status == 1
    assert verified.out.count("error: ") == 1
    assert "[handler-unreachable]" in verified.out


@pytest.mark.parametrize(
    ("given", "paths", "mended"),
    [
        ("handlers/my.py", ["handlers/my.py"], "handlers/my.py:handle"),
        ("handlers/my.py", ["handlers/my.py"], "handlers.my"),
        ("handlers/my", ["handlers/my/__init__.py"], "handlers/my:handle"),
        ("handlers/my", ["handlers/my/__init__.py"], "handlers.my"),
        ("code.inference", ["code/inference.py", "code/__init__.py"], "code.inference"),
    ],
)
@pytest.mark.parametrize("server", BOTH)
def test_what_the_hint_says_mends_it(work, run: Command, run_mms: Command, given, paths, mended, server) -> None:
    _folder(*paths)
    command = run if server == "torchserve" else run_mms
    result = command("--model-name", "m", "--model-path", "d", "--handler", mended, "--strict")
    assert (result.status, result.errors, result.warnings) == (0, [], []), result.err
    assert manifest(output("m"))["model"]["handler"] == mended


def test_the_lsp_runtime_imports_nothing(work, run: Command) -> None:
    _folder("handlers/my.py")
    words = ("--model-name", "m", "--model-path", "d", "--handler", "handlers/my.py", "--runtime", "LSP")
    assert run(*words, "--strict").status == 0


def _folder(*paths: str) -> None:
    for path in paths:
        Path("d", path).parent.mkdir(parents=True, exist_ok=True)
        Path("d", path).write_text(CODE)
