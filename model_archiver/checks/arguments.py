"""Whether the import of a file certainly parses the command line of the process."""

from __future__ import annotations

import _ast

from model_archiver.checks.names import FUNCTIONS, UNKNOWN, Scope, children, parameters, walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from model_archiver.checks.source import Outline

_PARSERS = ("argparse", "optparse")
_LEAVING = (_ast.Return, _ast.Raise, _ast.Break, _ast.Continue, _ast.Yield, _ast.YieldFrom)
# Expressions of which a part may not be evaluated.
_PARTIAL = (_ast.Lambda, _ast.IfExp, _ast.BoolOp, _ast.ListComp, _ast.SetComp, _ast.DictComp, _ast.GeneratorExp)


def parsing_line(outline: Outline) -> int | None:
    """Return the line of a ``parse_args()`` that certainly runs when the file is imported, or None."""
    if not outline.words.isdisjoint({"argv", ".argv"}):  # which may be another one by then
        return None
    return next(_parsing_lines(outline.body, outline.scope, outline.scope, set()), None)


def _parsing_lines(body: Iterable[_ast.stmt], scope: Scope, module: Scope, followed: set[str]) -> Iterator[int]:
    """Yield the lines for statements with these names, in a module with those; follow each function once."""
    for statement in body:
        if isinstance(statement, (_ast.Assign, _ast.AnnAssign, _ast.Expr, _ast.Return)):
            for call in _calls(statement):
                function = scope.names.get(getattr(call.func, "id", ""), UNKNOWN).node
                if _parses(call, scope):
                    yield call.lineno
                elif isinstance(function, _ast.FunctionDef) and function.name not in followed:
                    followed.add(function.name)
                    names = module.names | {each.arg: UNKNOWN for each in parameters(function)}
                    yield from _parsing_lines(function.body, Scope(function.body, names), module, followed)
        is_definition = isinstance(statement, (*FUNCTIONS, _ast.ClassDef))
        if not is_definition and any(isinstance(node, _LEAVING) for node in walk(statement)):
            return


def _parses(call: _ast.Call, scope: Scope) -> bool:
    """Return whether a call is ``parser.parse_args()`` without a list of arguments."""
    function = call.func
    given = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg in ("args", None))]
    if not isinstance(function, _ast.Attribute) or function.attr != "parse_args":
        return False
    is_plain = all(isinstance(value, _ast.Constant) and value.value is None for value in given)
    return is_plain and scope.value(function.value).origin in _PARSERS


def _calls(node: _ast.AST) -> Iterator[_ast.Call]:
    """Yield the calls that a statement certainly makes."""
    if isinstance(node, _ast.Call):
        yield node
    for _, child in () if isinstance(node, _PARTIAL) else children(node):
        yield from _calls(child)
