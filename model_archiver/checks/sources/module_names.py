"""The attributes of a module and the classes that a server counts in it, told without running it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from model_archiver.checks.sources.expressions import meaning
from model_archiver.checks.sources.known_names import gives_no_class
from model_archiver.checks.sources.scope import Scope
from model_archiver.checks.sources.values import ABSENT, NOTHING, UNKNOWN, kinds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from model_archiver.checks.sources.python_module import PythonModule
    from model_archiver.checks.sources.values import Value, Values

_DYNAMIC_NAMES = frozenset(
    {
        "__module__",
        "_getframe",
        "builtins",
        "currentframe",
        "delattr",
        "eval",
        "exec",
        "globals",
        "locals",
        "setattr",
        "vars",
    }
)
_DYNAMIC_ATTRIBUTES = frozenset(
    {"__code__", "__defaults__", "__dict__", "__kwdefaults__", "__module__", "_convert_", "_getframe"}
    | {"currentframe", "f_globals", "modules"}
)
"""By which a module may change what is bound in it."""

_MOST_STATEMENTS = 5000
"""That are followed in one module: many more than people write, and soon done."""

_MOST_STEPS = 300_000
"""Times that a name is looked at where ways part or meet, at most."""

_PARTINGS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.ExceptHandler)

_HOOKS = frozenset({"__getattr__", "__dir__"})
_RUN_BY_CLASSES = frozenset({"__init_subclass__", "__set_name__", "__class_getitem__", "__mro_entries__"})


@dataclass(frozen=True)
class CountedClass:
    """An attribute of a module that is a class defined in it.

    Attributes:
        name: the attribute's, which an alias has too.
        value: what defines it.
    """

    name: str
    value: Value

    @property
    def node(self) -> ast.ClassDef | None:
        """Its definition, where it is a plain one."""
        return self.value.node if isinstance(self.value.node, ast.ClassDef) else None


@dataclass(frozen=True)
class ModuleNames:
    """What a module binds when the server imports it.

    The servers count ``inspect.getmembers(module, ...)`` that are classes with the module's own ``__module__``
    (TorchServe: ts/utils/util.py, `list_classes_from_module`; MMS: mms/model_loader.py, `list_model_services`).

    Attributes:
        tree: the module's source.
        is_package: whether it is an ``__init__.py``, whose attributes its submodules are too.
    """

    tree: ast.Module
    is_package: bool = False

    @classmethod
    def of(cls, module: PythonModule, file_name: str) -> ModuleNames:
        """The names of a parsed module that lies in a file of this name."""
        return cls(module.tree, file_name == "__init__.py")

    @cached_property
    def scope(self) -> Scope:
        """The module's names when its last statement has been run."""
        if self._is_too_much:
            return Scope(is_open=True, has_ended=True)
        scope = Scope()
        scope.run(self.tree.body)
        for name in self._set_elsewhere:
            scope.may_bind(name, frozenset({UNKNOWN}))
        return scope

    @cached_property
    def is_dynamic(self) -> bool:
        """Whether nothing can be said: it binds names in ways of its own, or its run does not come to its end."""
        if self.scope.has_ended or not _HOOKS.isdisjoint(self.scope.names):
            return True
        return any(_is_dynamic(node) or _gives_itself_away(node, self.scope) for node in self._run_nodes)

    def attribute(self, name: str) -> Values:
        """What an attribute of the module may be."""
        if self.is_dynamic or name.startswith("__"):
            return frozenset({ABSENT, UNKNOWN})
        values = self.scope.value(name)
        return values | {UNKNOWN} if self.is_package and ABSENT in values else values

    def lacks(self, name: str) -> bool:
        """Whether the module certainly has no such attribute."""
        return self.attribute(name) == NOTHING

    @cached_property
    def certain_classes(self) -> list[CountedClass]:
        """The classes that are certainly counted, in the order of their lines."""
        found = (
            [] if self.is_dynamic else [(name, values) for name, values in self._classes if kinds(values) == {"class"}]
        )
        counted = [CountedClass(name, max(values, key=lambda value: value.line)) for name, values in found]
        return sorted(counted, key=lambda counted: counted.value.line)

    @property
    def has_other_classes(self) -> bool:
        """Whether more classes than the certain ones are perhaps counted: imported by ``*``, one may pretend to be."""
        return self.is_dynamic or self.scope.is_open or len(self._classes) > len(self.certain_classes)

    @property
    def only_class(self) -> CountedClass | None:
        """The class that the server takes, where exactly one is certainly counted."""
        if len(self.certain_classes) != 1 or self.has_other_classes:
            return None
        counted = self.certain_classes[0]
        return counted if len(self.scope.names[counted.name]) == 1 else None

    @cached_property
    def functions(self) -> dict[str, int]:
        """The lines of the functions and other things that may be called, by their names; 0 where none is known."""
        callable_kinds = {"function", "import", "other", "unknown"}
        return {
            name: min(value.line for value in values if value != ABSENT)
            for name, values in self.scope.names.items()
            if kinds(values) & callable_kinds
        }

    @property
    def _is_too_much(self) -> bool:
        """Whether to follow it takes more time than anybody's module is worth."""
        if sum(isinstance(node, ast.stmt) for node in self._run_nodes) > _MOST_STATEMENTS:
            return True
        return _bound_names(self._outer_nodes) * sum(map(_parts_ways, self._outer_nodes)) > _MOST_STEPS

    @cached_property
    def _classes(self) -> list[tuple[str, Values]]:
        return [(name, values) for name, values in self.scope.names.items() if kinds(values) & {"class", "unknown"}]

    @cached_property
    def _set_elsewhere(self) -> set[str]:
        """Names that functions bind which may be called while the module is imported."""
        return {name for node in self._run_nodes if isinstance(node, ast.Global) for name in node.names}

    @cached_property
    def _run_nodes(self) -> list[ast.AST]:
        """All that may be run while the module is imported: no function's body where no function of it is called."""
        nodes = self._outer_nodes
        own = {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))}
        own |= {target for node in nodes if isinstance(node, ast.Assign) for target in _lambdas_of(node)}
        return list(ast.walk(self.tree)) if _may_run(self.tree, own) else nodes

    @cached_property
    def _outer_nodes(self) -> list[ast.AST]:
        """All but the bodies of functions."""
        return list(_outside_functions(self.tree))


