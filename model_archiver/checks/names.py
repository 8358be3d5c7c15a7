"""What the statements of one Python file plainly bind: its names, functions and classes.

Whatever takes evaluation, or a look into another file, is unknown. Nobody reports what is unknown.
"""

from __future__ import annotations

import _ast
import builtins
import sys
from functools import cached_property

from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

_LIBRARIES = sys.stdlib_module_names | {"PIL", "builtins", "cv2", "numpy", "torch", "torchvision", "transformers", "ts", "yaml"}
"""Packages whose functions make no class of the module that calls them, and change nothing in it."""
_MAKE_CLASSES = {"NamedTuple", "TypedDict", "getattr", "make_dataclass", "namedtuple", "next", "type"}
_MAKE_MANY = {"abc", "enum", "types"}
"""The exceptions: functions, and packages with many of them."""
_KEEP_CLASS = {"dataclasses.dataclass", "enum.unique", "functools.total_ordering", "typing.final"}
_EMPTY_BASES = {"abc.ABC", "enum.Enum", "typing.Generic", "typing.NamedTuple", "typing.Protocol", "typing.TypedDict"}
_PLAIN_BASES = {"abc", "builtins", "mms", "torch", "ts", "typing"}
"""Packages whose classes leave the methods of those that derive from them as they are written."""
_OWN_WAYS = {"__new__", "__getattr__", "__getattribute__", "__class_getitem__", "__init_subclass__"}
_CALLED_LATER = {"initialize", "handle", "preprocess", "inference", "postprocess"}

FUNCTIONS = (_ast.FunctionDef, _ast.AsyncFunctionDef)
IMPORTS = (_ast.Import, _ast.ImportFrom)
_DISPLAYS = (_ast.Constant, _ast.JoinedStr, _ast.List, _ast.Tuple, _ast.Dict, _ast.Set)
_RESULTS = (_ast.Compare, _ast.UnaryOp, _ast.BinOp, _ast.GeneratorExp, _ast.ListComp, _ast.SetComp, _ast.DictComp)


class Value(Record):
    """What a name stands for.

    Attributes:
        kind: ``class`` or ``function``: defined in this file. ``constant``: nothing that can be called. ``other``: not a
            class of this file. ``unknown``: anything, or nothing.
        line: the line that binds the name.
        origin: the dotted name of what was imported, or was called for the value; empty if unknown.
        node: the definition of a class or a function.
    """

    kind: str
    line: int = 0
    origin: str = ""
    node: Any = None


UNKNOWN = Value("unknown")


