"""The walk through the modules that a server imports, and what of them the archive does not hold."""

from __future__ import annotations

import ast
import shlex
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from model_archiver.checks.package import LARGEST_TEXT, Package
from model_archiver.checks.sources.import_names import Import, imports_of
from model_archiver.checks.sources.module_search import ModuleSearch, Name, beside, folder_of_imports
from model_archiver.checks.sources.python_module import BrokenSourceError, PythonModule
from model_archiver.checks.subject import Located
from model_archiver.issue import Issue

_PACKED_AWAY = {".egg", ".gz", ".tar", ".tgz", ".whl", ".zip"}
_MOST_MODULES = 500


@dataclass(frozen=True)
class _Source:
    """A module that is imported, of the archive or beside one of it.

    Attributes:
        module: its source.
        package: the name of the package that it is in; empty where it is in none.
        folder: where its imports were found when it was written; None where that cannot be told.
        is_handler: whether its functions are sure to be called.
        is_certain: whether it is sure to be imported from where it is in the archive.
    """

    module: PythonModule
    package: Name
    folder: Path | None
    is_handler: bool = False
    is_certain: bool = False


def imported_modules(package: Package) -> Iterator[Issue]:
    """What is missing of the modules that handler and model file import, and what cannot be imported as it is written.

    Args:
        package: that holds them, or should.
    """
    walk = _Walk(package)
    handler, model_file = package.handler, package.named_file("modelFile")
    if handler.member is not None and handler.is_reachable:
        walk.enter(handler.member, tuple(handler.module.split(".")), is_handler=True, is_certain=True)
    if model_file is not None and model_file.path.suffix == ".py":
        follows = package.following
        is_certain = follows is not None and follows.runs("_load_pickled_model")
        walk.enter(model_file, (model_file.path.stem,), is_certain=is_certain)
    yield from walk.issues()


class _Walk:
    """A walk through the modules that are imported, each met once."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._search = ModuleSearch(package)
        self._has_packed_away = any(member.path.suffix in _PACKED_AWAY for member in package.members)
        self._moves_path = False
        self._met: set[PurePosixPath | Path] = set()
        self._told: set[Path] = set()
        self._waiting: deque[_Source] = deque()

    def enter(self, member: Located, name: Name, *, is_certain: bool, is_handler: bool = False) -> None:
        """Look at a module of the archive, which is imported by a name."""
        module = None if member.path in self._met else self._package.parsed(member)
        self._met.add(member.path)
        if module is not None:
            is_init = member.path.name == "__init__.py"
            folder = folder_of_imports(member.origin, name, is_init=is_init)
            self._waiting.append(_Source(module, name if is_init else name[:-1], folder, is_handler, is_certain))

    def issues(self) -> Iterator[Issue]:
        """What is missing, in the order in which the server would come to it."""
        while self._waiting and len(self._met) < _MOST_MODULES:
            source = self._waiting.popleft()
            self._moves_path = self._moves_path or _moves_path(source.module.tree)
            for found in imports_of(source.module.tree, in_functions=source.is_handler):
                if found.at_load or not self._has_packed_away:  # which a handler may unpack before that
                    yield from self._follow(found, source)

    def _follow(self, found: Import, source: _Source) -> Iterator[Issue]:
        """Go on with what an import brings, or say what is missing of it."""
        if found.level > len(source.package):
            if found.at_load and source.is_certain:
                yield _relative(found, source)
            return
        base = source.package[: len(source.package) - found.level + 1] if found.level else ()
        module = (*base, *found.module.split(".")) if found.module else base
        if not found.level and self._search.is_on_server(module):
            return
        for name in (*_prefixes(module), *((*module, taken) for taken in found.names)):
            member = self._search.packed(name)
            if member is not None:
                self.enter(member, name, is_certain=source.is_certain and found.at_load)
            elif not self._is_packed(name) and source.folder is not None:
                yield from self._missing(name, found, source, source.folder)

    def _is_packed(self, name: Name) -> bool:
        # Where the path is changed by the code, nobody knows where it leads to.
        return self._search.lies_about(name) if self._moves_path else self._search.is_packed(name)

    def _missing(self, name: Name, found: Import, source: _Source, folder: Path) -> Iterator[Issue]:
        """Say that a module lies beside the one that imports it and not in the archive; then go on with it."""
        path = beside(folder, name)
        if path is None or path in self._met:
            return
        self._met.add(path)
        included = path if path == folder / path.name else folder / name[0]
        if included not in self._told:
            self._told.add(included)
            message = f"imports {'.'.join(name)}, which lies beside it and is not packed"
            hint = f"add --include {shlex.quote(str(included))}"
            yield Issue("warning", "import-not-packed", message, hint, source.module.where, found.line)
        module = _read(path)
        if module is not None:
            self._waiting.append(_Source(module, name if path.name == "__init__.py" else name[:-1], folder))


def _relative(found: Import, source: _Source) -> Issue:
    dots = "." * found.level
    message = f"imports from {dots}{found.module}, and the server imports this file as a module of no package"
    hint = f"write {found.module or 'the name'} without the {'dot' if found.level == 1 else 'dots'}"
    return Issue("error", "import-relative", message, hint, source.module.where, found.line)


def _prefixes(name: Name) -> Iterator[Name]:
    """A name and those of the packages around it, which are imported before it."""
    return (name[:length] for length in range(1, len(name) + 1))


def _moves_path(tree: ast.Module) -> bool:
    """Whether a module may change where others are looked for: with ``sys.path``, or with ``site``."""
    return any(
        (isinstance(node, ast.Attribute) and ast.unparse(node) == "sys.path")
        or (isinstance(node, ast.ImportFrom) and node.module == "sys")
        or (isinstance(node, ast.Name) and node.id == "site")
        for node in ast.walk(tree)
    )


def _read(path: Path) -> PythonModule | None:
    """The source of a module that is not packed, if it can be read."""
    try:
        with path.open("rb") as file:
            return PythonModule.parse(str(path), file.read(LARGEST_TEXT))
    except (OSError, BrokenSourceError):
        return None
