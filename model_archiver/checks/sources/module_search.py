"""Where an imported module is: in the archive, beside the source of the one that imports it, or on the server."""

from __future__ import annotations

import re
import sys
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path, PurePosixPath

    from model_archiver.checks.archive import CheckedFile
    from model_archiver.checks.package import CheckContext

Name = tuple[str, ...]
"""The parts of a dotted name."""

_ON_EVERY_SERVER = {"mms", "torch", "ts"}
_MODULES = {".py", ".pyc", ".pyd", ".so"}
_REQUIREMENT = re.compile(rb"^[ \t]*([A-Za-z0-9][A-Za-z0-9._-]*)", re.MULTILINE)
_NAMELESS = re.compile(rb"^[ \t]*(?:-e|--editable|-r|--requirement|\.|/|[^\s#;-][^\s#;]*(?:[/\\]|\.whl))", re.MULTILINE)


class ModuleSearch:
    """What can be imported from an archive, and what need not be in it."""

    def __init__(self, package: CheckContext) -> None:
        self._package = package

    def packed(self, name: Name) -> CheckedFile | None:
        """The source of a module in the archive."""
        paths = (self._package.importable(".".join(name), root) for root in self._package.roots)
        return next((self._package.by_path[path] for path in paths if path is not None), None)

    def is_packed(self, name: Name) -> bool:
        """Whether the archive holds a module or a package of this name, be it compiled or without ``__init__.py``."""
        return name in self._names

    def lies_about(self, name: Name) -> bool:
        """Whether a module that is called so lies anywhere in the archive."""
        return any(name[-1] in known for known in self._names)

    def is_on_server(self, name: Name) -> bool:
        """Whether a module comes with Python or the server, or is required from a package index."""
        return name[0] in sys.stdlib_module_names or name[0] in _ON_EVERY_SERVER or name[0].lower() in self._required

    @cached_property
    def _names(self) -> set[Name]:
        """The names of all modules of the archive, and of all folders of them."""
        names: set[Name] = set()
        for member in self._package.members:
            for root in self._package.roots:
                if member.path.suffix in _MODULES and member.path.is_relative_to(root):
                    name = _name_of(member.path.relative_to(root))
                    names.update(name[:length] for length in range(1, len(name) + 1))
        return names

    @property
    def brings_anything(self) -> bool:
        """Whether what is required cannot be told by its name: from a URL, a path, another file, or not kept."""
        return self._requirements is None or _NAMELESS.search(self._requirements) is not None

    @cached_property
    def _requirements(self) -> bytes | None:
        member = self._package.named_file("requirementsFile")
        return b"" if member is None else self._package.text(member)

    @cached_property
    def _required(self) -> set[str]:
        """The names in the requirements file, as far as they are those of modules too."""
        names = _REQUIREMENT.findall(self._requirements or b"")
        return {re.sub("[-.]", "_", name.decode()).lower() for name in names}


def folder_of_imports(origin: Path | None, name: Name, *, is_init: bool) -> Path | None:
    """The folder from which a source imported what lies beside it, where it was written.

    Args:
        origin: the source's file; None where it is not known any more.
        name: by which it is imported.
        is_init: whether the source is the package's ``__init__.py``.
    """
    depth = len(name) if is_init else len(name) - 1
    if origin is None or origin.parent.parts[len(origin.parent.parts) - depth :] != name[:depth]:
        return None
    return origin.parents[depth]


def beside(folder: Path, name: Name) -> Path | None:
    """The source of a module that is found from a folder on the disk."""
    base = folder.joinpath(*name)
    candidates = (base / "__init__.py", base.with_name(f"{base.name}.py"))
    return next((path for path in candidates if _is_file(path)), None)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # a name that is too long for any file, a folder that may not be looked into
        return False


def _name_of(path: PurePosixPath) -> Name:
    stem = path.name.partition(".")[0]  # of helpers.cpython-311-x86_64-linux-gnu.so too
    return path.parent.parts if stem == "__init__" else (*path.parent.parts, stem)
