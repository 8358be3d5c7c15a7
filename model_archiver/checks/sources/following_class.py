"""Whether a handler's own class certainly loads its weights as the class of the server's that it derives from."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from model_archiver.checks.following import InheritedHandler
from model_archiver.checks.sources.class_facts import ClassFacts
from model_archiver.checks.sources.expressions import meaning
from model_archiver.checks.sources.server_classes import line_of
from model_archiver.checks.sources.values import ABSENT, kinds, origin_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from model_archiver.checks.sources.module_names import ModuleNames
    from model_archiver.checks.sources.values import Value

_BESIDE = frozenset({"builtins.object", "abc.ABC"})
"""Bases that change nothing."""

_HARMLESS = frozenset(
    {"builtins", "datetime", "logging", "math", "os.environ", "os.getenv", "os.path", "random", "time", "torch.device"}
)
"""What may be called before the server's own ``initialize`` without changing what that finds."""

_MONKEY = frozenset({"add_safe_globals", "monkeypatch", "patch", "safe_globals", "setattr", "delattr"})


def following_class(names: ModuleNames, function: str) -> InheritedHandler | None:
    """How the only class of a handler follows the server's own, where that is certain.

    Args:
        names: of the handler's module.
        function: that the server looks for first.
    """
    counted = names.only_class
    if not names.lacks(function) or counted is None or counted.node is None:
        return None
    facts = ClassFacts(names, counted.node)
    lines = [line_of(origin) for origin in facts.base_origins]
    known = all(line or origin in _BESIDE for line, origin in zip(lines, facts.base_origins, strict=True))
    if not (any(lines) and known and _is_undisturbed(facts) and _initializes(facts)):
        return None
    own = {name for name, values in facts.scope.names.items() if kinds(values) != {"absent"}} | facts.set_on_instances
    return InheritedHandler(frozenset().union(*lines), frozenset(own - {"initialize"}))


def _is_undisturbed(facts: ClassFacts) -> bool:
    """Whether nothing that runs before ``initialize`` may change the server's code or the model's files."""
    if not facts.is_plain or any(map(_patches, ast.walk(facts.names.tree))):
        return False
    constructor = facts.scope.value("__init__")
    if kinds(constructor) == {"absent"}:
        return _is_quiet(facts, _statements_of_import(facts.names.tree))
    method = facts.method("__init__")
    return method is not None and _is_quiet(facts, [*_statements_of_import(facts.names.tree), *_body(method)])


def _patches(node: ast.AST) -> bool:
    """Whether this sets an attribute of something that is imported, as ``torch.load = ...`` does, or looks like it."""
    if isinstance(node, ast.Attribute):
        is_store = isinstance(node.ctx, (ast.Store, ast.Del)) and not _is_of_instance(node.value)
        return node.attr in _MONKEY or is_store
    if isinstance(node, ast.Name):
        return node.id in _MONKEY
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and "WEIGHTS_ONLY" in node.value


def _is_of_instance(node: ast.expr) -> bool:
    """``self`` or something below it."""
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return isinstance(node, ast.Name) and node.id == "self"


def _statements_of_import(tree: ast.Module) -> Iterator[ast.stmt]:
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)
    return (statement for statement in tree.body if not isinstance(statement, definitions))


def _body(function: ast.AST) -> list[ast.stmt]:
    return list(getattr(function, "body", []))


def _is_quiet(facts: ClassFacts, statements: Iterable[ast.stmt]) -> bool:
    """Whether these call nothing but what is known to change neither files nor the manifest."""
    calls = (node for statement in statements for node in ast.walk(statement) if isinstance(node, ast.Call))
    return all(_is_harmless(call, facts) for call in calls)


def _is_harmless(call: ast.Call, facts: ClassFacts) -> bool:
    if _is_super_call(call, "__init__", facts) or (isinstance(call.func, ast.Name) and call.func.id == "super"):
        return True
    if not _is_dotted(call.func):
        return False
    values = meaning(call.func, facts.names.scope)
    origin = origin_of(values)
    if origin.startswith("builtins."):
        return origin not in ("builtins.open", "builtins.exec", "builtins.eval", "builtins.compile")
    if origin:
        return any(origin == known or origin.startswith(f"{known}.") for known in _HARMLESS)
    return _is_of_logger(call.func, facts)


