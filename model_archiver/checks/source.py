"""Reading a Python file into an outline of what it plainly shows; the file is never run."""

from __future__ import annotations

import _ast
import builtins
import sys
from functools import cached_property

from model_archiver.checks.names import FUNCTIONS, IMPORTS, UNKNOWN, Scope, Value, bound_names, children, root_of, walk
from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_LARGEST_SOURCE = 3 << 16  # bytes of a source that is judged: its tree takes a thousand times as much memory, and more
_DEEPEST = 150  # levels of a tree that is judged: what reads an expression calls itself for each level
_ONLY_TREE = 0x400  # ast.PyCF_ONLY_AST

_DYNAMIC = {
    *("*", "builtins", "ctypes", "currentframe", "delattr", "eval", "exec", "globals", "locals", "modules", "setattr"),
    *("vars", "_getframe", "__dir__", "__module__", "__package__", "__path__", "__setattr__", '"__module__'),
    *('"__package__', ".__code__", ".__defaults__", ".__dict__", ".__kwdefaults__", ".__module__", ".__setattr__"),
    *("._convert_", "._getframe", ".currentframe", ".f_globals"),
}
"""Words by which a file may bind, or change, what it does not show."""
_BINDING_WORDS = {"NameError", *_DYNAMIC} - {"ctypes", "delattr", "eval", "setattr", "vars"}
"""Words by which a file may bind new names of its own, or use names that nothing binds."""
_ELSEWHERE = {
    *("basestring", "buffer", "cmp", "execfile", "file", "intern", "long", "raw_input", "reduce", "reload", "unichr"),
    *("unicode", "xrange", "BaseExceptionGroup", "ExceptionGroup", "PythonFinalizationError", "WindowsError"),
    *("_", "copyright", "credits", "exit", "help", "license", "quit"),
}
"""Names that Python has in other versions, on other systems, or because of a module such as ``site``."""
_EMPTY_BASES = {"abc.ABC", "builtins.object"}
_PLAIN_BASES = ("abc.ABC", "builtins.object", "mms.", "torch.", "ts.")
"""Classes, and packages whose classes leave the methods of the classes that derive from them as they are written."""
_OWN_WAYS = {"__new__", "__class__", "__getattr__", "__getattribute__", "__class_getitem__", "__init_subclass__"}


