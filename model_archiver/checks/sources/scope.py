"""Which names a module or the body of a class binds, as far as its source tells without being run."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from model_archiver.checks.sources import expressions
from model_archiver.checks.sources.known_names import LEAVES
from model_archiver.checks.sources.values import ABSENT, NOTHING, UNKNOWN, any_of, kinds, one, origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from model_archiver.checks.sources.values import Values


@dataclass
class Scope:
    """The names that are bound so far, each with all that it may stand for.

    Attributes:
        names: of what is bound; any other is absent.
        is_open: whether names that the source does not show may be bound too.
        has_ended: whether what comes next is not run.
        outer: the module, where this is the body of a class.
        seen: all that names were bound to on the way, shared by all branches of it.
    """

    names: dict[str, Values] = field(default_factory=dict)
    is_open: bool = False
    has_ended: bool = False
    outer: Scope | None = None
    seen: dict[str, Values] = field(default_factory=dict)

    def value(self, name: str) -> Values:
        """What a name may stand for here."""
        return self.names.get(name, frozenset({ABSENT, UNKNOWN}) if self.is_open else NOTHING)

    def looked_up(self, name: str) -> Values:
        """What a name means in an expression: an outer one too, where it is not bound here."""
        values = self.value(name)
        if self.outer is None or ABSENT not in values:
            return values
        return any_of(values - NOTHING, self.outer.looked_up(name))

    def bind(self, name: str, values: Values) -> None:
        """The name stands for one of these from now on."""
        self.names[name] = any_of(values)
        self.seen[name] = any_of(self.seen.get(name, frozenset()), values)

    def may_bind(self, name: str, values: Values) -> None:
        """The name may stand for one of these, or stay what it is."""
        self.bind(name, any_of(self.value(name), values))

    def run(self, statements: Iterable[ast.stmt]) -> None:
        """Bind what these statements bind."""
        for statement in statements:
            if self.has_ended:
                break
            for expression in _expressions(statement):
                self._bind_inside(expression)
            if effect := _EFFECTS.get(type(statement)):
                effect(self, statement)

    def _run_in_part(self, statements: Iterable[ast.stmt]) -> Scope:
        """Bind what these statements bind; how it goes on when they are left somewhere on the way."""
        left, outer_seen, self.seen = self._copy(), self.seen, {}
        self.run(statements)
        seen, self.seen = self.seen, outer_seen
        for name, values in seen.items():
            left.may_bind(name, values)
        left.is_open |= self.is_open
        return left

    def _copy(self) -> Scope:
        return replace(self, names=dict(self.names))

    def _become(self, *scopes: Scope) -> None:
        """Any of these may be how it goes on."""
        going = [scope for scope in scopes if not scope.has_ended]
        self.has_ended = not going
        if going:
            names = {name for scope in going for name in scope.names}
            self.is_open = any(scope.is_open for scope in going)
            self.names = {name: any_of(*(scope.value(name) for scope in going)) for name in names}

    def _bind_inside(self, expression: ast.AST) -> None:
        """``name := value`` somewhere in an expression."""
        for node in ast.walk(expression):
            if isinstance(node, ast.NamedExpr):
                self.may_bind(node.target.id, one("unknown", node))

    def _target(self, target: ast.expr, values: Values, source: ast.expr | None = None) -> None:
        if isinstance(target, ast.Name):
            self.bind(target.id, frozenset(replace(value, line=target.lineno) for value in values))
        elif isinstance(target, ast.Starred):
            self._target(target.value, one("unknown", target))
        elif isinstance(target, (ast.Tuple, ast.List)):
            unknown_part = expressions.part(values, target)
            for element, its_source in zip(target.elts, _elements(source, len(target.elts)), strict=True):
                its_values = expressions.meaning(its_source, self) if its_source else unknown_part
                self._target(element, its_values, its_source)

    def _assign(self, node: ast.Assign) -> None:
        values = expressions.meaning(node.value, self)
        for target in node.targets:
            self._target(target, values, node.value)

    def _assign_annotated(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._target(node.target, expressions.meaning(node.value, self))

    def _assign_in_place(self, node: ast.AugAssign) -> None:
        self._target(node.target, one("other", node))

    def _name_type(self, node: ast.AST) -> None:
        self._target(node.name, one("other", node))  # type: ignore[attr-defined] # of Python 3.12

    def _define_function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._decorate(node)
        self.bind(node.name, expressions.defined_function(node, self))

    def _define_class(self, node: ast.ClassDef) -> None:
        self._decorate(node)
        self.bind(node.name, expressions.defined_class(node, self))

    def _decorate(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        """A decorator of another module may bind names here: what it is given tells the module's name."""
        if self.outer is None and not all(expressions.is_known(decorator, self) for decorator in node.decorator_list):
            self.is_open = True

    def _import(self, node: ast.Import) -> None:
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            self.bind(name, one("import", node, alias.name if alias.asname else name))

    def _import_from(self, node: ast.ImportFrom) -> None:
        package = f"{'.' * node.level}{node.module or ''}"
        for alias in node.names:
            if alias.name == "*":
                self._star(node)
            else:
                dot = "" if package.endswith(".") else "."
                self.bind(alias.asname or alias.name, one("import", node, f"{package}{dot}{alias.name}"))

    def _star(self, node: ast.ImportFrom) -> None:
        self.is_open = True
        for name in list(self.names):
            self.may_bind(name, one("unknown", node))

    def _delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.bind(target.id, NOTHING)

    def _evaluate(self, node: ast.Expr) -> None:
        call = node.value
        if isinstance(call, ast.Call):
            is_exit = isinstance(call.func, ast.Name) and call.func.id in ("exit", "quit")
            self.has_ended = is_exit or origin_of(expressions.meaning(call.func, self)) in LEAVES

    def _leave(self, _: ast.Raise | ast.Break | ast.Continue) -> None:
        self.has_ended = True

    def _if(self, node: ast.If) -> None:
        truth = expressions.truth(node.test, self)
        self._one_of([body for body, when in ((node.body, True), (node.orelse, False)) if truth is not (not when)])

    def _match(self, node: ast.Match) -> None:
        for part in ast.walk(node):
            if isinstance(part, (ast.MatchAs, ast.MatchStar)) and part.name:
                self.may_bind(part.name, one("unknown", node.subject))
        last = node.cases[-1]
        catches_all = isinstance(last.pattern, ast.MatchAs) and last.pattern.pattern is None and last.guard is None
        self._one_of([case.body for case in node.cases] + ([] if catches_all else [[]]))

    def _one_of(self, bodies: Iterable[Sequence[ast.stmt]]) -> None:
        branches = []
        for body in bodies:
            branches.append(self._copy())
            branches[-1].run(body)
        self._become(*branches)

    def _for(self, node: ast.For | ast.AsyncFor) -> None:
        before = self._copy()
        self._target(node.target, expressions.part(expressions.meaning(node.iter, self), node))
        self._loop(before, node)

    def _while(self, node: ast.While) -> None:
        self._loop(self._copy(), node)

    def _loop(self, before: Scope, node: ast.For | ast.AsyncFor | ast.While) -> None:
        for name in _stored(node.body):  # a later turn may see another value than the first
            self.may_bind(name, one("other", node))
        left = self._run_in_part(node.body)
        bound = {name: values for name, values in left.names.items() if values != before.value(name)}
        if any(kinds(values) & {"class", "unknown"} for values in bound.values()):
            for name in bound:  # a later turn may give one of them to the other
                left.may_bind(name, one("unknown", node))
        self._become(before, left)
        after = self._run_in_part(node.orelse)
        self._become(left, after, self._copy())

    def _with(self, node: ast.With | ast.AsyncWith) -> None:
        for item in node.items:
            if item.optional_vars is not None:
                self._target(item.optional_vars, expressions.part(expressions.meaning(item.context_expr, self), node))
        left = self._run_in_part(node.body)
        self._become(left, self._copy())  # it may be one that lets no exception out

    def _try(self, node: ast.Try) -> None:
        broken = self._run_in_part(node.body)
        endings = [self._copy()]
        endings[0].run(node.orelse)
        for handler in node.handlers:
            endings.append(broken._copy())
            endings[-1].run(handler.body)
            if handler.name:
                endings[-1].bind(handler.name, NOTHING)
        self._become(*endings)
        self.run(node.finalbody)


