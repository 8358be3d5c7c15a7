"""What a name of a module may stand for, as far as its source tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import ast

Kind = Literal["absent", "class", "function", "import", "literal", "other", "unknown"]


@dataclass(frozen=True)
class Value:
    """One thing that a name may stand for.

    Attributes:
        kind: ``absent``: the name is not bound. ``class``: a class that counts as defined in this module.
            ``function``: a plain one, or a lambda. ``import``: something of another module. ``literal``: nothing that
            can be called. ``other``: no class of this module. ``unknown``: anything.
        line: of the statement that binds the name.
        node: what defines it, where that is one of Python's own definitions or a literal.
        origin: the dotted name of what was imported.
    """

    kind: Kind
    line: int = 0
    node: ast.AST | None = None
    origin: str = ""


ABSENT = Value("absent")
UNKNOWN = Value("unknown")
Values = frozenset[Value]
NOTHING: Values = frozenset({ABSENT})

_MOST_VALUES = 20
"""That are told apart: more than people give one name."""


def one(kind: Kind, node: ast.AST, origin: str = "") -> Values:
    """A single value that an expression or a statement gives."""
    return frozenset({Value(kind, getattr(node, "lineno", 0), node, origin)})


def any_of(*alternatives: Values) -> Values:
    """What may be any of these, or something unknown where they are many."""
    values = frozenset[Value]().union(*alternatives)
    return values if len(values) <= _MOST_VALUES else (values & NOTHING) | {UNKNOWN}


def origin_of(values: Values) -> str:
    """The dotted name of what was imported, where it is one thing for certain; else empty."""
    return next(iter(values)).origin if len(values) == 1 else ""


def kinds(values: Values) -> set[Kind]:
    """Which kinds the values are of."""
    return {value.kind for value in values}