class Scope:
    """The names that a module, or the body of a class, binds.

    Attributes:
        names: what each name stands for.
        is_open: whether a decorator of another module may bind more: what it gets names this module.
    """

    def __init__(self, body: Iterable[_ast.stmt], outer: Scope | None = None) -> None:
        self.names: dict[str, Value] = {}
        self.is_open = False
        self._outer = outer
        self._run(body)

    def _run(self, body: Iterable[_ast.stmt]) -> None:
        for node in body:
            if isinstance(node, IMPORTS):
                self.names.update(_imported(node))
            elif isinstance(node, (*FUNCTIONS, _ast.ClassDef)):
                self.names[node.name] = self._defined(node)
            elif isinstance(node, (_ast.Assign, _ast.AnnAssign)) and node.value is not None:
                value = self.value(node.value)
                for target in node.targets if isinstance(node, _ast.Assign) else [node.target]:
                    if isinstance(target, _ast.Name):
                        self.names[target.id] = value.replace(line=target.lineno)
                    else:
                        self._run_perhaps(target)
            elif isinstance(node, _ast.Delete) and all(isinstance(target, _ast.Name) for target in node.targets):
                for target in node.targets:
                    self.names.pop(getattr(target, "id", ""), None)
            elif isinstance(node, _ast.If) and is_never_true(node.test):
                self._run(node.orelse)
            elif not isinstance(node, _ast.Expr):
                self._run_perhaps(node)

    def _run_perhaps(self, statement: _ast.AST) -> None:
        """Bind what a statement may bind that holds others, or has targets that are not plain names."""
        plain: set[int] = set()
        for node in walk(statement):
            bound = getattr(node, "name", None) or getattr(node, "rest", None)
            if isinstance(node, IMPORTS):
                for name, value in _imported(node).items():
                    self.names[name] = value.replace(origin="") if self._is_no_class(name) else UNKNOWN
            elif isinstance(node, (_ast.Assign, _ast.AugAssign)) and not isinstance(node.value, _ast.Name):
                targets = node.targets if isinstance(node, _ast.Assign) else [node.target]
                is_plain = isinstance(node, _ast.AugAssign) or isinstance(node.value, _ast.Constant)
                plain.update(id(item) for item in targets if is_plain and self._is_no_class(getattr(item, "id", "")))
            elif isinstance(node, _ast.Name) and not isinstance(node.ctx, _ast.Load):
                self.names[node.id] = Value("other" if id(node) in plain else "unknown", node.lineno)
            elif isinstance(bound, str) and not isinstance(node, _ast.alias):
                self.names[bound] = UNKNOWN

    def _is_no_class(self, name: str) -> bool:
        return name not in self.names or self.names[name].kind not in ("class", "unknown")

    def _defined(self, node: _ast.FunctionDef | _ast.AsyncFunctionDef | _ast.ClassDef) -> Value:
        kind = "class" if isinstance(node, _ast.ClassDef) else "function"
        decorators = [item.func if isinstance(item, _ast.Call) else item for item in node.decorator_list]
        for value in map(self.value, decorators):
            if kind == "class" and value.origin in _KEEP_CLASS:
                continue
            kind = "other" if kind in ("function", "other") and makes_no_class(value) else "unknown"
            self.is_open |= self._outer is None and bool(value.origin) and not makes_no_class(value)
        if any(self.value(keyword.value).origin != "abc.ABCMeta" for keyword in getattr(node, "keywords", ())):
            kind = "unknown"
        return Value(kind, node.lineno, "", node)

    def value(self, node: _ast.expr) -> Value:
        """Return what an expression gives."""
        if isinstance(node, _DISPLAYS):
            return Value("constant", origin="builtins.str()" if isinstance(node, (_ast.Constant, _ast.JoinedStr)) else "")
        if isinstance(node, _ast.Lambda):
            return Value("function", node=node)
        if isinstance(node, _RESULTS):
            return Value("other")
        if isinstance(node, _ast.Name):
            return self._looked_up(node.id)
        if isinstance(node, (_ast.Attribute, _ast.Subscript)):
            whole, part = self.value(node.value).origin, getattr(node, "attr", "[]")
            return Value("other", origin=f"{whole}.{part}") if whole else UNKNOWN
        if isinstance(node, _ast.Call):
            called, given = self.value(node.func), [*node.args, *node.keywords]
            names = {inner.id for part in given for inner in walk(part) if isinstance(inner, _ast.Name)}
            is_plain = makes_no_class(called) and (called.origin == "builtins.super" or all(map(self._is_no_class, names)))
            return Value("other", origin=f"{called.origin}()") if is_plain else UNKNOWN
        parts = [node.body, node.orelse] if isinstance(node, _ast.IfExp) else getattr(node, "values", ())  # of and, or
        is_known = parts and {self.value(part).kind for part in parts}.isdisjoint(("class", "unknown"))
        return Value("other") if is_known else UNKNOWN

    def _looked_up(self, name: str) -> Value:
        if name in self.names:
            return self.names[name]
        if self._outer is not None:
            return self._outer._looked_up(name)
        return Value("other", origin=f"builtins.{name}") if hasattr(builtins, name) else UNKNOWN


