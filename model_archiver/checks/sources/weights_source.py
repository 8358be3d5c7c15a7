"""What a model file or a handler does with weights, as far as its source tells for certain."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from model_archiver.checks.sources.python_module import PythonModule

_BRINGS = re.compile(r"load|pretrained|hub|weights|checkpoint|ckpt|state_dict|open$", re.IGNORECASE)
_STARTS = re.compile(r"init|reset", re.IGNORECASE)
_BARE = ("Module", "object", "ABC")


def leaves_random(module: PythonModule) -> bool:
    """Whether a model file makes a model that has weights, it seems, and nothing in it brings them from elsewhere."""
    names = set(_names(module.tree))
    if any(_BRINGS.search(name) and not _STARTS.search(name) for name in names):
        return False
    return any(_has_parts(node) for node in module.tree.body if isinstance(node, ast.ClassDef))


def _names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, (ast.keyword, ast.alias)):
            yield getattr(node, "arg", None) or getattr(node, "name", None) or ""


def _has_parts(node: ast.ClassDef) -> bool:
    """Whether a class makes something when it is made, or derives from one that may."""
    if any(_last(base) not in _BARE for base in node.bases):
        return True
    makers = [item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__"]
    return any(isinstance(made, ast.Call) and not _is_super(made) for maker in makers for made in ast.walk(maker))


def _is_super(call: ast.Call) -> bool:
    """Whether it calls ``super()`` or an ``__init__``."""
    return _last(call.func) in ("super", "__init__")


def _last(node: ast.expr) -> str:
    """The last part of a dotted name."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


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
    is_load = isinstance(function, ast.Attribute) and function.attr == "load" and _last(function.value) == "torch"
    options = {keyword.arg for keyword in call.keywords}
    return is_load and len(call.args) <= 2 and options <= {"map_location", "mmap"}


def _certain_calls(node: ast.AST) -> Iterator[ast.Call]:
    """The calls that stand under no condition, and of which no failure is caught."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, (ast.If, ast.IfExp, ast.BoolOp, ast.Match)) or (
            isinstance(child, ast.Try) and child.handlers
        ):
            continue
        if isinstance(child, ast.Call):
            yield child
        yield from _certain_calls(child)


class _Paths:
    """Which names of a module stand for the path of a file, whatever function they are in."""

    def __init__(self, tree: ast.Module, words: Iterable[str]) -> None:
        self._words = set(words)
        self._names: set[str] = set()
        values = _assigned(tree)
        while found := {
            name for name, given in values.items() if name not in self._names and all(map(self.lead, given))
        }:
            self._names |= found

    def lead(self, node: ast.expr) -> bool:
        """Whether an expression is made of the path."""
        return any(
            (isinstance(part, ast.Constant) and part.value in self._words) or _variable(part) in self._names
            for part in ast.walk(node)
        )


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
