"""Whether the server finds the handler's module where it lies."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from model_archiver.checks.sources.worker_modules import COMPILED_IN, modules_of_worker
from model_archiver.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.package import CheckContext

_OF_PYTHON = COMPILED_IN | {"code", "ts", "mms"}
"""Names that a folder of code may have, and a module that is there besides."""


def check_handler_reach(package: CheckContext) -> Iterator[Problem]:
    """``handler-unreachable``: the handler's module is packed, and the server's import does not find it.

    The servers drop the folders of a handler and import the rest, with the archive's root on the path, and with the
    folders before it only where a function is named (TorchServe: ts/model_loader.py, ``_load_handler_file``; Multi
    Model Server: mms/model_loader.py, ``MmsModelLoader.load``).
    """
    handler = package.handler
    if handler.member is None or package.fields.get("runtime") == "LSP":
        return
    found = _unfound(package, handler.member.path) if not handler.is_reachable else _outdone(package)
    if found:
        message, hint = found
        yield Problem("error", "handler-unreachable", message, hint, handler.member.display_path)


def _unfound(package: CheckContext, path: PurePosixPath) -> tuple[str, str]:
    """Why the server finds no such module in the archive, and the mend."""
    given = package.handler.given
    if "." in path.stem:
        message = f"cannot be imported, for its name has a dot: {path.stem} would be a module of a package"
        return message, f"rename it, to {path.stem.replace('.', '_')}.py for one"
    if "/" in given and ":" not in given:
        message = f"lies where the server does not look: it drops the folder of {given}"
        return message, f"name its function too, --handler {given}:handle{_or_dotted(package, path)}"
    files = (PurePosixPath(f"{folder}.py") for folder in path.parents)
    before = next((file for file in files if file in package.by_path), "another module")
    return f"cannot be imported, for {before} comes before the folder of that name", "rename one of them"


def _or_dotted(package: CheckContext, path: PurePosixPath) -> str:
    """The other mend: the module's dotted name, where that leads to it."""
    parts = (path.parent if path.name == "__init__.py" else path.with_suffix("")).parts
    dotted = ".".join(parts)
    leads = package.importable(dotted) == path and parts[0] not in _names_of_others(package)
    return f", or --handler {dotted}" if leads and all(map(str.isidentifier, parts)) else ""


def _outdone(package: CheckContext) -> tuple[str, str] | None:
    """A folder of the archive in whose place Python imports its own package or module of that name, and the mend.

    A folder that is no package comes last, wherever it lies.
    """
    top, dot, _ = package.handler.module.partition(".")
    is_package = any(folder / top / "__init__.py" in package.by_path for folder in package.roots)
    if not dot or top not in _names_of_others(package) or is_package:
        return None
    message = f"cannot be imported as {package.handler.module}, for Python has a module {top} of its own"
    return message, f"put an empty {top}/__init__.py there, which comes before it"


def _names_of_others(package: CheckContext) -> frozenset[str]:
    return _OF_PYTHON | modules_of_worker(package.server)
