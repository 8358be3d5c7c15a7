"""What the source of a module imports, as far as that must succeed."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from typing import TYPE_CHECKING

from model_archiver.checks.sources.python_module import last_name

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

_UNPACKERS = {"patoolib", "py7zr", "shutil", "subprocess", "system", "tarfile", "zipfile", "zipimport"}
_OF_A_BASE = {"preprocess", "inference", "postprocess"}
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


def imports_of(tree: ast.Module, called: Collection[str]) -> Iterator[Import]:
    """The imports that must succeed: none that stands under a condition, or whose failure is caught.

    Args:
        tree: a module.
        called: the names of functions and methods that are sure to be called, of which those are taken too.
    """
    yield from _imports(tree.body, called, at_load=True)


def _imports(body: Iterable[ast.stmt], called: Collection[str], *, at_load: bool) -> Iterator[Import]:
    for statement in body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                yield Import(alias.name, 0, (), statement.lineno, at_load)
        elif isinstance(statement, ast.ImportFrom):
            names = tuple(alias.name for alias in statement.names if alias.name != "*")
            yield Import(statement.module or "", statement.level, names, statement.lineno, at_load)
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            if statement.name in called:
                yield from _imports(_until_return(statement.body), (), at_load=False)
        elif isinstance(statement, ast.ClassDef) and not statement.bases:
            yield from _imports(statement.body, set(called) - _OF_A_BASE, at_load=at_load)
        else:
            yield from _imports(_always_run(statement), called, at_load=at_load)


def _until_return(body: list[ast.stmt]) -> list[ast.stmt]:
    """The statements of a function before the first one that may be its last."""
    ends = (
        place
        for place, statement in enumerate(body)
        if any(isinstance(node, (ast.Return, ast.Raise)) for node in ast.walk(statement))
    )
    return body[: next(ends, len(body))]


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
    return isinstance(expression, ast.Call) and last_name(expression.func) in {"suppress", "catch"}


def _catches(handler: ast.ExceptHandler) -> bool:
    caught = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(kind is None or last_name(kind) in _FAILURES for kind in caught)


def _is_type_checking(test: ast.expr) -> bool:
    return last_name(test) == "TYPE_CHECKING"


def changes_path(tree: ast.Module) -> bool:
    """Whether a module may change where others are looked for: with ``sys.path`` by any name, or with ``site``."""
    return any(
        (isinstance(node, ast.Attribute) and node.attr == "path" and last_name(node.value) != "os")
        or (isinstance(node, ast.ImportFrom) and node.module == "sys")
        or (isinstance(node, ast.Name) and node.id == "site")
        for node in ast.walk(tree)
    )


def leads_out(tree: ast.Module) -> bool:
    """Whether a module names an absolute path, which may be one that it puts on Python's."""
    constants = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return any(isinstance(value, str) and value.startswith(("/", "~")) for value in constants)


def names_package(tree: ast.Module) -> bool:
    """Whether a module may say by itself which package it is in, after which relative imports work (PEP 366)."""
    return any(
        "__package__" in (getattr(node, field, "") for field in ("id", "attr", "arg", "name", "value"))
        or (isinstance(node, ast.ImportFrom) and not node.level and node.names[0].name == "*")
        for node in ast.walk(tree)
    )


def unpacks(tree: ast.Module) -> bool:
    """Whether a module may unpack others before it imports them."""
    names = (getattr(node, field, "") for node in ast.walk(tree) for field in ("id", "attr", "name", "module"))
    return not _UNPACKERS.isdisjoint(name for name in names if isinstance(name, str))
