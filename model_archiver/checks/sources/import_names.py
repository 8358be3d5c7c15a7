"""What the source of a module imports, as far as that must succeed."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_FAILURES = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}


@dataclass(frozen=True)
class Import:
    """An import statement.

    Attributes:
        module: the dotted name in it; empty for ``from . import name``.
        level: the dots before it.
        names: what is taken from the module, each of which may be a module too.
        line: where it stands, counted from 1.
        at_load: whether it runs when the module is loaded, or only when a function is called.
    """

    module: str
    level: int
    names: tuple[str, ...]
    line: int
    at_load: bool


def imports_of(tree: ast.Module, *, in_functions: bool) -> Iterator[Import]:
    """The imports that must succeed: none that stands under a condition, or whose failure is caught.

    Args:
        tree: a module.
        in_functions: take those too that run when a function is called.
    """
    yield from _imports(tree.body, in_functions=in_functions, at_load=True)


def _imports(body: Iterable[ast.stmt], *, in_functions: bool, at_load: bool) -> Iterator[Import]:
    for statement in body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield Import(alias.name, 0, (), statement.lineno, at_load)
        elif isinstance(statement, ast.ImportFrom):
            names = tuple(alias.name for alias in statement.names if alias.name != "*")
            yield Import(statement.module or "", statement.level, names, statement.lineno, at_load)
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if in_functions:
                yield from _imports(statement.body, in_functions=True, at_load=False)
        else:
            yield from _imports(_always_run(statement), in_functions=in_functions, at_load=at_load)


def _always_run(statement: ast.stmt) -> list[ast.stmt]:
    """The statements within one that run whenever it does, and whose failure it lets through."""
    if isinstance(statement, ast.ClassDef):
        return statement.body
    if isinstance(statement, (ast.With, ast.AsyncWith)):
        return [] if any(_suppresses(item.context_expr) for item in statement.items) else statement.body
    if isinstance(statement, ast.Try):
        return statement.finalbody if any(map(_catches, statement.handlers)) else statement.body + statement.finalbody
    if isinstance(statement, ast.If) and _is_type_checking(statement.test):
        return statement.orelse
    return []


def _suppresses(expression: ast.expr) -> bool:
    """Whether a ``with`` may swallow a failure: nothing is known of most of what people write there."""
    return isinstance(expression, ast.Call) and _last_name(expression.func) in {"suppress", "catch"}


def _catches(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or _last_name(kind) in _FAILURES for kind in caught)


def _is_type_checking(test: ast.expr) -> bool:
    return _last_name(test) == "TYPE_CHECKING"


def _last_name(expression: ast.expr) -> str:
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""
