"""Whether the class of a handler file certainly loads weights as the class of TorchServe does that it derives from."""

from __future__ import annotations

import _ast

from model_archiver.checks.names import walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from model_archiver.checks.names import Class
    from model_archiver.checks.source import Outline

_QUIET = ("builtins.", "datetime.", "logging.", "math.", "os.environ.", "os.getenv", "os.path.", "random.", "time.")
"""What may be called before TorchServe's own ``initialize`` without a change to what that finds."""
_LOUD = ("builtins.compile", "builtins.eval", "builtins.exec", "builtins.open")
_PATCHES = {"add_safe_globals", "patch", "safe_globals", ".add_safe_globals", ".patch", ".safe_globals", ".setattr"}


def initializes_as_its_base(outline: Outline, only_class: Class) -> bool:
    """Return whether the ``initialize`` of TorchServe certainly runs, and finds all as the server has prepared it.

    The class must have no ``initialize``, or one that first calls ``super().initialize(context)``, and nothing that
    runs before may change the server or files.
    """
    return only_class.is_plain and _is_undisturbed(outline, only_class) and _initializes(outline, only_class)


def _is_undisturbed(outline: Outline, only_class: Class) -> bool:
    """Return whether importing the file and making an instance changes neither the server nor any file."""
    words, constructor = outline.facts.words, only_class.method("__init__")
    patches = outline.facts.patches or not _PATCHES.isdisjoint(words) or any("WEIGHTS_ONLY" in word for word in words)
    if patches or (constructor is None and "__init__" in only_class.overridden):
        return False
    made = [node for node in walk(constructor) if isinstance(node, _ast.Call)] if constructor else []
    return all(_is_quiet(outline, call) for call in (*outline.facts.outer_calls, *made))


def _is_quiet(outline: Outline, call: _ast.Call) -> bool:
    origin = outline.scope.value(call.func).origin
    is_base = origin.startswith("ts.") and origin.endswith(".__init__")
    return is_base or origin == "torch.device" or (origin.startswith(_QUIET) and not origin.startswith(_LOUD))


def _initializes(outline: Outline, only_class: Class) -> bool:
    """Return whether the class has no ``initialize``, or one that first calls that of its base with its context."""
    function = only_class.method("initialize")
    if not isinstance(function, _ast.FunctionDef) or len(function.args.args) < 2:
        return function is None and "initialize" not in only_class.overridden
    context = function.args.args[1].arg
    for statement in function.body:
        call = getattr(statement, "value", None)
        if isinstance(call, _ast.Call) and _calls_inherited(outline, only_class, call):
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            return bool(given) and getattr(given[-1], "id", "") == context
        if not isinstance(statement, (_ast.Assign, _ast.AnnAssign, _ast.Expr)):
            return False
        if any(_may_disturb(outline, node, context) for node in walk(statement)):
            return False
    return False


def _calls_inherited(outline: Outline, only_class: Class, call: _ast.Call) -> bool:
    """Return whether it is ``super().initialize``, ``super(Own, self).initialize`` or ``BaseHandler.initialize``."""
    origin, owner = outline.scope.value(call.func).origin, getattr(call.func, "value", None)
    first = owner.args[0] if isinstance(owner, _ast.Call) and owner.args else None
    is_own = first is None or getattr(first, "id", "") == only_class.node.name
    is_base = origin == f"{only_class.bases[0]}.initialize" and len(call.args) == 2
    return is_base or (origin == "builtins.super().initialize" and is_own)


def _may_disturb(outline: Outline, node: _ast.AST, context: str) -> bool:
    """Return whether a part of a statement may change what TorchServe's ``initialize`` finds."""
    if isinstance(node, _ast.Call):
        return getattr(node.func, "attr", "") != "get" and not _is_quiet(outline, node)
    is_store = not isinstance(getattr(node, "ctx", None), (_ast.Load, type(None)))
    is_changed = is_store and (isinstance(node, _ast.Subscript) or getattr(node, "id", "") == context)
    return is_changed or "manifest" in (getattr(node, "id", ""), getattr(node, "attr", ""))