class Outline:
    """What a Python file shows, except below ``if TYPE_CHECKING`` and ``if __name__ == "__main__"``."""

    def __init__(self, tree: _ast.Module, *, is_package: bool = False) -> None:
        self.words: set[str] = set()  # names, attributes with a dot in front, and strings with a quote in front
        self.loaded: dict[str, int] = {}  # the names that are read, but not by ``super``, each with a line
        self._bound: set[str] = set()  # the names that are bound, in any scope
        self.stored: set[str] = set()  # the attributes that are set, on any object
        self.is_active = False  # whether its import may do more than bind names
        self._rebound: set[str] = set()  # the names that ``:=`` and functions may bind
        self._calls: list[_ast.Call] = []  # outside all functions
        self._is_package = is_package
        self.body: list[_ast.stmt] = []  # the statements that its import runs
        for node in tree.body:
            if isinstance(node, _ast.If) and _never_runs(node):
                self.body += node.orelse
                self._bound.update(Scope(node.body).names)
            else:
                self.body.append(node)
        self._is_lazy = any(getattr(node, "module", "") == "__future__" for node in self.body)  # in annotations
        for node in self.body:
            self._look(node, 1)
        self.scope = Scope(self.body)  # the names that it binds at its top level
        self.scope.names.update(dict.fromkeys(self._rebound, UNKNOWN))
        self.is_active |= any(self.scope.value(call) is UNKNOWN for call in self._calls)
        # What it imports at its top level, under no condition: the line, the dotted name of the module, with the dots
        # of a relative import in front, and the names that are taken from it.
        self.imports: list[tuple[int, str, list[str]]] = []
        for node in self.body:
            names = [alias.name for alias in node.names] if isinstance(node, IMPORTS) else []
            if isinstance(node, _ast.ImportFrom):
                self.imports.append((node.lineno, f"{'.' * node.level}{node.module or ''}", names))
            else:
                self.imports += [(node.lineno, name, []) for name in names]

    def _look(self, node: _ast.AST, levels: int, *, is_inner: bool = False) -> None:
        """Note what stands in a node of a statement; `is_inner` says whether it is in the body of a function."""
        if levels > _DEEPEST:
            raise RecursionError
        for field in node._fields:
            word = getattr(node, field, None)
            if isinstance(word, str):
                self.words.add({"attr": ".", "value": '"'}.get(field, "") + word)
        self._bound.update(bound_names(node))
        if isinstance(node, _ast.Name) and isinstance(node.ctx, _ast.Load):
            self.loaded.setdefault(node.id, node.lineno)
        elif isinstance(node, _ast.ExceptHandler) and node.type is None:
            self.words.add("NameError")  # which it catches too
        elif isinstance(node, (_ast.Attribute, _ast.Subscript)) and not isinstance(node.ctx, _ast.Load):
            self.stored.add(getattr(node, "attr", ""))
            self.is_active |= not is_inner
        elif isinstance(node, (_ast.Global, _ast.NamedExpr)):
            self._rebound.update(node.names if isinstance(node, _ast.Global) else [node.target.id])
        elif isinstance(node, _ast.Return) and not is_inner:
            raise SyntaxError("'return' outside function", ("", node.lineno, 0, ""))
        elif isinstance(node, _ast.Call):
            # What is given the module's name, and is not a logger, may find and change the module.
            is_given = any(getattr(argument, "id", "") == "__name__" for argument in node.args)
            if is_given and "log" not in root_of(node).lower():
                self.words.add("globals")
            self._calls += [] if is_inner else [node]
            if getattr(node.func, "id", "") == "super":
                return
        unread = ("annotation", "returns") if self._is_lazy or isinstance(node, _ast.AnnAssign) else ()
        for field, child in [(field, child) for field, child in children(node) if field not in unread]:
            is_body = field == "body" and isinstance(node, (*FUNCTIONS, _ast.Lambda))
            self._look(child, levels + 1, is_inner=is_inner or is_body)

    @cached_property
    def is_open(self) -> bool:
        """Return whether it may bind names that it does not show."""
        is_dynamic = not _DYNAMIC.isdisjoint(self.words) or {"sys", ".modules"} <= self.words
        return is_dynamic or self.scope.is_open or not {"__getattr__", "__name__"}.isdisjoint(self.scope.names)

    @property
    def undefined(self) -> dict[str, int]:
        """Return the names that it reads, and that certainly nothing in it binds in any scope, each with a line."""
        if self._is_package or not _BINDING_WORDS.isdisjoint(self.words) or {"sys", ".modules"} <= self.words:
            return {}
        known = self._bound.union(self.scope.names, dir(builtins), _ELSEWHERE)
        return {name: line for name, line in self.loaded.items() if name not in known and not name.startswith("__")}

    def value(self, name: str) -> Value:
        """Return what a top-level name stands for; unknown if it may not be bound."""
        return UNKNOWN if self.is_open else self.scope.names.get(name, UNKNOWN)

    def lacks(self, name: str) -> bool:
        """Return whether the module certainly has no such attribute."""
        is_shown = not self.is_open and not self._is_package and not name.startswith("__")
        return is_shown and name not in self.scope.names

    @cached_property
    def classes(self) -> list[Class]:
        """Return the classes that are certainly defined, once for each of their names."""
        values = [] if self.is_open else self.scope.names.items()
        found = [Class(name, value.line, value.node, self) for name, value in values if value.kind == "class"]
        return sorted(found, key=lambda one: one.line)

    @property
    def may_have_more_classes(self) -> bool:
        """Return whether it may define other classes than those."""
        names = self.scope.names.items()
        return self.is_open or any(value.kind == "unknown" and not name.startswith("__") for name, value in names)

    @property
    def only_class(self) -> Class | None:
        """Return the class that the server takes, if it is certainly the only one that the file defines."""
        return self.classes[0] if len(self.classes) == 1 and not self.may_have_more_classes else None

    @property
    def inherits_initialize(self) -> bool:
        """Return whether the only class certainly runs the ``initialize`` of its base before anything of its own."""
        own = self.only_class
        if own is None or self.is_active or not own.is_plain or not own.is_made_plainly:
            return False
        function = own.method("initialize")
        if not isinstance(function, _ast.FunctionDef) or len(function.args.args) != 2:
            return "initialize" not in own.overridden
        is_text = isinstance(function.body[0], _ast.Expr) and isinstance(function.body[0].value, _ast.Constant)
        call = getattr([*function.body, None][int(is_text)], "value", None)
        context, nodes = function.args.args[1].arg, walk(call) if isinstance(call, _ast.Call) else ()
        words = [getattr(node, "id", getattr(node, "attr", "")) for node in nodes]
        begins = ([context, "initialize", "super"], [context, "initialize", "self", own.node.name, "super"])
        return [word for word in words if word] in begins


