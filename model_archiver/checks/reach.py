"""Whether the server finds the handler's module where it lies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from model_archiver.checks.package import Package
from model_archiver.checks.worker_modules import COMPILED_IN, modules_of_worker
from model_archiver.issue import Issue

_OF_PYTHON = COMPILED_IN | {"code", "ts", "mms"}
"""Names that a folder of code may have, and a module that is there besides."""


def check_handler_reach(package: Package) -> Iterator[Issue]:
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
        yield Issue("error", "handler-unreachable", message, hint, handler.member.where)


def _unfound(package: Package, path: PurePosixPath) -> tuple[str, str]:
    """Why the server finds no such module in the archive, and the mend."""
    if "." in path.stem:
        message = f"cannot be imported, for its name has a dot: {path.stem} would be a module of a package"
        return message, f"rename it, to {path.stem.replace('.', '_')}.py for one"
    files = (PurePosixPath(f"{folder}.py") for folder in path.parents)
    if file := next((file for file in files if file in package.by_path), None):
        return f"cannot be imported, for {file} comes before the folder of that name", "rename one of them"
    message = f"lies where the server does not look: it drops the folder of {package.handler.given}"
    return message, f"name its function too, --handler {package.handler.given}:handle{_or_dotted(path)}"


def _or_dotted(path: PurePosixPath) -> str:
    """The other mend: the module's dotted name, where it has one."""
    parts = path.with_suffix("").parts
    is_plain = all(map(str.isidentifier, parts)) and parts[0] not in _OF_PYTHON
    return f", or --handler {'.'.join(parts)}" if is_plain else ""


def _outdone(package: Package) -> tuple[str, str] | None:
    """A folder of the archive in whose place Python imports its own package or module of that name, and the mend.

    A folder that is no package comes last, wherever it lies.
    """
    top, dot, _ = package.handler.module.partition(".")
    known = _OF_PYTHON | modules_of_worker(package.server)
    is_package = any(folder / top / "__init__.py" in package.by_path for folder in package.roots)
    if not dot or top not in known or is_package:
        return None
    message = f"cannot be imported as {package.handler.module}, for Python has a module {top} of its own"
    return message, f"put an empty {top}/__init__.py there, which comes before it"
