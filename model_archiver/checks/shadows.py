"""Files that take the place of a module that the server imports."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from model_archiver.checks.sources.worker_modules import COMPILED_IN, ON_SOME, WHOLE_COPY, modules_of_worker
from model_archiver.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.archive import CheckedFile
    from model_archiver.checks.package import CheckContext
    from model_archiver.core.problems import Level

_SERVERS = ("ts", "mms")


def check_shadows(package: CheckContext) -> Iterator[Problem]:
    """``handler-shadows``: a file is imported in place of a module of Python's or of the server's, or the other way.

    The front end puts the archive's folders before all others on the worker's path (TorchServe and Multi Model Server:
    EnvironmentUtils.java, ``getEnvString``).
    """
    if package.runs_python3:
        yield from _in_place_of_pythons(package)
        yield from _in_place_of_packages(package)
        yield from _never_imported(package)


def _in_place_of_pythons(package: CheckContext) -> Iterator[Problem]:
    """A module or package that has the name of one of Python's."""
    for name in sorted(modules_of_worker(package.server)):
        for member in _named(package, name):
            yield _shadow("error", member, name)
    for name in sorted(ON_SOME) if package.server == "torchserve" else ():
        for member in _named(package, name):
            yield _shadow("warning", member, name, ", on some versions of Python and torch")


def _in_place_of_packages(package: CheckContext) -> Iterator[Problem]:
    """A module or package that has the name of the server or of a package that it imports, and is not that."""
    for name, level in _packages(package).items():
        for member in _named(package, name):
            if member.path.name != "__init__.py":
                yield _shadow(level, member, name)
            elif member.path.parent / WHOLE_COPY[name] not in package.by_path:
                yield _shadow("error" if name in _SERVERS else "warning", member, name)


def _packages(package: CheckContext) -> dict[str, Level]:
    """The packages that the worker imports, each with what a module of its name is."""
    if package.server == "mms":
        return {"mms": "error"}
    levels: dict[str, Level] = {"ts": "error", "numpy": "error", "yaml": "error"}
    if package.following and "BaseHandler" in package.following.classes:
        levels["packaging"] = "error"
    return levels | {"torch": "error" if package.following or _imports_torch(package) else "warning"}


def _imports_torch(package: CheckContext) -> bool:
    """Whether the handler's module does; without torch TorchServe's worker starts, and can answer with texts only."""
    source = package.handler_source
    nodes = list(ast.walk(source.tree)) if source else []
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return any(f"{name}.".startswith(("torch.", "ts.torch_handler.")) for name in names)


def _never_imported(package: CheckContext) -> Iterator[Problem]:
    """A handler or model file that has the name of a module which no file takes the place of."""
    files = [(package.handler.module, package.handler.member)] if package.handler.is_reachable else []
    if package.following:
        files.append((package.text_field("modelFile").partition(".")[0], package.named_file("modelFile")))
    for name, member in files:
        if member and name in COMPILED_IN:
            message = f"is never imported, for {name} is a module of Python's that no file takes the place of"
            yield Problem("error", "handler-shadows", message, "rename it", member.display_path)


def _named(package: CheckContext, name: str) -> Iterator[CheckedFile]:
    """What a worker would import under a name, in each of the folders."""
    for folder in package.roots:
        if path := package.importable(name, folder):
            yield package.by_path[path]


def _shadow(level: Level, member: CheckedFile, name: str, when: str = "") -> Problem:
    kind = "its folder" if member.path.name == "__init__.py" else "it"
    message = f"takes the place of the module {name}, which the server itself imports{when}"
    return Problem(level, "handler-shadows", message, f"rename {kind}", member.display_path)