class Class(Record):
    """A class that a file defines at its top level."""

    name: str
    line: int  # that binds the name
    node: Any  # its definition
    outline: Outline  # of its file

    @cached_property
    def bases(self) -> tuple[str, ...]:
        """Return the dotted names of its bases; empty for one that the file does not show."""
        return tuple(map(self.outline.scope.origin, self.node.bases))

    @cached_property
    def members(self) -> dict[str, Value]:
        """Return what its body binds."""
        return Scope(self.node.body).names

    @property
    def overridden(self) -> frozenset[str]:
        """Return the names of the attributes that its body, or an assignment in the file to any object, sets."""
        return frozenset(self.members) | self.outline.stored

    @property
    def is_plain(self) -> bool:
        """Return whether only its body decides what its methods are: nothing else in the file uses it by its name."""
        is_used = self.node.name in self.outline.loaded or self.node.decorator_list
        has_plain_bases = all(base.startswith(_PLAIN_BASES) for base in self.bases)
        return has_plain_bases and not is_used and _OWN_WAYS.isdisjoint(self.overridden)

    @cached_property
    def is_made_plainly(self) -> bool:
        """Return whether ``__init__`` certainly only sets attributes: neither it nor what it calls changes others."""
        function = self.method("__init__")
        nodes = list(walk(function)) if function else []
        calls = (node for node in nodes if isinstance(node, _ast.Call) and getattr(node.func, "attr", "") != "__init__")
        stores = (node for node in nodes if isinstance(getattr(node, "ctx", None), (_ast.Store, _ast.Del)))
        is_quiet = all(self.outline.scope.value(call) is not UNKNOWN for call in calls)
        is_kept = function is not None or "__init__" not in self.overridden
        return is_kept and is_quiet and all(isinstance(node, _ast.Name) or root_of(node) == "self" for node in stores)

    def lacks(self, name: str) -> bool:
        """Return whether its instances certainly have no such attribute."""
        has_no_more = self.is_plain and _EMPTY_BASES.issuperset(self.bases) and self.is_made_plainly
        return has_no_more and name not in self.overridden

    def method(self, name: str) -> Any:  # noqa: ANN401 - as the definition of a function or a lambda
        """Return the definition of the method that its instances certainly have as it is written, or None."""
        value = self.members.get(name, UNKNOWN)
        is_kept = self.is_plain and value.kind == "function" and name not in self.outline.stored
        return value.node if is_kept and (name == "__init__" or self.is_made_plainly) else None


def read_outline(text: bytes, *, is_package: bool = False) -> Outline | SyntaxError | None:
    """Return the outline of a source, or why no Python accepts it; None if it is too large or too deep to be judged."""
    import warnings  # noqa: PLC0415 - only where there is a source

    if len(text) > _LARGEST_SOURCE:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about escapes that will be errors one day
            tree: _ast.Module = compile(text, "<source>", "exec", _ONLY_TREE, dont_inherit=True)
        return Outline(tree, is_package=is_package)
    except SyntaxError as error:
        return None if _may_be_valid(error) else error
    except ValueError:
        return SyntaxError("source code string cannot contain null bytes")
    except (RecursionError, MemoryError):  # another Python, or one that is called less deeply, may not meet them
        return None


def _never_runs(node: _ast.If) -> bool:
    """Return whether the condition is ``TYPE_CHECKING`` or ``__name__ == "__main__"``."""
    test = node.test
    is_equal = isinstance(test, _ast.Compare) and isinstance(test.ops[0], _ast.Eq)
    sides = (test.left, *test.comparators) if isinstance(test, _ast.Compare) and is_equal else (test,)
    words = {str(getattr(side, "id", getattr(side, "attr", getattr(side, "value", "")))) for side in sides}
    return words in ({"__name__", "__main__"}, {"TYPE_CHECKING"})


def _may_be_valid(error: SyntaxError) -> bool:
    """Return whether another Python, another system or other settings may accept what this Python rejects."""
    import re  # noqa: PLC0415 - few sources are broken

    may_be_valid = r"""^\s*(?:type|class|(?:async\s+)?def)\s+\w+\s*\[|\b[rR]?[tT][rR]?["']"""
    if sys.version_info < (3, 12):
        may_be_valid += r"""|^\s*type\s+\w+|^\s*except\s*\*|[\[:,]\s*\*\s*\w|\b[rR]?[fF][rR]?["']|^f-string"""
    may_be_valid += r"|^(?:unknown encoding|encoding problem): (?i:mbcs|dbcs|ansi|oem|cp)|^Exceeds the limit"
    return any(re.search(may_be_valid, text) for text in (error.text, error.msg) if text)
