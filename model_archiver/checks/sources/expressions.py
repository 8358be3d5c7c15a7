"""What an expression or a definition gives, as far as the source tells."""

from __future__ import annotations

import ast
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from model_archiver.checks.sources.known_names import (
    BUILTINS,
    KEEPS_CLASS,
    KEEPS_METACLASS,
    MAKES_CLASS,
    PLAIN_BUILTINS,
    TELLS_TYPING,
    gives_no_class,
)
from model_archiver.checks.sources.values import ABSENT, Value, any_of, kinds, one, origin_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_archiver.checks.sources.scope import Scope
    from model_archiver.checks.sources.values import Values

_LITERALS = (
    ast.Constant,
    ast.JoinedStr,
    ast.List,
    ast.Tuple,
    ast.Dict,
    ast.Set,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
)
_DATA = (ast.Constant, ast.JoinedStr, ast.List, ast.Tuple, ast.Dict, ast.Set, ast.UnaryOp, ast.unaryop, ast.Load)
_MOST_NODES = 200
"""That are looked at in literals or in a call's arguments, which others may be made of again and again."""

_NO_CLASS = (ast.Compare, ast.UnaryOp, ast.BinOp, ast.GeneratorExp)


def meaning(node: ast.expr, scope: Scope) -> Values:
    """What an expression may give."""
    if isinstance(node, _LITERALS):
        return one("literal", node)
    if isinstance(node, _NO_CLASS):
        return one("other", node)
    if isinstance(node, ast.IfExp):
        return any_of(meaning(node.body, scope), meaning(node.orelse, scope))
    if isinstance(node, ast.Subscript):
        return part(meaning(node.value, scope), node)
    judge = _JUDGES.get(type(node))
    return judge(node, scope) if judge else one("unknown", node)


def part(values: Values, node: ast.AST) -> Values:
    """What an item, an attribute or a method's result of such values may be."""
    if kinds(values) <= {"import", "other"}:
        return one("other", node)
    if kinds(values) == {"literal"}:
        nodes = _few_nodes(*(value.node for value in values if value.node))
        if nodes is not None and all(isinstance(inner, _DATA) for inner in nodes):  # and no class is among them
            return one("other", node)
    return one("unknown", node)


def _few_nodes(*roots: ast.AST) -> list[ast.AST] | None:
    """All nodes of some expressions; None where they are many."""
    nodes = list(islice((node for root in roots for node in ast.walk(root)), _MOST_NODES))
    return nodes if len(nodes) < _MOST_NODES else None


def _name(node: ast.Name, scope: Scope) -> Values:
    values = scope.looked_up(node.id)
    if values == {ABSENT}:
        return one("other", node, f"builtins.{node.id}") if node.id in BUILTINS else one("unknown", node)
    known = {replace(value, line=node.lineno) for value in values if value != ABSENT}
    return frozenset(known | {Value("unknown", node.lineno)} if ABSENT in values else known)


def _attribute(node: ast.Attribute, scope: Scope) -> Values:
    values = meaning(node.value, scope)
    origin = origin_of(values)
    if kinds(values) == {"import"} and origin:
        return one("import", node, f"{origin}.{node.attr}")
    return part(values, node)


def _call(node: ast.Call, scope: Scope) -> Values:
    called = meaning(node.func, scope)
    origin = origin_of(called)
    if origin in MAKES_CLASS and not any(keyword.arg in ("module", None) for keyword in node.keywords):
        return one("class" if len(node.args) > 1 or node.keywords else "unknown", node)
    if origin == "builtins.type" and len(node.args) == 3:
        return one("class", node)
    if hands_over_nothing(node, scope) and all(_gives_no_class(value) for value in called):
        return one("other", node)
    return one("unknown", node)


def hands_over_nothing(node: ast.Call, scope: Scope) -> bool:
    """Whether no argument of a call mentions what may be a class of this module."""
    nodes = _few_nodes(*node.args, *node.keywords)
    if nodes is None:
        return False
    names = {inner.id for inner in nodes if isinstance(inner, ast.Name)}
    return all(kinds(scope.looked_up(name)).isdisjoint({"class", "unknown"}) for name in names)


