"""What the statements of one Python file plainly bind: names, functions and classes.

Whatever takes evaluation, or a look into another file, is unknown. No check reports what is unknown.
"""

from __future__ import annotations

import _ast
import builtins
from collections.abc import Iterable, Iterator

from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_QUIET = (
    *("argparse.ArgumentParser", "builtins.float", "builtins.int", "builtins.str", "builtins.super", "logging."),
    *("optparse.OptionParser", "os.environ.get", "os.getenv", "os.path.", "pathlib.Path", "re.compile", "time."),
    "torch.device",
)
"""Functions that give no class, and change nothing in what they are given."""
Function = _ast.FunctionDef | _ast.AsyncFunctionDef | _ast.Lambda
FUNCTIONS = (_ast.FunctionDef, _ast.AsyncFunctionDef)
IMPORTS = (_ast.Import, _ast.ImportFrom)
_BINDING = (
    *(*FUNCTIONS, _ast.ClassDef, _ast.arg, _ast.Name, _ast.alias, _ast.ExceptHandler),
    *(_ast.MatchAs, _ast.MatchStar, _ast.MatchMapping),
    *(getattr(_ast, name, _ast.arg) for name in ("TypeVar", "ParamSpec", "TypeVarTuple")),  # of Python 3.12
)
_DISPLAYS = (_ast.Constant, _ast.JoinedStr, _ast.List, _ast.Tuple, _ast.Dict, _ast.Set)


class Value(Record):
    """What a name stands for."""

    # "class" or "function": defined in this file. "constant": nothing that can be called. "other": not a class of this
    # file. "unknown": anything, or nothing.
    kind: str
    line: int = 0  # the line that binds the name
    origin: str = ""  # the dotted name of what was imported, or the package that gave the value; empty if unknown
    node: Any = None  # the definition of a class or a function


UNKNOWN = Value("unknown")


class Scope:
    """The names that a module, or the body of a class, binds."""

    def __init__(self, body: Iterable[_ast.stmt]) -> None:
        self.names: dict[str, Value] = {}
        self.is_open = False  # whether a decorator from another module may bind more names: its argument names this one
        for node in body:
            if isinstance(node, IMPORTS):
                self._import(node)
            elif isinstance(node, (*FUNCTIONS, _ast.ClassDef)):
                self.names[node.name] = self._defined(node)
            elif isinstance(node, (_ast.Assign, _ast.AnnAssign)):
                self._assign(node)
            elif not isinstance(node, _ast.Expr):
                self._run_perhaps(node)

    def _import(self, node: _ast.Import | _ast.ImportFrom) -> None:
        for alias in node.names:
            module = f"{'.' * node.level}{node.module or ''}." if isinstance(node, _ast.ImportFrom) else ""
            name = alias.name if module or alias.asname else alias.name.partition(".")[0]
            self.names[alias.asname or name] = Value("other", node.lineno, f"{module}{name}")

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
            self.names.update(dict.fromkeys(bound_names(node), UNKNOWN))

    def _defined(self, node: _ast.FunctionDef | _ast.AsyncFunctionDef | _ast.ClassDef) -> Value:
        kind = "class" if isinstance(node, _ast.ClassDef) else "function"
        called = [getattr(decorator, "func", decorator) for decorator in node.decorator_list]
        origins = {self.origin(decorator) for decorator in called} - {"dataclasses.dataclass"}
        self.is_open |= any(origins)
        return Value("unknown" if origins or getattr(node, "keywords", None) else kind, node.lineno, "", node)

    def value(self, node: _ast.expr) -> Value:
        """Return what an expression gives: a literal, a name, or a call of a well-known function."""
        if isinstance(node, (*_DISPLAYS, _ast.Lambda)):
            return Value("function" if isinstance(node, _ast.Lambda) else "constant", node=node)
        if found := self.names.get(getattr(node, "id", "")):
            return found
        origin = self.origin(getattr(node, "func", node))
        if isinstance(node, _ast.Call):
            origin = origin.partition(".")[0] if origin.startswith(_QUIET) else ""
        return Value("other", origin=origin) if origin else UNKNOWN

    def origin(self, node: _ast.AST) -> str:
        """Return the dotted name of what a name, or an attribute of one, stands for; empty if it is not shown."""
        attributes = ""
        while isinstance(node, _ast.Attribute):
            attributes, node = f".{node.attr}{attributes}", node.value
        name = getattr(node, "id", "")
        found = self.names.get(name)
        origin = found.origin if found else f"builtins.{name}" if hasattr(builtins, name) else ""
        return origin and f"{origin}{attributes}"


def takes(function: Function, count: int) -> bool:
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


def bound_names(node: _ast.AST) -> list[str]:
    """Return the names that a node itself may bind."""
    if not isinstance(node, _BINDING) or isinstance(getattr(node, "ctx", None), _ast.Load):
        return []
    name = getattr(node, "asname", None) or getattr(node, "name", None)
    words = (name, *(getattr(node, field, None) for field in ("id", "rest", "arg")))
    return [word.partition(".")[0] for word in words if isinstance(word, str)]
