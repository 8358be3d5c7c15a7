"""What the statements of one Python file plainly bind: names, functions and classes.

Whatever takes evaluation, or a look into another file, is unknown. No check reports what is unknown.
"""

from __future__ import annotations

import _ast
import builtins
from functools import cached_property

from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

QUIET = (
    *("builtins.float", "builtins.int", "builtins.str", "builtins.super", "logging.", "os.environ.get", "os.getenv"),
    *("os.path.", "pathlib.Path", "re.compile", "time.", "torch.device"),
)
"""Functions that give no class, and change nothing in what they are given."""
_EMPTY_BASES = {"abc.ABC", "enum.Enum", "typing.Generic", "typing.NamedTuple", "typing.Protocol", "typing.TypedDict"}
# Packages whose classes leave the methods of the classes that derive from them as they are written.
_PLAIN_BASES = {"abc", "builtins", "enum", "mms", "torch", "ts", "typing"}
_OWN_WAYS = {"__new__", "__getattr__", "__getattribute__", "__class_getitem__", "__init_subclass__"}
_CALLED_LATER = {"initialize", "handle", "preprocess", "inference", "postprocess"}
_ONLY_READ = {"super", "isinstance", "issubclass", "__init__", *_CALLED_LATER}
"""Functions that leave classes and instances as they are until the server has looked at them."""

FUNCTIONS = (_ast.FunctionDef, _ast.AsyncFunctionDef)
IMPORTS = (_ast.Import, _ast.ImportFrom)
_DISPLAYS = (_ast.Constant, _ast.JoinedStr, _ast.List, _ast.Tuple, _ast.Dict, _ast.Set)


class Value(Record):
    """What a name stands for."""

    # "class" or "function": defined in this file. "constant": nothing that can be called. "other": not a class of this
    # file. "unknown": anything, or nothing.
    kind: str
    line: int = 0  # the line that binds the name
    origin: str = ""  # the dotted name of what was imported, or was called for the value; empty if unknown
    node: Any = None  # the definition of a class or a function


UNKNOWN = Value("unknown")


class Scope:
    """The names that a module, or the body of a class, binds."""

    def __init__(self, body: Iterable[_ast.stmt], outer: Scope | None = None) -> None:
        self.names: dict[str, Value] = {}
        self.is_open = False  # whether a decorator from another module may bind more names: its argument names this one
        self._outer = outer
        self._run(body)

    def _run(self, body: Iterable[_ast.stmt]) -> None:
        for node in body:
            if isinstance(node, IMPORTS):
                self.names.update(_imported(node))
            elif isinstance(node, (*FUNCTIONS, _ast.ClassDef)):
                self.names[node.name] = self._defined(node)
            elif isinstance(node, (_ast.Assign, _ast.AnnAssign)):
                self._assign(node)
            elif isinstance(node, _ast.If) and is_never_true(node.test):
                self._run(node.orelse)
            elif not isinstance(node, _ast.Expr):
                self._run_perhaps(node)

    def _assign(self, node: _ast.Assign | _ast.AnnAssign) -> None:
        value = self.value(node.value) if node.value else None  # without one, an annotation binds nothing
        for target in node.targets if isinstance(node, _ast.Assign) else [node.target]:
            if value and isinstance(target, _ast.Name):
                self.names[target.id] = value.replace(line=target.lineno)
            elif value:
                self._run_perhaps(target)

    def _run_perhaps(self, statement: _ast.AST) -> None:
        """Bind what a compound statement, a deletion or an assignment to several targets may bind."""
        for node in walk(statement):
            bound = getattr(node, "name", None) or getattr(node, "rest", None)
            if isinstance(node, IMPORTS):
                self.names.update(dict.fromkeys(_imported(node), UNKNOWN))
            elif isinstance(node, _ast.Name) and not isinstance(node.ctx, _ast.Load):
                self.names[node.id] = UNKNOWN
            elif isinstance(bound, str) and not isinstance(node, _ast.alias):
                self.names[bound] = UNKNOWN

    def _defined(self, node: _ast.FunctionDef | _ast.AsyncFunctionDef | _ast.ClassDef) -> Value:
        kind = "class" if isinstance(node, _ast.ClassDef) else "function"
        called = [getattr(decorator, "func", decorator) for decorator in node.decorator_list]
        origins = {self.value(decorator).origin for decorator in called} - {"dataclasses.dataclass"}
        self.is_open |= self._outer is None and any(origins)
        has_keywords = isinstance(node, _ast.ClassDef) and node.keywords
        return Value("unknown" if origins or has_keywords else kind, node.lineno, "", node)

    def value(self, node: _ast.expr) -> Value:
        """Return what an expression gives: a literal, a name, or a call of a well-known function."""
        if isinstance(node, (*_DISPLAYS, _ast.Lambda)):
            return Value("function" if isinstance(node, _ast.Lambda) else "constant", node=node)
        if isinstance(node, _ast.Name):
            is_builtin = hasattr(builtins, node.id)
            return self._found(node.id) or (Value("other", origin=f"builtins.{node.id}") if is_builtin else UNKNOWN)
        if isinstance(node, _ast.Attribute) and (origin := self.value(node.value).origin):
            return Value("other", origin=f"{origin}.{node.attr}")
        if isinstance(node, _ast.Call) and (origin := self.value(node.func).origin).startswith(QUIET):
            return Value("other", origin=f"{origin}()")
        return UNKNOWN

    def _found(self, name: str) -> Value | None:
        return self.names.get(name) or (self._outer._found(name) if self._outer else None)