class Function(Record):
    """A function without decorators, or a lambda.

    Attributes:
        node: its definition.
    """

    node: Any

    @property
    def is_async(self) -> bool:
        """Return whether it is an ``async def``."""
        return isinstance(self.node, _ast.AsyncFunctionDef)

    @property
    def is_generator(self) -> bool:
        """Return whether a call of it certainly only makes a generator."""
        nodes = list(walk(self.node))
        inner = (*FUNCTIONS, _ast.Lambda, _ast.ClassDef)
        yields = any(isinstance(node, (_ast.Yield, _ast.YieldFrom)) for node in nodes)
        return yields and sum(isinstance(node, inner) for node in nodes) == 1

    def takes(self, count: int) -> bool:
        """Return whether it can be called with some number of positional arguments and nothing else."""
        arguments = self.node.args
        most = len(arguments.posonlyargs) + len(arguments.args)
        is_enough = most - len(arguments.defaults) <= count and None not in arguments.kw_defaults
        return is_enough and (count <= most or arguments.vararg is not None)

    @property
    def parameters(self) -> str:
        """Return the parameters as they stand in the source."""
        import ast  # noqa: PLC0415 - only for a message

        return f"({ast.unparse(self.node.args)})"


class Class:
    """A class that a file defines at its top level.

    Attributes:
        name: the name of its definition.
        line: the line of its definition.
        node: its definition.
        bases: the dotted names of its bases; empty for one that the file does not show.
    """

    def __init__(self, node: _ast.ClassDef, module: Scope, facts: Facts) -> None:
        self.name = node.name
        self.line = node.lineno
        self.node = node
        plain = [base.value if isinstance(base, _ast.Subscript) else base for base in node.bases]
        self.bases = tuple(module.value(base).origin for base in plain)
        self._module = module
        self._facts = facts

    @cached_property
    def members(self) -> dict[str, Value]:
        """Return what its body binds."""
        return Scope(self.node.body, self._module).names

    @cached_property
    def is_plain(self) -> bool:
        """Return whether it is only what its body and its bases make of it, and its instances are made as usual."""
        methods = [node for node in self.node.body if isinstance(node, FUNCTIONS) and node.name not in _CALLED_LATER]
        instances = {argument.arg for method in methods for argument in method.args.args[:1]}
        is_changed = "__class__" in self._facts.stored or not self._facts.given.isdisjoint({self.name, *instances})
        return not (is_changed or self.node.keywords or self.node.decorator_list) and _OWN_WAYS.isdisjoint(self.members)

    def lacks(self, name: str) -> bool:
        """Return whether its instances certainly have no such attribute."""
        has_empty_bases = all(base in _EMPTY_BASES or base.startswith("builtins.") for base in self.bases)
        return self.is_plain and has_empty_bases and name not in self.overridden

    def method(self, name: str) -> Function | None:
        """Return the method that its instances certainly have as it is written."""
        value = self.members.get(name, UNKNOWN)
        is_kept = self.is_plain and all(base.partition(".")[0] in _PLAIN_BASES for base in self.bases)
        return Function(value.node) if is_kept and value.kind == "function" and name not in self._facts.stored else None

    @property
    def makes_no_list(self) -> bool:
        """Return whether a call of it certainly gives no list."""
        return self.is_plain and "builtins.list" not in self.bases and all(base in _EMPTY_BASES or base.partition(".")[0] in _PLAIN_BASES for base in self.bases)

    @property
    def overridden(self) -> frozenset[str]:
        """Return the names of the attributes that its body sets, or anything in the file on any object."""
        return frozenset(self.members) | self._facts.stored


