"""What the statements of one Python file plainly bind: names, functions and classes.

Whatever takes evaluation, or a look into another file, is unknown. No check reports what is unknown.
"""

from __future__ import annotations

import _ast
import builtins

from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import Any

_QUIET = (
    *("argparse.ArgumentParser", "builtins.float", "builtins.int", "builtins.str", "builtins.super", "logging."),
    *("optparse.OptionParser", "os.environ.get", "os.getenv", "os.path.", "pathlib.Path", "re.compile", "time."),
    "torch.device",
)
"""Functions that give no class, and change nothing in what they are given."""
_ELSEWHERE = {
    *("basestring", "buffer", "cmp", "execfile", "file", "intern", "long", "raw_input", "reduce", "reload", "unichr"),
    *("unicode", "xrange", "BaseExceptionGroup", "ExceptionGroup", "PythonFinalizationError", "WindowsError"),
    *("_", "copyright", "credits", "exit", "help", "license", "quit"),
}
"""Names that Python has in other versions, on other systems, or because of a module such as ``site``."""
FUNCTIONS = (_ast.FunctionDef, _ast.AsyncFunctionDef)
IMPORTS = (_ast.Import, _ast.ImportFrom)
_ANNOTATED = (*FUNCTIONS, _ast.ClassDef, _ast.arg, _ast.AnnAssign, _ast.Try)
_BINDING = (
    *(*FUNCTIONS, _ast.ClassDef, _ast.arg, _ast.Name, _ast.alias, _ast.ExceptHandler),
    *(_ast.MatchAs, _ast.MatchStar, _ast.MatchMapping),
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
    """The names that a module, or the body of a class or a function, binds."""

    def __init__(self, body: Iterable[_ast.stmt], outer: Mapping[str, Value] | None = None) -> None:
        self.names = dict(outer or {})
        self.is_open = False  # whether a decorator from another module may bind more names: its argument names this one
        for node in body:
            if isinstance(node, IMPORTS):
                self.names.update(_imported(node))
            elif isinstance(node, (*FUNCTIONS, _ast.ClassDef)):
                self.names[node.name] = self._defined(node)
            elif isinstance(node, (_ast.Assign, _ast.AnnAssign)):
                self._assign(node)
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
            self.names.update(dict.fromkeys(_bound(node), UNKNOWN))

    def _defined(self, node: _ast.FunctionDef | _ast.AsyncFunctionDef | _ast.ClassDef) -> Value:
        kind = "class" if isinstance(node, _ast.ClassDef) else "function"
        called = [getattr(decorator, "func", decorator) for decorator in node.decorator_list]
        origins = {self.origin(decorator) for decorator in called} - {"dataclasses.dataclass"}
        self.is_open |= any(origins)
        is_changed = origins or getattr(node, "keywords", None)
        return Value("unknown" if is_changed else kind, node.lineno, "", node)

    def value(self, node: _ast.expr) -> Value:
        """Return what an expression gives: a literal, a name, or a call of a well-known function."""
        if isinstance(node, (*_DISPLAYS, _ast.Lambda)):
            return Value("function" if isinstance(node, _ast.Lambda) else "constant", node=node)
        if found := self.names.get(getattr(node, "id", "")):
            return found
        if isinstance(node, _ast.Call):
            origin = self.origin(node.func)
            origin = origin.partition(".")[0] if origin.startswith(_QUIET) else ""
        else:
            origin = self.origin(node)
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


def parameters(function: Any) -> list[_ast.arg]:  # noqa: ANN401 - as the definition of a function or a lambda
    """Return the parameters of a function."""
    return [node for node in walk(function.args) if isinstance(node, _ast.arg)]


def undefined_names(
    parts: Sequence[Sequence[_ast.AST]], known: Iterable[str], *, has_lazy_types: bool
) -> dict[str, int]:
    """Return the names that certainly nothing binds where a module reads them, each with its first line.

    Args:
        parts: all nodes outside functions, and for each outermost function its parameters and all nodes in its body.
        known: the names that the module binds at its top level.
        has_lazy_types: whether Python does not evaluate its annotations.
    """
    unused = ("type_params", "annotation", "returns") if has_lazy_types else ("type_params",)
    annotated = (node for nodes in parts for node in nodes if isinstance(node, _ANNOTATED))
    defined = {name for node in annotated for name in _excused(node, unused)}.union(known, dir(builtins), _ELSEWHERE)
    lines: dict[str, int] = {}
    for nodes in parts:
        bound = {name for node in nodes if isinstance(node, _BINDING) for name in _bound(node)}
        for node in nodes:
            if isinstance(node, _ast.Name) and node.id not in bound and node.id not in defined:
                lines[node.id] = min(node.lineno, lines.get(node.id, node.lineno))
    return {name: line for name, line in lines.items() if not name.startswith("__")}


def _bound(node: _ast.AST) -> Iterator[str]:
    """Yield the names that a node itself may bind."""
    is_read = isinstance(getattr(node, "ctx", None), _ast.Load)
    name = getattr(node, "asname", None) or getattr(node, "name", None)
    for word in () if is_read else (name, *(getattr(node, field, None) for field in ("id", "rest"))):
        if isinstance(word, str):
            yield word.partition(".")[0]
    if isinstance(node, _ast.arg):
        yield node.arg


def _excused(node: _ast.AST, unused: Collection[str]) -> Iterator[str]:
    """Yield names that may be undefined: in fields that Python does not evaluate, or for an ``except``."""
    is_variable = isinstance(node, _ast.AnnAssign)  # whose annotation Python does not evaluate in functions
    parts = [child for field, child in children(node) if field in unused or (is_variable and field == "annotation")]
    if isinstance(node, _ast.Try) and any(map(_is_for_names, node.handlers)):
        parts += node.body
    for part in parts:
        for each in walk(part):
            yield getattr(each, "id", getattr(each, "name", ""))


def _is_for_names(handler: _ast.ExceptHandler) -> bool:
    """Return whether an ``except`` is for a name that is not defined, or for everything."""
    return handler.type is None or any(getattr(node, "id", "") == "NameError" for node in walk(handler.type))


def _imported(node: _ast.Import | _ast.ImportFrom) -> dict[str, Value]:
    """Return what an import statement binds."""
    origins = {}
    for alias in node.names:
        module = f"{'.' * node.level}{node.module or ''}." if isinstance(node, _ast.ImportFrom) else ""
        name = alias.name if module or alias.asname else alias.name.partition(".")[0]
        origins[alias.asname or name] = f"{module}{name}"
    return {name: Value("other", node.lineno, origin) for name, origin in origins.items()}