def _stored(body: Iterable[ast.stmt]) -> set[str]:
    nodes = (node for statement in body for node in ast.walk(statement))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _expressions(statement: ast.stmt) -> Iterator[ast.AST]:
    """The expressions that are a part of a statement itself, not of the statements in it."""
    for child in ast.iter_child_nodes(statement):
        if isinstance(child, (ast.expr, ast.withitem, ast.arguments, ast.keyword)):
            yield child


def _elements(source: ast.expr | None, count: int) -> Sequence[ast.expr | None]:
    """What each of several targets is given, where a literal shows it."""
    elements = source.elts if isinstance(source, (ast.Tuple, ast.List)) else []
    is_plain = len(elements) == count and not any(isinstance(element, ast.Starred) for element in elements)
    return elements if is_plain else [None] * count


_EFFECTS: dict[type[ast.AST] | None, Callable[[Scope, Any], None]] = {
    ast.AnnAssign: Scope._assign_annotated,
    ast.Assign: Scope._assign,
    ast.AsyncFor: Scope._for,
    ast.AsyncFunctionDef: Scope._define_function,
    ast.AsyncWith: Scope._with,
    ast.AugAssign: Scope._assign_in_place,
    ast.Break: Scope._leave,
    ast.ClassDef: Scope._define_class,
    ast.Continue: Scope._leave,
    ast.Delete: Scope._delete,
    ast.Expr: Scope._evaluate,
    ast.For: Scope._for,
    ast.FunctionDef: Scope._define_function,
    ast.If: Scope._if,
    ast.Import: Scope._import,
    ast.ImportFrom: Scope._import_from,
    ast.Match: Scope._match,
    ast.Raise: Scope._leave,
    ast.Try: Scope._try,
    getattr(ast, "TryStar", None): Scope._try,  # of Python 3.11
    getattr(ast, "TypeAlias", None): Scope._name_type,  # of Python 3.12
    ast.While: Scope._while,
    ast.With: Scope._with,
}
"""What each kind of statement does to the names."""