class Facts:
    """What stands anywhere in a file, but for the bodies of ``if TYPE_CHECKING`` and ``if __name__ == "__main__"``.

    Attributes:
        words: the names in the file, the attributes with a dot in front, and the strings with a quote in front.
        stored: names of attributes that are set, on any object.
        given: names that are arguments of calls.
        rebound: names that a ``global`` statement or ``:=`` may bind at the top level.
        outer_calls: the calls outside all functions.
        depth: how deep the tree is.
        patches: whether an attribute is set on anything but ``self``.
        stray_return: the line of a ``return`` outside all functions, or 0.
    """

    def __init__(self, tree: _ast.Module) -> None:
        self.words: set[str] = set()
        self.stored: set[str] = set()
        self.given: set[str] = set()
        self.rebound: set[str] = set()
        self.outer_calls: list[_ast.Call] = []
        self.depth = self.stray_return = 0
        self.patches = False
        waiting: list[tuple[_ast.AST, int, bool, bool]] = [(tree, 0, False, False)]
        while waiting:
            node, depth, is_inner, is_given = waiting.pop()
            self.depth = max(self.depth, depth)
            self._look_at(node, is_inner, is_given)
            skipped = {"body", "test"} if isinstance(node, _ast.If) and is_never_true(node.test) else ()
            inner = {"body"} if isinstance(node, (*FUNCTIONS, _ast.Lambda)) else ()
            given = {"args", "keywords"} if isinstance(node, _ast.Call) and not _only_reads(node.func) else ()
            for field, child in children(node):
                if field not in skipped:
                    hands_on = is_given and not isinstance(node, _ast.Call)
                    waiting.append((child, depth + 1, is_inner or field in inner, hands_on or field in given))

    def _look_at(self, node: _ast.AST, is_inner: bool, is_given: bool) -> None:
        for field in node._fields:
            word = getattr(node, field, None)
            if isinstance(word, str):
                self.words.add({"attr": ".", "value": '"'}.get(field, "") + word)
        if isinstance(node, _ast.Name) and is_given:
            self.given.add(node.id)
        elif isinstance(node, _ast.Attribute) and not isinstance(node.ctx, _ast.Load):
            self.stored.add(node.attr)
            self.patches |= root_of(node) != "self"
        elif isinstance(node, _ast.Global):
            self.rebound.update(node.names)
        elif isinstance(node, _ast.NamedExpr) and not is_inner:
            self.rebound.add(node.target.id)
        elif isinstance(node, _ast.Call) and not is_inner:
            self.outer_calls.append(node)
        elif isinstance(node, _ast.Return) and not is_inner:
            self.stray_return = node.lineno


def makes_no_class(called: Value) -> bool:
    """Return whether a call certainly gives no class of this module, if no class of it is an argument."""
    package, _, rest = called.origin.partition(".")
    return package in _LIBRARIES - _MAKE_MANY and rest not in _MAKE_CLASSES


def is_never_true(test: _ast.expr) -> bool:
    """Return whether a condition is ``TYPE_CHECKING`` or ``__name__ == "__main__"``."""
    if isinstance(test, _ast.Compare) and isinstance(test.ops[0], _ast.Eq):
        sides = [getattr(side, "id", getattr(side, "value", "")) for side in (test.left, *test.comparators)]
        return sorted(map(str, sides)) == ["__main__", "__name__"]
    return "TYPE_CHECKING" in (getattr(test, "id", ""), getattr(test, "attr", ""))


def root_of(node: _ast.AST | None) -> str:
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
    if isinstance(node, _ast.ImportFrom):
        start = f"{'.' * node.level}{node.module or ''}"
        return {alias.asname or alias.name: Value("other", node.lineno, f"{start}.{alias.name}") for alias in node.names}
    pairs = [(alias.asname, alias.name) if alias.asname else (alias.name.partition(".")[0],) * 2 for alias in node.names]
    return {name: Value("other", node.lineno, origin) for name, origin in pairs}


def _only_reads(called: _ast.expr) -> bool:
    """Return whether a call changes no class or instance that it is given, before the server looks for its methods."""
    name = getattr(called, "id", "") or getattr(called, "attr", "")
    return name in {"super", "isinstance", "issubclass", "__init__", *_CALLED_LATER}