def _outside_functions(tree: ast.AST) -> Iterator[ast.AST]:
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting.extend(_outer_children(node))


def _outer_children(node: ast.AST) -> list[ast.AST]:
    """What stands in a node, but for the body of a function."""
    if isinstance(node, ast.Lambda):
        return []
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return [node.args, *node.decorator_list]
    return list(ast.iter_child_nodes(node))


def _bound_names(nodes: Iterable[ast.AST]) -> int:
    return sum(
        isinstance(node, (ast.alias, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
        for node in nodes
    )


def _parts_ways(node: ast.AST) -> bool:
    is_star = isinstance(node, ast.ImportFrom) and node.names[0].name == "*"  # after which a name may be another's
    return is_star or isinstance(node, (*_PARTINGS, ast.match_case))


def _lambdas_of(node: ast.Assign) -> Iterator[str]:
    if isinstance(node.value, ast.Lambda):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def _may_run(tree: ast.AST, own: set[str]) -> bool:
    """Whether importing a module runs a function of it: in a call, as a decorator, for a metaclass.

    Args:
        tree: the module.
        own: the names of its functions and classes.
    """
    waiting = [(tree, False)]
    while waiting:
        node, is_called = waiting.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.name in _RUN_BY_CLASSES:
            return True
        if is_called and (isinstance(node, ast.Lambda) or (isinstance(node, ast.Name) and node.id in own)):
            return True
        called = set(map(id, _called_in(node)))
        waiting.extend((child, is_called or id(child) in called) for child in _outer_children(node))
    return False


def _called_in(node: ast.AST) -> Iterable[ast.AST]:
    """The parts of a node of which a function may be called there."""
    if isinstance(node, ast.Call):
        return ast.iter_child_nodes(node)
    if isinstance(node, ast.ClassDef):
        return [*node.decorator_list, *node.keywords]
    return node.decorator_list if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) else []


def _gives_itself_away(node: ast.AST, scope: Scope) -> bool:
    """Whether a function that is not known is told the module's name, by which it may find and change the module."""
    if not isinstance(node, ast.Call) or not any(_is_own_name(argument) for argument in node.args):
        return False
    if any("log" in word.lower() for word in _names_called(node.func)):
        return False
    called = meaning(node.func, scope)
    return not (kinds(called) == {"import"} and all(gives_no_class(value.origin) for value in called))


def _names_called(function: ast.expr) -> Iterator[str]:
    """The names in ``a.b(...)[0].c``, from the last to the first, without those of arguments."""
    part: ast.expr | None = function
    while part is not None:
        yield getattr(part, "attr", "") or getattr(part, "id", "")
        part = part.func if isinstance(part, ast.Call) else getattr(part, "value", None)


def _is_own_name(argument: ast.expr) -> bool:
    return isinstance(argument, ast.Name) and argument.id == "__name__"


def _is_dynamic(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in _DYNAMIC_NAMES or (node.id == "__name__" and isinstance(node.ctx, ast.Store))
    if isinstance(node, ast.Attribute):
        return node.attr in _DYNAMIC_ATTRIBUTES
    if isinstance(node, ast.ImportFrom):
        return any(alias.name in _DYNAMIC_NAMES | _DYNAMIC_ATTRIBUTES for alias in node.names)
    return isinstance(node, ast.Constant) and node.value == "__module__"
