"""The walk through the modules that a server imports, and what of them the archive does not hold."""

from __future__ import annotations

import shlex
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from model_archiver.checks.archive import LARGEST_TEXT
from model_archiver.checks.sources.import_names import (
    changes_path,
    imports_of,
    leads_out,
    names_package,
    unpacks,
)
from model_archiver.checks.sources.module_search import ModuleSearch, beside, folder_of_imports
from model_archiver.checks.sources.python_module import BrokenSourceError, PythonModule
from model_archiver.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path, PurePosixPath

    from model_archiver.checks.archive import CheckedFile
    from model_archiver.checks.package import CheckContext
    from model_archiver.checks.sources.import_names import (
        Import,
    )
    from model_archiver.checks.sources.module_search import Name

_CALLED = ("__init__", "initialize", "handle", "preprocess", "inference", "postprocess")
_PACKED_AWAY = {".7z", ".bz2", ".egg", ".gz", ".tar", ".tbz", ".tgz", ".txz", ".whl", ".xz", ".zip"}
_MOST_MODULES = 500
_MOST_BYTES = 1 << 20
_LONGEST_NAME = 50


@dataclass(frozen=True)
class _Source:
    """A module that is imported, of the archive or beside one of it.

    Attributes:
        display_path: how a person knows its file.
        package: the name of the package that it is in; empty where it is in none.
        folder: where its imports were found when it was written; None where that cannot be told.
        is_certain: whether it is sure to be imported, from where it is in the archive and under no other name.
    """

    display_path: str
    package: Name
    folder: Path | None
    is_certain: bool = False


def imported_modules(package: CheckContext) -> Iterator[Problem]:
    """What is missing of the modules that handler and model file import, and what cannot be imported as it is written.

    Args:
        package: that holds them, or should.
    """
    walk = _Walk(package)
    handler, model_file = package.handler, package.named_file("modelFile")
    if handler.member is not None and handler.is_reachable:
        called = (*_CALLED, handler.function)
        walk.enter(handler.member, tuple(handler.module.split(".")), is_certain=True, called=called)
    if model_file is not None and model_file.path.suffix == ".py":
        follows = package.following
        is_certain = follows is not None and follows.runs("_load_pickled_model")
        walk.enter(model_file, (model_file.path.stem,), is_certain=is_certain)
    yield from walk.problems()


class _Walk:
    """A walk through the modules that are imported, each met once; it ends where there are far too many."""

    def __init__(self, package: CheckContext) -> None:
        self._package = package
        self._search = ModuleSearch(package)
        self._has_packed_away = any(map(_is_packed_away, package.members))
        self._is_lost = False
        self._moves_path = False
        self._met: set[PurePosixPath | Path] = set()
        self._told: set[Path] = set()
        self._read = 0
        self._waiting: deque[tuple[_Source, list[Import]]] = deque()

    def enter(self, member: CheckedFile, name: Name, *, is_certain: bool, called: tuple[str, ...] = ()) -> None:
        """Look at a module of the archive, which is imported by a name.

        Args:
            member: the module's file.
            name: the module's.
            is_certain: as for a source.
            called: its functions, and the methods of its classes, that are sure to be called.
        """
        if member.path not in self._met:
            self._met.add(member.path)
            is_init = member.path.name == "__init__.py"
            folder = folder_of_imports(member.source_path, name, is_init=is_init)
            text = self._package.text(member)
            if text is not None:
                source = _Source(member.display_path, name if is_init else name[:-1], folder, is_certain)
                self._add(source, text, called)

    def _add(self, source: _Source, text: bytes, called: tuple[str, ...] = ()) -> None:
        """Take in a source, and let it go but for its imports."""
        self._read += len(text)
        if self._read > _MOST_BYTES or len(self._met) > _MOST_MODULES:
            return
        try:
            tree = PythonModule.parse(source.display_path, text).tree
        except BrokenSourceError:
            return
        moves_path = changes_path(tree)
        self._moves_path = self._moves_path or moves_path
        leads_away = leads_out(tree) or self._has_packed_away
        self._is_lost |= (moves_path and leads_away) or (self._has_packed_away and unpacks(tree))
        is_certain = source.is_certain and not names_package(tree)
        self._waiting.append((replace(source, is_certain=is_certain), list(imports_of(tree, called))))

    def problems(self) -> Iterator[Problem]:
        """What is missing, in the order in which the server would come to it."""
        while self._waiting:
            source, imports = self._waiting.popleft()
            for found in imports:
                yield from self._follow(found, source)

    def _follow(self, found: Import, source: _Source) -> Iterator[Problem]:
        """Go on with what an import brings, or say what is missing of it."""
        is_outside = found.level > len(source.package)
        if is_outside and not (found.at_load and source.is_certain):
            return
        if is_outside:
            yield _relative(found, source)
        base = source.package[: len(source.package) - found.level + 1] if found.level and not is_outside else ()
        module = (*base, *found.module.split(".")) if found.module else base
        if len(module) > _LONGEST_NAME or (not found.level and self._search.is_on_server(module)):
            return
        for name in (*_prefixes(module), *((*module, taken) for taken in found.names)):
            member = self._search.packed(name)
            if member is not None:
                self.enter(member, name, is_certain=source.is_certain and found.at_load)
            elif source.folder is not None and not self._is_lost and not self._is_packed(name):
                yield from self._missing(name, found, source, source.folder)

    def _is_packed(self, name: Name) -> bool:
        # Where the path is changed by the code, nobody knows where it leads to.
        return self._search.lies_about(name) if self._moves_path else self._search.is_packed(name)

    def _missing(self, name: Name, found: Import, source: _Source, folder: Path) -> Iterator[Problem]:
        """Say that a module lies beside the one that imports it and not in the archive; then go on with it."""
        path = beside(folder, name)
        if path is None or path in self._met:
            return
        self._met.add(path)
        included = path if path == folder / path.name else folder / name[0]
        if included != path and self._search.brings_anything:
            return
        if included not in self._told:
            self._told.add(included)
            message = f"imports {'.'.join(name)}, which lies beside it and is not packed"
            hint = f"add --include {shlex.quote(str(included))}"
            yield Problem("warning", "import-not-packed", message, hint, source.display_path, found.line)
        with suppress(OSError), path.open("rb") as file:
            package = name if path.name == "__init__.py" else name[:-1]
            self._add(_Source(str(path), package, folder), file.read(LARGEST_TEXT))


def _is_packed_away(member: CheckedFile) -> bool:
    """Whether a file may hold modules that a handler unpacks, or puts on the path, before it imports them."""
    return member.path.suffix.lower() in _PACKED_AWAY


def _relative(found: Import, source: _Source) -> Problem:
    dots = "." * found.level
    message = f"imports from {dots}{found.module}, and the server imports this file as a module of no package"
    hint = f"write {found.module or 'the name'} without the {'dot' if found.level == 1 else 'dots'}"
    return Problem("error", "import-relative", message, hint, source.display_path, found.line)


def _prefixes(name: Name) -> Iterator[Name]:
    """A name and those of the packages around it, which are imported before it."""
    return (name[:length] for length in range(1, len(name) + 1))