class Class(Record):
    """A class that a file defines at its top level."""

    node: Any  # its definition
    module: Scope
    facts: Facts  # of the file

    @cached_property
    def bases(self) -> tuple[str, ...]:
        """Return the dotted names of its bases; empty for one that the file does not show."""
        plain = [base.value if isinstance(base, _ast.Subscript) else base for base in self.node.bases]
        return tuple(self.module.value(base).origin for base in plain)

    @cached_property
    def members(self) -> dict[str, Value]:
        """Return what its body binds."""
        return Scope(self.node.body, self.module).names

    @cached_property
    def is_plain(self) -> bool:
        """Return whether only its body and its bases decide how it and its instances behave."""
        methods = [node for node in self.node.body if isinstance(node, FUNCTIONS) and node.name not in _CALLED_LATER]
        instances = {argument.arg for method in methods for argument in method.args.args[:1]}
        is_given = not self.facts.given.isdisjoint({self.node.name, *instances})
        is_changed = is_given or "__class__" in self.facts.stored or self.node.decorator_list
        return not is_changed and _OWN_WAYS.isdisjoint(self.members)

    @property
    def overridden(self) -> frozenset[str]:
        """Return the names of the attributes that its body, or an assignment in the file to any object, sets."""
        return frozenset(self.members) | self.facts.stored

    @property
    def has_plain_bases(self) -> bool:
        """Return whether its bases leave its methods, and what a call of it gives, as they are."""
        packages = {base.partition(".")[0] for base in self.bases}
        return self.is_plain and packages <= _PLAIN_BASES and "builtins.list" not in self.bases

    def lacks(self, name: str) -> bool:
        """Return whether its instances certainly have no such attribute."""
        has_empty_bases = all(base in _EMPTY_BASES or base.startswith("builtins.") for base in self.bases)
        return self.is_plain and has_empty_bases and name not in self.overridden

    def method(self, name: str) -> Any:  # noqa: ANN401 - as the definition of a function or a lambda
        """Return the definition of the method that its instances certainly have as it is written, or None."""
        value = self.members.get(name, UNKNOWN)
        is_kept = self.has_plain_bases and value.kind == "function" and name not in self.facts.stored
        return value.node if is_kept else None


