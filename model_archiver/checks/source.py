"""Reading a Python file into an outline of what it plainly shows; the file is never run."""

from __future__ import annotations

import _ast
import sys
from functools import cached_property

from model_archiver.checks.names import IMPORTS, QUIET, UNKNOWN, Class, Facts, Scope, Value, root_of, walk
from model_archiver.core.problems import ModelArchiverError

_LARGEST_SOURCE = 3 << 16  # bytes of a source that is judged: its tree takes a thousand times as much memory, and more
_DEEPEST = 150  # levels of a tree that is judged: what reads an expression calls itself for each level
_MOST_CALLS = 1000  # outside functions in a source that is judged: to follow a long chain of calls takes long
_ONLY_TREE = 0x400  # ast.PyCF_ONLY_AST

_DYNAMIC = {
    *("*", "builtins", "ctypes", "currentframe", "delattr", "eval", "exec", "globals", "locals", "setattr", "vars"),
    *("_getframe", "__dir__", "__module__", "__package__", "__path__", "__setattr__", '"__module__', '"__package__'),
    *(".__code__", ".__defaults__", ".__dict__", ".__kwdefaults__", ".__module__", ".__setattr__", "._convert_"),
    *("._getframe", ".currentframe", ".f_globals"),
}
"""Words by which a file may bind, or change, what it does not show."""

_PATCHES = {"add_safe_globals", "patch", "safe_globals", ".add_safe_globals", ".patch", ".safe_globals", ".setattr"}
"""Words by which a file may change how the server loads weights."""


class BrokenSourceError(ModelArchiverError):
    """A source that does not parse, or that is not judged."""

    def __init__(self, message: str, line: int | None = None, *, is_certain: bool = True) -> None:
        super().__init__(message)
        self.line = line
        # Whether every Python rejects it: it looks neither like newer syntax, nor like what depends on the system.
        self.is_certain = is_certain


