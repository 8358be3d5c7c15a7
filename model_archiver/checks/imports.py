"""Check what is imported: modules that are not packed, and packed files that shadow modules of Python or the server."""

from __future__ import annotations

import sys

from model_archiver.core.problems import Problem

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from model_archiver.checks.context import CheckContext, CheckedFile
    from model_archiver.checks.source import Import
    from model_archiver.core.problems import Level

# Each name was tried: if a file of this name is next to the handler, no worker starts (Python 3.8 to 3.13; what only torch
# needs, on 3.11). What only some versions need, and what nothing breaks without (csv, gzip, psutil), is not here.
_EVERY_WORKER = frozenset(
    "argparse collections contextlib copyreg dis encodings enum functools gettext importlib json keyword locale logging "
    "multiprocessing opcode operator pickle platform re reprlib select selectors shutil signal socket string struct "
    "subprocess threading token types uuid warnings weakref".split()
)
_TORCHSERVE = _EVERY_WORKER | frozenset(
    "ast asyncio bisect concurrent copy ctypes dataclasses datetime email heapq http inspect linecache numbers pathlib "
    "queue random traceback typing unittest urllib".split()
)
_ON_SOME = frozenset(
    "base64 binascii cmath contextvars fnmatch glob math mmap pprint quopri ssl tempfile textwrap timeit tokenize zlib".split()
)
"""What TorchServe's workers need too with torch 2.13 on Python 3.11; other versions may do without."""
_COMPILED_IN = frozenset(
    "__main__ abc atexit builtins codecs errno gc genericpath io itertools marshal os posix posixpath stat sys time "
    "zipimport".split()
)
"""What is imported before the path is looked at, or is a part of the interpreter: no file shadows it."""
_WHOLE_COPIES = {
    "ts": "arg_parser.py",
    "mms": "arg_parser.py",
    "torch": "nn/__init__.py",
    "numpy": "linalg/__init__.py",
    "packaging": "version.py",
    "yaml": "nodes.py",
}
"""Packages that some people pack as pip installs them, each with a file that shows that it is the real one."""
_ON_SERVERS = sys.stdlib_module_names | {"mms", "torch", "ts"}
_UNPACKABLE = {".7z", ".bz2", ".egg", ".gz", ".tar", ".tbz", ".tgz", ".txz", ".whl", ".xz", ".zip"}
_RENAME = "rename it"


def modules_of_others(context: CheckContext) -> frozenset[str]:
    """Return modules that Python or the server has, one of which may be what an import finds."""
    return _COMPILED_IN | {"code", "ts", "mms"} | (_TORCHSERVE if context.server == "torchserve" else _EVERY_WORKER)


def handler_shadows(context: CheckContext) -> Iterator[Problem]:
    """Report a file that shadows a module which the worker imports, or a handler that such a module shadows.

    The front ends put the folders of the archive before all others on the path (EnvironmentUtils.java, `getEnvString`).
    """
    if not context.runs_python3:
        return
    for name, file in _modules(context):
        level = _shadow_level(context, name, file)
        if level:
            when = " on some versions of Python and torch" if name in _ON_SOME else ""
            message = f"shadows the module {name}, which the server itself imports{when}"
            hint = "rename its folder" if file.path.name == "__init__.py" else _RENAME
            yield Problem(level, "handler-shadows", message, hint, file.display_path)
    files = [(context.handler.module, context.handler.file)] if context.handler.is_reachable else []
    model_file = context.named_file("modelFile")
    if model_file and context.inherited:
        files.append((model_file.path.name.partition(".")[0], model_file))
    for name, handler in files:
        if handler and name in _COMPILED_IN:
            message = f"the server never imports this file, because Python has its own module {name}"
            yield Problem("error", "handler-shadows", message, _RENAME, handler.display_path)


def _modules(context: CheckContext) -> Iterator[tuple[str, CheckedFile]]:
    """Yield the modules and packages that the worker imports by a plain name, each with its file."""
    for file in context.members:
        path = file.path
        if path.suffix == ".py":
            module = path.parent if path.name == "__init__.py" else path.with_suffix("")
            is_second = module != path.parent and path.with_suffix("") / "__init__.py" in context.by_path
            if module.parent in context.roots and module.name and not is_second:
                yield module.name, file


