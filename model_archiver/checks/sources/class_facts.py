"""What the source of a class tells about its instances."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from model_archiver.checks.sources.expressions import meaning
from model_archiver.checks.sources.known_names import BARREN, BUILTINS, PLAIN_LIBRARIES
from model_archiver.checks.sources.scope import Scope
from model_archiver.checks.sources.server_classes import line_of
from model_archiver.checks.sources.values import NOTHING, kinds, origin_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.sources.module_names import ModuleNames

_OWN_WAYS = frozenset({"__new__", "__getattr__", "__getattribute__", "__class_getitem__", "__init_subclass__"})
_TAKES_CLASSES = frozenset({"super", "isinstance", "issubclass"})
_DYNAMIC = frozenset({"__dict__", "__setattr__", "setattr", "vars", "locals", "exec"})
_AFTERWARDS = frozenset({"initialize", "handle", "preprocess", "inference", "postprocess"})
"""Methods that run when the server has looked for what it calls."""


@dataclass(frozen=True)
class ClassFacts:
    """A class of a module.

    Attributes:
        names: of the module.
        node: its definition.
    """

    names: ModuleNames
    node: ast.ClassDef

    @cached_property
    def scope(self) -> Scope:
        """The names that its body binds."""
        scope = Scope(outer=self.names.scope)
        scope.run(self.node.body)
        return scope

    @cached_property
    def base_origins(self) -> list[str]:
        """The dotted names of its bases; empty for one that the source does not tell."""
        plain = [base.value if isinstance(base, ast.Subscript) else base for base in self.node.bases]
        return [origin_of(meaning(base, self.names.scope)) for base in plain]

    @cached_property
    def set_on_instances(self) -> set[str]:
        """Names of attributes that the module sets, on whatever object."""
        nodes = ast.walk(self.names.tree)
        return {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}

    @cached_property
    def is_plain(self) -> bool:
        """Whether it is what it shows: made without arguments of its own, and changed by nobody afterwards."""
        if "__class__" in self.set_on_instances:
            return False
        own = self.node.keywords or self.node.decorator_list or not _OWN_WAYS.isdisjoint(self.scope.names)
        return not (own or self._is_dynamic or self._is_changed or self._hands_itself_over)

    def lacks(self, name: str) -> bool:
        """Whether its instances certainly have no such attribute."""
        return (
            self.is_plain
            and self.scope.value(name) == NOTHING
            and name not in self.set_on_instances
            and all(map(_is_barren, self.base_origins))
        )

    def method(self, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
        """The plain method of this name that its instances certainly have of their own, as it is written."""
        values = self.scope.value(name)
        node = next(iter(values)).node if len(values) == 1 and kinds(values) == {"function"} else None
        is_own = self.is_plain and self._has_plain_bases and name not in self.set_on_instances
        return node if is_own and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else None

    @property
    def makes_no_list(self) -> bool:
        """Whether a call of it certainly gives no list."""
        is_known = all(_is_barren(origin) or line_of(origin) for origin in self.base_origins)
        return self.is_plain and is_known and "builtins.list" not in self.base_origins

    @property
    def _has_plain_bases(self) -> bool:
        """Whether no base wraps methods or makes instances in ways of its own, as far as is known."""
        return all(origin.partition(".")[0] in PLAIN_LIBRARIES for origin in self.base_origins)

    @property
    def _is_dynamic(self) -> bool:
        names = (
            node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "") for node in ast.walk(self.node)
        )
        return any(name in _DYNAMIC for name in names)

    @property
    def _hands_itself_over(self) -> bool:
        """Whether an instance may be given to something, while it is made, that changes it."""
        methods = [item for item in self.node.body if isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef))]
        makers = [method for method in methods if method.name not in _AFTERWARDS and method.args.args]
        return any(self._gives(method.args.args[0].arg, method) for method in makers)

    def _gives(self, instance: str, method: ast.AST) -> bool:
        calls = (node for node in ast.walk(method) if isinstance(node, ast.Call))
        return any(
            _names(given, instance) and not self._is_of_bases(call.func)
            for call in calls
            for given in (*call.args, *(keyword.value for keyword in call.keywords))
        )

    def _is_of_bases(self, called: ast.expr) -> bool:
        """Whether it is ``super``, ``isinstance`` or the like, or ``Base.__init__``."""
        if isinstance(called, ast.Name):
            return called.id in _TAKES_CLASSES
        if not isinstance(called, ast.Attribute) or called.attr != "__init__":
            return False
        return origin_of(meaning(called.value, self.names.scope)) in self.base_origins

    @property
    def _is_changed(self) -> bool:
        """Whether something outside of it sets an attribute of it, or is handed the class."""
        waiting: list[tuple[ast.AST, bool]] = [(self.names.tree, False)]
        while waiting:
            node, is_given = waiting.pop()
            if (is_given and _names(node, self.node.name)) or _sets_attribute(node, self.node.name):
                return True
            waiting.extend(_parts(node, is_given))
        return False


def _sets_attribute(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.ctx, (ast.Store, ast.Del)) and _names(node.value, name)


def _parts(node: ast.AST, is_given: bool) -> Iterator[tuple[ast.AST, bool]]:
    """What stands in a node, each with whether it is given to a function; the name of a function itself is not."""
    if not isinstance(node, ast.Call):
        yield from ((child, is_given) for child in ast.iter_child_nodes(node))
        return
    takes_classes = isinstance(node.func, ast.Name) and node.func.id in _TAKES_CLASSES
    if not isinstance(node.func, ast.Name):
        yield node.func, is_given
    for argument in (*node.args, *node.keywords):
        yield argument, is_given or not takes_classes


def _names(argument: ast.AST, name: str) -> bool:
    return isinstance(argument, ast.Name) and argument.id == name


def _is_barren(origin: str) -> bool:
    """Whether a base of this name brings nothing that a server asks for."""
    return origin in BARREN or origin.removeprefix("builtins.") in BUILTINS
