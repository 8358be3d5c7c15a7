"""Reading a Python file into an outline of what it plainly shows; the file is never run."""

from __future__ import annotations

import _ast
import sys
from functools import cached_property

from model_archiver.checks.names import IMPORTS, UNKNOWN, Class, Facts, Scope, Value, makes_no_class, root_of
from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST_SOURCE = 3 << 16
"""Bytes of the largest source that is judged. The tree of a source takes a thousand times as much memory, and more."""

_DEEPEST = 150
"""Levels of the deepest tree that is judged. What reads an expression calls itself for each level."""

_ONLY_TREE = 0x400  # ast.PyCF_ONLY_AST

_DYNAMIC = {
    *("*", "builtins", "ctypes", "currentframe", "delattr", "eval", "exec", "globals", "locals", "setattr", "vars"),
    *("_getframe", "__dir__", "__module__", "__package__", "__path__", "__setattr__", '"__module__', '"__package__'),
    *(".__code__", ".__defaults__", ".__dict__", ".__kwdefaults__", ".__module__", ".__setattr__", "._convert_"),
    *("._getframe", ".currentframe", ".f_globals"),
}
"""Words by which a file may bind, or change, what it does not show."""


class BrokenSourceError(Exception):
    """A source that does not parse, or that is not judged.

    Attributes:
        message: what is wrong with it.
        line: the line, counted from 1, or None.
        is_certain: whether every Python rejects it: it looks neither like newer syntax, nor like what depends on the
            system or its settings.
    """

    def __init__(self, message: str, line: int | None = None, *, is_certain: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.is_certain = is_certain


class Import(Record):
    """An import statement.

    Attributes:
        module: the dotted name in it; empty for ``from . import name``.
        level: the dots in front of it.
        names: what is taken from the module.
        line: the line, counted from 1.
    """

    module: str
    level: int
    names: tuple[str, ...]
    line: int


class Outline:
    """What a Python file shows.

    Attributes:
        facts: what stands anywhere in it.
        scope: the names that it binds at its top level.
        imports: the imports at its top level that stand under no condition.
    """

    def __init__(self, tree: _ast.Module, *, is_package: bool = False) -> None:
        self.facts = Facts(tree)
        if self.facts.depth > _DEEPEST:
            raise RecursionError
        if self.facts.stray_return:
            raise BrokenSourceError("'return' outside function", self.facts.stray_return)
        self.scope = Scope(tree.body)
        self.scope.names.update(dict.fromkeys(self.facts.rebound, UNKNOWN))
        self.imports = [found for node in tree.body if isinstance(node, IMPORTS) for found in _imports(node)]
        self._is_package = is_package

    @cached_property
    def is_open(self) -> bool:
        """Return whether it may bind names that it does not show."""
        words, names = self.facts.words, self.scope.names
        is_dynamic = not _DYNAMIC.isdisjoint(words) or {"sys", ".modules"} <= words or "modules" in words
        calls = [call for call in self.facts.outer_calls if "__name__" in (getattr(word, "id", "") for word in call.args)]
        tells_name = any("log" not in root_of(call.func) and not makes_no_class(self.scope.value(call.func)) for call in calls)
        return is_dynamic or tells_name or self.scope.is_open or "__getattr__" in names or "__name__" in names

    def value(self, name: str) -> Value:
        """Return what a top-level name stands for; unknown if it may not be bound."""
        return UNKNOWN if self.is_open else self.scope.names.get(name, UNKNOWN)

    def lacks(self, name: str) -> bool:
        """Return whether the module certainly has no such attribute."""
        is_shown = not self.is_open and not self._is_package and not name.startswith("__")
        return is_shown and name not in self.scope.names

    @cached_property
    def classes(self) -> list[tuple[str, int, Class]]:
        """Return the classes that are certainly defined: for each of their names the name, its line and the class."""
        values = [] if self.is_open else self.scope.names.items()
        found = [(name, value) for name, value in values if value.kind == "class"]
        classes = [(name, value.line, Class(value.node, self.scope, self.facts)) for name, value in found]
        return sorted(classes, key=lambda item: item[1])

    @property
    def may_have_more_classes(self) -> bool:
        """Return whether it may define other classes than those."""
        return self.is_open or any(value.kind == "unknown" for value in self.scope.names.values())

    @property
    def only_class(self) -> Class | None:
        """Return the class that the server takes, if it is certainly the only one that the file defines."""
        return self.classes[0][2] if len(self.classes) == 1 and not self.may_have_more_classes else None


def read_outline(text: bytes, *, is_package: bool = False) -> Outline:
    """Return the outline of a source.

    Raises:
        BrokenSourceError: it does not parse, or is too large or too deep to be judged.
    """
    import warnings  # noqa: PLC0415 - only where there is a source

    if len(text) > LARGEST_SOURCE:
        raise BrokenSourceError("is too long", is_certain=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes that will be errors one day
            tree: _ast.Module = compile(text, "<source>", "exec", _ONLY_TREE, dont_inherit=True)
        _check_futures(tree)
        return Outline(tree, is_package=is_package)
    except SyntaxError as error:
        raise BrokenSourceError(error.msg, error.lineno or None, is_certain=not _may_be_valid(error)) from None
    except ValueError:
        raise BrokenSourceError("source code string cannot contain null bytes") from None
    except (RecursionError, MemoryError):  # another Python, or one that is called less deeply, may not meet them
        raise BrokenSourceError("is nested too deeply", is_certain=False) from None


def _check_futures(tree: _ast.Module) -> None:
    """Find what Python only finds when it compiles the tree, which can take very long."""
    start = next((place for place, node in enumerate(tree.body) if not _may_be_first(node)), len(tree.body))
    for node in tree.body[start:]:
        if isinstance(node, _ast.ImportFrom) and node.module == "__future__":
            raise BrokenSourceError("from __future__ imports must occur at the beginning of the file", node.lineno)


def _may_be_first(node: _ast.stmt) -> bool:
    is_text = isinstance(node, _ast.Expr) and isinstance(node.value, _ast.Constant)
    return is_text or (isinstance(node, _ast.ImportFrom) and node.module == "__future__")


def _may_be_valid(error: SyntaxError) -> bool:
    """Return whether another Python, another system or other settings may accept what this Python rejects."""
    import re  # noqa: PLC0415 - few sources are broken

    head = r"^\s*(?:type|class|(?:async\s+)?def)\s+\w+\s*\["
    newer = {
        (3, 11): r"^\s*except\s*\*|[\[:,]\s*\*\s*\w",
        (3, 12): rf"""^\s*type\s+\w+|{head}|\b[rR]?[fF][rR]?["']|^f-string""",
        (3, 13): rf"{head}[^\]]*=",
        (3, 14): r"""\b[rR]?[tT][rR]?["']""",
    }
    patterns = [pattern for version, pattern in newer.items() if sys.version_info < version]
    patterns.append(r"^(?:unknown encoding|encoding problem): (?i:mbcs|dbcs|ansi|oem|cp)|^Exceeds the limit")
    return any(re.search(pattern, text) for pattern in patterns for text in (error.text, error.msg) if text)


def _imports(node: _ast.Import | _ast.ImportFrom) -> Iterator[Import]:
    if isinstance(node, _ast.ImportFrom):
        yield Import(node.module or "", node.level, tuple(alias.name for alias in node.names), node.lineno)
    else:
        yield from (Import(alias.name, 0, (), node.lineno) for alias in node.names)
