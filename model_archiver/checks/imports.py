"""Check what is imported: modules that are not packed, and packed files that shadow modules of Python or the server."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from model_archiver.checks.context import CheckContext, CheckedFile
from model_archiver.core import problems, request


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Each name was tried: with a file of this name next to the handler, no worker starts (Python 3.8 to 3.13; what only
# torch needs, on 3.11). What only some versions need, and what no worker needs (csv, gzip, psutil), is not here.
_EVERY_WORKER = _names("""
    argparse collections contextlib copyreg dis encodings enum functools importlib json keyword locale logging
    multiprocessing opcode operator pickle platform re reprlib selectors shutil signal socket string struct subprocess
    threading token types uuid warnings weakref""")
_TORCHSERVE = _EVERY_WORKER | _names("""
    ast asyncio bisect concurrent copy ctypes dataclasses datetime email heapq http inspect linecache numbers pathlib
    queue random traceback typing unittest urllib""")
# By TorchServe on some builds of Python; gettext and select by MMS too, but not on Debian's.
ON_SOME = _names("""
    base64 binascii cmath contextvars fnmatch gettext glob math mmap pprint quopri select ssl tempfile textwrap timeit
    tokenize zlib""")
# What is imported before the path is looked at, or is a part of the interpreter: no file shadows it.
_COMPILED_IN = _names("""
    __main__ abc atexit builtins codecs errno gc genericpath io itertools marshal os posix posixpath stat sys time
    zipimport""")
# Packages that some people pack as pip installs them, each with a file that shows that it is the real one.
_WHOLE_COPIES = {
    **dict.fromkeys(("ts", "mms"), "arg_parser.py"),
    "torch": "nn/__init__.py",
    "numpy": "linalg/__init__.py",
    "yaml": "nodes.py",
}
_ON_SERVERS = sys.stdlib_module_names | {"mms", "torch", "ts"}
_ARCHIVES = {".7z", ".bz2", ".egg", ".gz", ".tar", ".tbz", ".tgz", ".txz", ".whl", ".xz", ".zip"}


def modules_of_worker(server: request.Server) -> frozenset[str]:
    """Return the modules of Python that a worker imports before any handler."""
    return _TORCHSERVE if server == "torchserve" else _EVERY_WORKER


def modules_found_first(server: request.Server) -> frozenset[str]:
    """Return modules of Python or the server that an import may find before a packed file."""
    return _COMPILED_IN | {"code", "ts", "mms"} | modules_of_worker(server)


def handler_shadows(context: CheckContext) -> Iterator[problems.Problem]:
    """Report a file that shadows a module which the worker imports, or a handler that such a module shadows."""
    # The front ends put the folders of the archive before all others on the path (EnvironmentUtils.java, getEnvString).
    for name, file in _modules(context) if context.runs_python3 else ():
        if level := _shadow_level(context, name, file):
            when = " on some versions of Python and torch" if name in ON_SOME else ""
            message = f"shadows the module {name}, which the server itself imports{when}"
            hint = "rename its folder" if file.path.name == "__init__.py" else "rename it"
            yield problems.Problem(level, "handler-shadows", message, hint, file.display_path)
    handler_file = context.handler.file if context.handler.is_reachable else None
    model_file = context.named_file("modelFile") if context.inherited else None
    for own in (handler_file, model_file) if context.runs_python3 else ():
        if own and own.path.stem in _COMPILED_IN and own.path.parent in context.roots:
            message = f"the server never imports this file, because Python has its own module {own.path.stem}"
            yield problems.Problem("error", "handler-shadows", message, "rename it", own.display_path)


def _modules(context: CheckContext) -> Iterator[tuple[str, CheckedFile]]:
    """Yield the modules and packages that the worker imports by a plain name, each with its file."""
    for path, file in context.by_path.items():
        if path.suffix == ".py":
            module = path.parent if path.name == "__init__.py" else path.with_suffix("")
            if module.parent in context.roots and context.importable(module.name, module.parent) == path:
                yield module.name, file


def _shadow_level(context: CheckContext, name: str, file: CheckedFile) -> problems.Level | None:
    """Return how bad it is that a file is imported under a name."""
    if name in modules_of_worker(context.server):
        return "error"
    if name in ON_SOME and (context.server == "torchserve" or name in ("gettext", "select")):
        return "warning"
    if name not in _WHOLE_COPIES or (name == "mms") != (context.server == "mms"):
        return None
    if file.path.name == "__init__.py":
        is_copy = file.path.parent / _WHOLE_COPIES[name] in context.by_path
        return None if is_copy else "error" if name in ("mms", "ts") else "warning"
    outline = context.handler_outline  # without torch the worker starts, but can answer with strings only
    is_needed = context.inherited or (outline and any(word.partition(".")[0] == "torch" for word in outline.words))
    return "error" if name != "torch" or is_needed else "warning"


def import_relative(context: CheckContext) -> Iterator[problems.Problem]:
    """Report a relative import in a handler file that the server imports as a module of no package."""
    outline, handler = context.handler_outline, context.handler
    if outline and handler.file and handler.file.path.name != "__init__.py" and not outline.is_open:
        for line, module, _ in outline.imports:
            if len(module) - len(module.lstrip(".")) > handler.module.count("."):
                message = f"the server imports this file as a top-level module, so it cannot import from {module}"
                hint = f"import from {module.lstrip('.')}" if module.strip(".") else "import the module by its own name"
                yield problems.Problem("error", "import-relative", message, hint, handler.file.display_path, line)


def import_not_packed(context: CheckContext) -> Iterator[problems.Problem]:
    """Report a module that the handler or the model file imports, and that is next to it and not packed."""
    handler, model_file, found = context.handler, context.named_file("modelFile"), set()
    files = [handler.file] if handler.file and handler.is_reachable and "." not in handler.module else []
    files += [model_file] if model_file else []
    for file in files if context.runs_python3 else ():
        source = file.source  # of an opened archive there is none
        for line, module, names in _imports(context, file) if source else ():
            included = _next_to(source.path.parent, module, names) if source else None
            if included and included not in found:
                import shlex  # noqa: PLC0415 - only for a message

                found.add(included)
                message = f"this file imports {module}, which is next to it but not packed"
                hint = f"add --include {shlex.quote(str(included))}"
                yield problems.Problem("warning", "import-not-packed", message, hint, file.display_path, line)


def _imports(context: CheckContext, file: CheckedFile) -> Iterator[tuple[int, str, list[str]]]:
    """Yield the imports of a file that certainly fail if nothing is packed for them."""
    outline = context.outline(file) if file.path.suffix == ".py" and file.path.name != "__init__.py" else None
    requirements = context.named_file("requirementsFile")
    required = (context.text(requirements) if requirements else None) or b""
    required = required.lower().replace(b"-", b"_").replace(b".", b"_")
    brings_anything = b"/" in required or any(word.startswith(b"_") for word in required.split())
    if outline is None or brings_anything or any(path.suffix.lower() in _ARCHIVES for path in context.by_path):
        return  # options, paths and packed archives may bring the modules
    if {"sys", ".path"} <= outline.words or not outline.words.isdisjoint({"path", "site"}):
        return
    known = _ON_SERVERS | {part.partition(".")[0] for path in context.by_path for part in path.parts}
    for line, module, names in outline.imports:
        first = module.partition(".")[0]
        if first and first not in known and first.lower().encode() not in required:
            yield line, module, names


def _next_to(folder: Path, module: str, names: list[str]) -> Path | None:
    """Return what to pack for an import, if it is a module or a package in a folder on the disk."""
    first, *rest = module.split(".")
    package, module_file = folder / first, folder / f"{first}.py"
    inner = [package.joinpath(*rest).with_suffix(".py")] if rest else [package / f"{name}.py" for name in names]
    try:
        if any(path.is_file() for path in (package / "__init__.py", *(inner if not module_file.is_file() else ()))):
            return package
        return module_file if module_file.is_file() else None
    except OSError:  # a name that is too long for a file, or a folder that is not readable
        return None