def _is_dotted(node: ast.expr) -> bool:
    """Whether it is a name, with others after dots perhaps."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)


def _is_of_logger(called: ast.expr, facts: ClassFacts) -> bool:
    """``logger.info`` and its like, where ``logger`` is what logging.getLogger gave."""
    if not (isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name)):
        return False
    values: Iterable[Value] = facts.names.scope.value(called.value.id)
    made = [value.node.func for value in values if isinstance(value.node, ast.Call)]
    return bool(made) and origin_of(meaning(made[0], facts.names.scope)) == "logging.getLogger"


def _initializes(facts: ClassFacts) -> bool:
    """Whether the server's ``initialize`` certainly runs, with the context that the server gives."""
    values = facts.scope.value("initialize")
    if values == {ABSENT}:
        return "initialize" not in facts.set_on_instances
    function = facts.method("initialize")
    if not isinstance(function, ast.FunctionDef) or len(function.args.args) < 2:
        return False
    context = function.args.args[1].arg
    return _calls_first(function.body, facts, context)


def _calls_first(body: list[ast.stmt], facts: ClassFacts, context: str) -> bool:
    for statement in body:
        if isinstance(statement, ast.With):
            return _is_quiet(facts, _heads(statement)) and _calls_first(statement.body, facts, context)
        if _is_super_statement(statement, facts, context):
            return True
        if not _leaves_as_it_is(statement, facts, context):
            return False
    return False


def _heads(statement: ast.With) -> list[ast.stmt]:
    return [ast.Expr(item.context_expr) for item in statement.items]


def _is_super_statement(statement: ast.stmt, facts: ClassFacts, context: str) -> bool:
    """``super().initialize(context)`` and nothing else."""
    call = getattr(statement, "value", None)
    if not isinstance(call, ast.Call) or not _is_super_call(call, "initialize", facts):
        return False
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    return isinstance(given[-1], ast.Name) and given[-1].id == context if given else False


def _is_super_call(call: ast.Call, method: str, facts: ClassFacts) -> bool:
    """``super().method(...)``, ``super(Class, self).method(...)`` or ``BaseHandler.method(self, ...)``."""
    called = call.func
    if not isinstance(called, ast.Attribute) or called.attr != method:
        return False
    owner = called.value
    if isinstance(owner, ast.Call):
        own = [facts.node.name] if owner.args else []
        first = [argument.id for argument in owner.args[:1] if isinstance(argument, ast.Name)]
        return isinstance(owner.func, ast.Name) and owner.func.id == "super" and first == own
    origin = origin_of(meaning(owner, facts.names.scope))
    first_argument = call.args[0] if call.args else None
    is_self = isinstance(first_argument, ast.Name) and first_argument.id == "self"
    return is_self and facts.base_origins[:1] == [origin] and bool(line_of(origin))


def _leaves_as_it_is(statement: ast.stmt, facts: ClassFacts, context: str) -> bool:
    """Whether what the server's ``initialize`` finds is not changed by a statement before it, which does not leave."""
    if not isinstance(
        statement, (ast.Assign, ast.AnnAssign, ast.Expr, ast.Import, ast.ImportFrom, ast.Pass, ast.Assert)
    ):
        return False
    for node in ast.walk(statement):
        if isinstance(node, (ast.Attribute, ast.Name)) and "manifest" in (
            getattr(node, "attr", ""),
            getattr(node, "id", ""),
        ):
            return False
        if isinstance(node, ast.Name) and node.id == context and not isinstance(node.ctx, ast.Load):
            return False
        if isinstance(node, ast.Subscript) and not isinstance(node.ctx, ast.Load):
            return False
        if isinstance(node, ast.Call) and not (_is_harmless(node, facts) or _reads(node)):
            return False
    return True


def _reads(call: ast.Call) -> bool:
    """``properties.get("model_dir")``: of whatever it is."""
    return isinstance(call.func, ast.Attribute) and call.func.attr == "get"