class Facts:
    """What stands anywhere in a file, except below ``if TYPE_CHECKING`` and ``if __name__ == "__main__"``."""

    def __init__(self, tree: _ast.Module) -> None:
        self.words: set[str] = set()  # names, attributes with a dot in front, and strings with a quote in front
        self.stored: set[str] = set()  # the attributes that are set, on any object
        self.given: set[str] = set()  # the names that are arguments of calls
        self.imported: set[str] = set()  # the top packages of what is imported; empty for a relative import
        self.rebound: set[str] = set()  # the names that := may bind at the top level
        self.declared_global: set[str] = set()  # what functions may bind at the top level, if they are called
        self.outer_calls: list[_ast.Call] = []  # the calls outside all functions
        self.patches = False  # whether an attribute is set on anything but self
        self.depth = 0  # the levels of the tree
        self.stray_return = 0  # the line of a return outside all functions
        waiting: list[tuple[_ast.AST, int, bool, bool]] = [(tree, 0, False, False)]
        while waiting:
            node, depth, is_inner, is_given = waiting.pop()
            self.depth = max(self.depth, depth)
            self._add(node, is_inner, is_given)
            skipped = ("body", "test") if isinstance(node, _ast.If) and is_never_true(node.test) else ()
            opens = isinstance(node, (*FUNCTIONS, _ast.Lambda))
            is_read = (
                isinstance(node, _ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in _ONLY_READ
            )
            gives = not is_read if isinstance(node, _ast.Call) else is_given
            for field, child in children(node):
                if field not in skipped:
                    is_body = opens and field == "body"
                    waiting.append((child, depth + 1, is_inner or is_body, gives and field != "func"))

    def _add(self, node: _ast.AST, is_inner: bool, is_given: bool) -> None:
        for field in node._fields:
            word = getattr(node, field, None)
            if isinstance(word, str):
                self.words.add({"attr": ".", "value": '"'}.get(field, "") + word)
        if isinstance(node, _ast.Name) and is_given:
            self.given.add(node.id)
        elif isinstance(node, _ast.Attribute) and not isinstance(node.ctx, _ast.Load):
            self.stored.add(node.attr)
            self.patches |= root_of(node) != "self"
        elif isinstance(node, IMPORTS):
            self.imported.update(value.origin.partition(".")[0] for value in _imported(node).values())
        elif isinstance(node, _ast.Global):
            self.declared_global.update(node.names)
        elif isinstance(node, _ast.NamedExpr) and not is_inner:
            self.rebound.add(node.target.id)
        elif isinstance(node, _ast.Call) and not is_inner:
            self.outer_calls.append(node)
        elif isinstance(node, _ast.Return) and not is_inner:
            self.stray_return = node.lineno


def is_never_true(test: _ast.expr) -> bool:
    """Return whether a condition is ``TYPE_CHECKING`` or ``__name__ == "__main__"``."""
    if isinstance(test, _ast.Compare) and isinstance(test.ops[0], _ast.Eq):
        sides = {str(getattr(side, "id", getattr(side, "value", ""))) for side in (test.left, *test.comparators)}
        return sides == {"__main__", "__name__"}
    return "TYPE_CHECKING" in (getattr(test, "id", ""), getattr(test, "attr", ""))


def takes(function: Any, count: int) -> bool:  # noqa: ANN401 - as the definition of a function or a lambda
    """Return whether a function can be called with some number of positional arguments and nothing else."""
    arguments = function.args
    most = len(arguments.posonlyargs) + len(arguments.args)
    is_enough = most - len(arguments.defaults) <= count and None not in arguments.kw_defaults
    return is_enough and (count <= most or arguments.vararg is not None)


def is_generator(function: _ast.AST) -> bool:
    """Return whether a call of a function certainly only makes a generator."""
    nodes = list(walk(function))
    inner = sum(isinstance(node, (*FUNCTIONS, _ast.Lambda, _ast.ClassDef)) for node in nodes)
    return inner == 1 and any(isinstance(node, (_ast.Yield, _ast.YieldFrom)) for node in nodes)


def root_of(node: _ast.AST) -> str:
    """Return the first name in an expression such as ``a.b(...)[0].c``; empty if it begins with something else."""
    while isinstance(node, (_ast.Attribute, _ast.Subscript, _ast.Call)):
        node = node.func if isinstance(node, _ast.Call) else node.value
    return getattr(node, "id", "")


def children(node: _ast.AST) -> Iterator[tuple[str, _ast.AST]]:
    """Yield the nodes in a node, each with the name of its field."""
    for field in node._fields:
        value = getattr(node, field, None)
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, _ast.AST) and field != "ctx":
                yield field, item


def walk(node: _ast.AST) -> Iterator[_ast.AST]:
    """Yield a node and all in it, each before those in it."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(child for _, child in children(node))


def _imported(node: _ast.Import | _ast.ImportFrom) -> dict[str, Value]:
    """Return what an import statement binds."""
    origins = {}
    for alias in node.names:
        if isinstance(node, _ast.ImportFrom):
            origins[alias.asname or alias.name] = f"{'.' * node.level}{node.module or ''}.{alias.name}"
        else:
            top = alias.name.partition(".")[0]
            origins[alias.asname or top] = alias.name if alias.asname else top
    return {name: Value("other", node.lineno, origin) for name, origin in origins.items()}