class Outline:
    """What a Python file shows."""

    def __init__(self, tree: _ast.Module, *, is_package: bool = False) -> None:
        self.facts = Facts(tree)
        if self.facts.depth > _DEEPEST:
            raise RecursionError
        if self.facts.stray_return:
            raise BrokenSourceError("'return' outside function", self.facts.stray_return)
        self.scope = Scope(tree.body)  # the names that it binds at its top level
        rebound = self.facts.rebound
        if not all(self._called(call).startswith(QUIET) for call in self.facts.outer_calls):
            rebound = rebound | self.facts.declared_global  # a function of the file may run while it is imported
        self.scope.names.update(dict.fromkeys(rebound, UNKNOWN))
        # What it imports at its top level, under no condition: the line, the dotted name of the module, with the dots
        # of a relative import in front, and the names that are taken from it.
        self.imports: list[tuple[int, str, list[str]]] = []
        for node in tree.body:
            if isinstance(node, IMPORTS):
                names, line = [alias.name for alias in node.names], node.lineno
                is_from = isinstance(node, _ast.ImportFrom)
                modules = [f"{'.' * node.level}{node.module or ''}"] if isinstance(node, _ast.ImportFrom) else names
                self.imports += [(line, module, names if is_from else []) for module in modules]
        self._is_package = is_package

    @cached_property
    def is_open(self) -> bool:
        """Return whether it may bind names that it does not show."""
        words, hooks = self.facts.words, {"__getattr__", "__name__"}
        is_dynamic = not _DYNAMIC.isdisjoint(words) or {"sys", ".modules"} <= words or "modules" in words
        if is_dynamic or self.scope.is_open or not hooks.isdisjoint(self.scope.names):
            return True
        calls = self.facts.outer_calls
        return len(calls) > _MOST_CALLS or any(map(self._may_find_module, calls))

    def _may_find_module(self, call: _ast.Call) -> bool:
        """Return whether a call gives the module's name to a function that may find and change the module by it."""
        is_given = any(getattr(argument, "id", "") == "__name__" for argument in call.args)
        return is_given and "log" not in root_of(call.func) and not self._called(call).startswith(QUIET)

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
        others = [name for name, value in self.scope.names.items() if value.kind == "unknown"]
        return self.is_open or any(not name.startswith("__") for name in others)

    @property
    def only_class(self) -> Class | None:
        """Return the class that the server takes, if it is certainly the only one that the file defines."""
        return self.classes[0][2] if len(self.classes) == 1 and not self.may_have_more_classes else None

    def _called(self, call: _ast.Call) -> str:
        return self.scope.value(call.func).origin

    @property
    def inherits_initialize(self) -> bool:
        """Return whether the only class certainly runs the ``initialize`` of its base before anything of its own.

        What runs earlier, the module and ``__init__``, must not patch the server or change files.
        """
        own, words = self.only_class, self.facts.words
        sets_loading = not _PATCHES.isdisjoint(words) or any("WEIGHTS_ONLY" in word for word in words)
        if own is None or self.facts.patches or sets_loading:
            return False
        methods = {name: own.method(name) for name in ("__init__", "initialize") if name in own.overridden}
        made = [node for node in walk(methods.get("__init__") or _ast.Pass()) if isinstance(node, _ast.Call)]
        called = [self._called(call) for call in (*self.facts.outer_calls, *made)]
        quiet = (*QUIET, *(f"{base}.__init__" for base in own.bases))
        is_quiet = all(name.startswith(quiet) and "Path()" not in name for name in called)
        is_certain = own.is_plain and is_quiet and None not in methods.values()
        return is_certain and ("initialize" not in methods or self._begins_with_base(methods["initialize"], own))

    def _begins_with_base(self, function: _ast.AST, own: Class) -> bool:
        """Return whether a method calls that of its base with its context, after plain assignments at most."""
        if not isinstance(function, _ast.FunctionDef) or len(function.args.args) != 2:
            return False
        context = function.args.args[1].arg
        for statement in function.body:
            call = getattr(statement, "value", None)
            if isinstance(call, _ast.Call):
                given = [getattr(value, "id", "") for value in (*call.args, *(word.value for word in call.keywords))]
                owner, name = getattr(call.func, "value", None), self._called(call)
                of = [getattr(value, "id", "") for value in getattr(owner, "args", ())]
                is_own = of[:1] in ([], [own.node.name])
                is_base = name == f"{own.bases[0]}.initialize" and given == ["self", context]
                return is_base or (name == "builtins.super().initialize" and is_own and given == [context])
            if not _is_plain(statement, context):
                return False
        return False


def _is_plain(statement: _ast.stmt, context: str) -> bool:
    """Return whether a statement is a docstring, or only sets variables or attributes of ``self``."""
    nodes = list(walk(statement))
    stores = [node for node in nodes if isinstance(getattr(node, "ctx", None), _ast.Store)]
    is_called = any(isinstance(node, (_ast.Call, _ast.NamedExpr)) for node in nodes)
    is_other = any(isinstance(node, _ast.Subscript) or root_of(node) == context for node in stores)
    return isinstance(statement, (_ast.Assign, _ast.Expr)) and not is_called and not is_other


def read_outline(text: bytes, *, is_package: bool = False) -> Outline:
    """Return the outline of a source.

    Raises:
        BrokenSourceError: it does not parse, or is too large or too deep to be judged.
    """
    import warnings  # noqa: PLC0415 - only where there is a source

    if len(text) > _LARGEST_SOURCE:
        raise BrokenSourceError("is too long", is_certain=False)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes that will be errors one day
            tree: _ast.Module = compile(text, "<source>", "exec", _ONLY_TREE, dont_inherit=True)
        return Outline(tree, is_package=is_package)
    except SyntaxError as error:
        raise BrokenSourceError(error.msg, error.lineno or None, is_certain=not _may_be_valid(error)) from None
    except ValueError:
        raise BrokenSourceError("source code string cannot contain null bytes") from None
    except (RecursionError, MemoryError):  # another Python, or one that is called less deeply, may not meet them
        raise BrokenSourceError("is nested too deeply", is_certain=False) from None


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
