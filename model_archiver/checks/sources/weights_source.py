"""What a model file or a handler does with weights, as far as its source tells for certain."""

from __future__ import annotations

import ast
import builtins
import re
from collections import defaultdict
from itertools import islice
from typing import TYPE_CHECKING

from model_archiver.checks.sources.python_module import last_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from model_archiver.checks.sources.python_module import PythonModule

_BRINGS = re.compile(
    r"load|pretrained|hub|weights|checkpoint|ckpt|state_dict|restore|from(file|buffer)|(fill|constant|copy|eye)_$|open$",
    re.IGNORECASE,
)
_STARTS = re.compile(r"init|reset", re.IGNORECASE)
_CONDITIONS = (ast.If, ast.IfExp, ast.BoolOp, ast.Match)
_PATH = ""
_MOST_NODES = 500_000
_KNOWN = {"F", "math", "nn", "self", "torch", *dir(builtins)}
"""Where a call begins that brings no weights from elsewhere."""

_LAYER = re.compile(
    r"(Lazy)?((Bil|L)inear|Conv(Transpose)?[123]d|Embedding(Bag)?|(LSTM|GRU|RNN)(Cell)?|MultiheadAttention"
    r"|Transformer\w*|rand|randn|empty)"
)
"""What is random before it is loaded: layers of torch.nn, and what a parameter is made of."""


def leaves_random(module: PythonModule) -> bool:
    """Whether a model file makes a model that has weights, it seems, and nothing in it brings them from elsewhere."""
    if may_bring(module):
        return False
    classes = [node for node in module.tree.body if isinstance(node, ast.ClassDef)]
    defined = {node.name for node in ast.walk(module.tree) if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    known = _KNOWN | defined | _of_torch(module.tree)
    called = [node.func for node in ast.walk(module.tree) if isinstance(node, ast.Call)]
    has_layers = any(_LAYER.fullmatch(last_name(part)) for part in [*called, *_bases(classes)])
    return has_layers and "to" not in defined and all(_root(call.func) in known for call in _made(classes))


def may_bring(module: PythonModule) -> bool:
    """Whether a word of a module's is one of those by which weights are brought from somewhere."""
    return any(_BRINGS.search(name) and not _STARTS.search(name) for name in _names(module.tree))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, (ast.keyword, ast.alias)):
            yield getattr(node, "arg", None) or getattr(node, "name", None) or ""


def _made(classes: Iterable[ast.ClassDef]) -> list[ast.Call]:
    """What is called when an instance is made."""
    items = (item for node in classes for item in node.body)
    makers = [item for item in items if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
    return [call for maker in makers for call in ast.walk(maker) if isinstance(call, ast.Call)]


def _bases(classes: Iterable[ast.ClassDef]) -> Iterator[ast.expr]:
    return (base for node in classes for base in node.bases)


def _of_torch(tree: ast.Module) -> set[str]:
    """The names that a module imports from torch, which brings no weights."""
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return {
        alias.asname or alias.name
        for node in froms
        if not node.level and f"{node.module}.".startswith("torch.")
        for alias in node.names
    }


def _root(called: ast.expr) -> str:
    """The name with which an expression begins."""
    while isinstance(called, (ast.Attribute, ast.Call, ast.Subscript)):
        called = called.func if isinstance(called, ast.Call) else called.value
    return last_name(called)


def loads_plainly(module: PythonModule, file_name: str) -> bool:
    """Whether a handler calls ``torch.load`` on the weights, always, and without a word on what that may take.

    Args:
        module: the handler.
        file_name: of the weights.
    """
    paths = _Paths(module.tree, ("serializedFile", file_name))
    return any(_is_plain(call) and paths.lead(call.args[0]) for call in _certain_calls(module.tree) if call.args)


def _is_plain(call: ast.Call) -> bool:
    """Whether it is ``torch.load(path)``, perhaps with a ``map_location``."""
    function = call.func
    is_load = isinstance(function, ast.Attribute) and function.attr == "load" and last_name(function.value) == "torch"
    options = {keyword.arg for keyword in call.keywords}
    return is_load and len(call.args) <= 2 and options <= {"map_location", "mmap"}


def _certain_calls(tree: ast.Module) -> Iterator[ast.Call]:
    """The calls that stand under no condition, and of which no failure is caught."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        for child in ast.iter_child_nodes(waiting.pop()):
            if isinstance(child, ast.Call):
                yield child
            if not isinstance(child, _CONDITIONS) and not (isinstance(child, ast.Try) and child.handlers):
                waiting.append(child)


class _Paths:
    """Which names of a module stand for the path of a file, whatever function they are in.

    A name does where all that is assigned to it is made of the path, or of names that do.
    """

    def __init__(self, tree: ast.Module, words: Iterable[str]) -> None:
        self._words = set(words)
        self._left = _MOST_NODES
        self._names = {_PATH}
        self._unsure: dict[str, set[int]] = {}
        self._users: dict[str, list[tuple[str, int]]] = defaultdict(list)
        for name, given in _assigned(tree).items():
            self._unsure[name] = set(range(len(given)))
            for index, value in enumerate(given):
                for part in set(self._parts(value)):
                    self._users[part].append((name, index))
        self._spread()

    def _spread(self) -> None:
        """From the path itself to the names that are made of it, and on to those that are made of them."""
        found = [_PATH]
        while found:
            for name, index in self._users.pop(found.pop(), ()):
                self._unsure[name].discard(index)
                if not self._unsure[name] and name not in self._names:
                    self._names.add(name)
                    found.append(name)

    def lead(self, node: ast.expr) -> bool:
        """Whether an expression is made of the path."""
        return any(part in self._names for part in self._parts(node))

    def _parts(self, node: ast.expr) -> Iterator[str]:
        """The names in an expression, and `_PATH` for the path itself; nothing once too much was looked at."""
        for part in islice(ast.walk(node), self._left):
            self._left -= 1
            if isinstance(part, ast.Constant) and part.value in self._words:
                yield _PATH
            elif name := _variable(part):
                yield name


def _assigned(tree: ast.Module) -> dict[str, list[ast.expr]]:
    """What is assigned to each name and attribute, but None."""
    values: dict[str, list[ast.expr]] = defaultdict(list)
    for node in ast.walk(tree):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = getattr(node, "value", None)
        if isinstance(node, (ast.Assign, ast.AnnAssign, ast.NamedExpr)) and value is not None:
            for target in filter(_variable, targets):
                if not _is_none(value):
                    values[_variable(target)].append(value)
    return values


def _variable(node: ast.AST | None) -> str:
    """A name, or an attribute of ``self``, as it is written; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    is_own = isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "self"
    return f"self.{node.attr}" if is_own and isinstance(node, ast.Attribute) else ""


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