def _shadow_level(context: CheckContext, name: str, file: CheckedFile) -> Level | None:
    """Return how bad it is that a file is imported under a name."""
    if name in (_TORCHSERVE if context.server == "torchserve" else _EVERY_WORKER):
        return "error"
    if context.server == "torchserve" and name in _ON_SOME:
        return "warning"
    if name not in _WHOLE_COPIES or (name == "mms") != (context.server == "mms"):
        return None
    if name == "packaging" and not (context.inherited and "BaseHandler" in context.inherited.classes):
        return None
    if file.path.name == "__init__.py":
        is_copy = file.path.parent / _WHOLE_COPIES[name] in context.by_path
        return None if is_copy else "error" if name in ("mms", "ts") else "warning"
    return "error" if name != "torch" or context.inherited or _imports_torch(context) else "warning"


def _imports_torch(context: CheckContext) -> bool:
    """Return whether the handler does; without torch the worker starts, but can answer with strings only."""
    outline = context.handler_outline
    names = [found.module for found in outline.imports if not found.level] if outline else []
    return any(f"{name}.".startswith(("torch.", "ts.torch_handler.")) for name in names)


def import_relative(context: CheckContext) -> Iterator[Problem]:
    """Report a relative import in a handler file that the server imports as a module of no package."""
    outline, handler = context.handler_outline, context.handler
    if outline is None or handler.file is None or handler.file.path.name == "__init__.py" or outline.is_open:
        return
    for found in outline.imports:
        if found.level > handler.module.count("."):
            name = f"{'.' * found.level}{found.module}"
            message = f"the server imports this file as a top-level module, so it cannot import from {name}"
            hint = f"import from {found.module}" if found.module else "import the module itself"
            yield Problem("error", "import-relative", message, hint, handler.file.display_path, found.line)


def import_not_packed(context: CheckContext) -> Iterator[Problem]:
    """Report a module that the handler or the model file imports, and that is next to it and not packed."""
    files = [(context.handler.file, context.handler.module)] if context.handler.is_reachable else []
    model_file = context.named_file("modelFile")
    if model_file is not None:
        files.append((model_file, model_file.path.stem))
    told: set[Path] = set()
    for file, module in files if context.runs_python3 else ():
        for found in _imports(context, file):
            folder = _folder(file, module)
            included = _beside(folder, found) if folder else None
            if included and included not in told:
                told.add(included)
                message = f"this file imports {found.module or found.names[0]}, which is next to it but not packed"
                hint = f"add --include {_quoted(str(included))}"
                yield Problem("warning", "import-not-packed", message, hint, file.display_path, found.line)


def _imports(context: CheckContext, file: CheckedFile | None) -> Iterator[Import]:
    """Yield the imports of a file that certainly fail if nothing is packed for them."""
    outline = context.outline(file) if file and file.path.suffix == ".py" and file.source_path else None
    if outline is None or {"sys", ".path"} <= outline.facts.words or not {"path", "site"}.isdisjoint(outline.facts.words):
        return
    names = {part.partition(".")[0] for path in context.by_path for part in path.parts}
    if any(path.suffix.lower() in _UNPACKABLE for path in context.by_path):
        return
    requirements = context.named_file("requirementsFile")
    required = (context.text(requirements) or b"/") if requirements else b""
    if b"/" in required or b"-" in required.split():
        return
    for found in outline.imports:
        name = (found.module or found.names[0]).partition(".")[0]
        is_required = name.lower().encode() in required.lower().replace(b"-", b"_").replace(b".", b"_")
        if found.level <= 1 and name not in names and not is_required and (found.level or name not in _ON_SERVERS):
            yield found


def _folder(file: CheckedFile | None, module: str) -> Path | None:
    """Return the folder on the disk from which a file's imports were found when it was written."""
    depth = module.count(".") + bool(file and file.path.name == "__init__.py")
    source = file.source_path if file else None
    is_same = source and source.parts[-depth - 1 : -1] == tuple(module.split("."))[:depth]
    return source.parents[depth] if source and is_same else None


def _beside(folder: Path, found: Import) -> Path | None:
    """Return what to pack for an import, if it is a module or a package in a folder on the disk."""
    first, *rest = (found.module or found.names[0]).split(".")
    package = folder / first
    candidates = [package / "__init__.py", folder / f"{first}.py", package.joinpath(*rest).with_suffix(".py")]
    candidates += [package / f"{name}.py" for name in found.names] if not rest else []
    try:
        path = next((path for path in candidates if path.is_file()), None)
    except OSError:  # a name that is too long for a file, or a folder that is not readable
        return None
    return path if path is None or path.parent == folder else package


def _quoted(path: str) -> str:
    import shlex  # noqa: PLC0415 - only for a message

    return shlex.quote(path)