def _gives_no_class(called: Value) -> bool:
    if called.kind == "class":
        return isinstance(called.node, ast.ClassDef) and _makes_instances(called.node)
    if called.origin.startswith("builtins."):
        return called.origin.removeprefix("builtins.") in PLAIN_BUILTINS
    if called.kind == "import":
        return gives_no_class(called.origin)
    return called.kind == "other"


def _makes_instances(node: ast.ClassDef) -> bool:
    """Whether the class has nothing in its own body that makes a call of it give something else."""
    return not node.keywords and not any(
        isinstance(inner, ast.FunctionDef) and inner.name == "__new__" for inner in node.body
    )


def defined_function(node: ast.FunctionDef | ast.AsyncFunctionDef, scope: Scope) -> Values:
    """What the name of a function stands for once it is defined."""
    if not node.decorator_list:
        return one("function", node)
    if all(_decorates_plainly(decorator, scope) for decorator in node.decorator_list):
        return one("other", node)
    return one("unknown", node)


def _decorates_plainly(decorator: ast.expr, scope: Scope) -> bool:
    called = meaning(decorator.func if isinstance(decorator, ast.Call) else decorator, scope)
    return kinds(called) == {"import"} and all(_gives_no_class(value) for value in called)


def is_known(decorator: ast.expr, scope: Scope) -> bool:
    """Whether a decorator is not one of another module of which nothing is known."""
    called = meaning(decorator.func if isinstance(decorator, ast.Call) else decorator, scope)
    imported = [value.origin for value in called if value.kind == "import"]
    return all(origin in KEEPS_CLASS or gives_no_class(origin) for origin in imported)


def defined_class(node: ast.ClassDef, scope: Scope) -> Values:
    """What the name of a class stands for once it is defined."""
    for decorator in node.decorator_list:
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if origin_of(meaning(called, scope)) not in KEEPS_CLASS:
            return one("unknown", node)
    for keyword in node.keywords:
        if keyword.arg in ("metaclass", None) and origin_of(meaning(keyword.value, scope)) not in KEEPS_METACLASS:
            return one("unknown", node)
    if any(origin_of(meaning(base, scope)).startswith("zope.") for base in node.bases):
        return one("unknown", node)  # whose interfaces are no classes
    return one("class", node)


def truth(test: ast.expr, scope: Scope) -> bool | None:
    """Whether a condition holds when the server imports the module; None where that is not known."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = truth(test.operand, scope)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        return _truth_of_several([truth(value, scope) for value in test.values], isinstance(test.op, ast.Or))
    if isinstance(test, ast.Compare):
        return _is_main(test)
    values = meaning(test, scope)
    if origin_of(values) in TELLS_TYPING:
        return False
    nodes = [value.node for value in values]
    if all(isinstance(node, ast.Constant) for node in nodes):
        truths = {bool(node.value) for node in nodes if isinstance(node, ast.Constant)}
        return truths.pop() if len(truths) == 1 else None
    return None


def _truth_of_several(truths: list[bool | None], decisive: bool) -> bool | None:
    """Of ``or``, where a single True decides, or of ``and``, where a single False does."""
    if decisive in truths:
        return decisive
    return None if None in truths else not decisive


def _is_main(test: ast.Compare) -> bool | None:
    """``__name__ == "__main__"``, either way round."""
    sides = [test.left, *test.comparators]
    names = [side.id for side in sides if isinstance(side, ast.Name)]
    constants = [side.value for side in sides if isinstance(side, ast.Constant)]
    if len(sides) == 2 and names == ["__name__"] and constants == ["__main__"]:
        return {ast.Eq: False, ast.NotEq: True}.get(type(test.ops[0]))
    return None


_JUDGES: dict[type[ast.expr], Callable[[Any, Scope], Values]] = {
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.Lambda: lambda node, _: one("function", node),
    ast.Name: _name,
}
