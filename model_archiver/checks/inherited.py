"""Which handlers certainly load their weights as TorchServe's own handlers do."""

from __future__ import annotations

import _ast

from model_archiver.checks.names import Class, Function, walk
from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from model_archiver.checks.source import Outline

_BASES = {
    "BaseHandler": "",
    "VisionHandler": "BaseHandler",
    "TextHandler": "BaseHandler",
    "ImageClassifier": "VisionHandler",
    "ImageSegmenter": "VisionHandler",
    "ObjectDetector": "VisionHandler",
    "TextClassifier": "TextHandler",
    "DenseNetHandler": "",
}
"""TorchServe's handler classes, each with its base class (ts/torch_handler/*.py)."""

_DEFINED = {
    "base_handler": "BaseHandler",
    "vision_handler": "VisionHandler",
    "text_handler": "TextHandler",
    "image_classifier": "ImageClassifier",
    "image_segmenter": "ImageSegmenter",
    "object_detector": "ObjectDetector",
    "text_classifier": "TextClassifier",
    "densenet_handler": "DenseNetHandler",
}
"""The modules of ``ts.torch_handler``, each with the handler class that it defines."""

_EMPTY_BASES = ("builtins.object", "abc.ABC")
_QUIET = ("builtins.", "datetime.", "logging.", "math.", "os.environ.", "os.getenv", "os.path.", "random.", "time.", "torch.device")
"""What may be called before TorchServe's own ``initialize`` without a change to what that finds."""
_LOUD = ("builtins.compile", "builtins.eval", "builtins.exec", "builtins.open")
_PATCHES = {"add_safe_globals", "monkeypatch", "patch", "safe_globals", ".add_safe_globals", ".patch", ".safe_globals", ".setattr"}


class InheritedHandler(Record):
    """A handler that certainly loads its weights as TorchServe's own handlers do.

    Attributes:
        classes: TorchServe's classes whose ``initialize`` runs, such as ``BaseHandler``.
        overridden: the methods and attributes that the handler's own class sets. ``initialize`` is not among them:
            it certainly calls the one of TorchServe.
    """

    classes: frozenset[str]
    overridden: frozenset[str] = frozenset()

    def runs(self, method: str, of: str = "BaseHandler") -> bool:
        """Return whether a method of one of TorchServe's classes runs unchanged."""
        return of in self.classes and method not in self.overridden


def built_in_handler(name: str) -> InheritedHandler | None:
    """Return how a built-in handler loads weights, or None if it does so in its own way."""
    classes = _with_bases(_DEFINED.get(name, ""))
    return InheritedHandler(classes) if classes else None


def inherited_handler(outline: Outline) -> InheritedHandler | None:
    """Return how the only class of a handler file loads weights, or None if that is not certain.

    It is certain if the class derives directly from one of TorchServe's classes, if it has no ``initialize`` or one that
    calls ``super().initialize(context)`` first, and if nothing that runs before that may change the server or the files.
    """
    only_class = outline.only_class
    if only_class is None or not only_class.is_plain or not _is_undisturbed(outline, only_class):
        return None
    names = [_server_class(base) for base in only_class.bases if base not in _EMPTY_BASES]
    if not names or "" in names or not _initializes(only_class, outline):
        return None
    return InheritedHandler(frozenset().union(*map(_with_bases, names)), only_class.overridden - {"initialize"})


def _server_class(origin: str) -> str:
    """Return the name of the handler class of TorchServe that an import is, or an empty string."""
    *package, module, name = ["", *origin.split(".")]
    return name if package == ["", "ts", "torch_handler"] and module in _DEFINED and name in _BASES else ""


def _with_bases(name: str) -> frozenset[str]:
    names = []
    while name in _BASES:
        names.append(name)
        name = _BASES[name]
    return frozenset(names)


def _is_undisturbed(outline: Outline, only_class: Class) -> bool:
    """Return whether importing the file and making an instance changes neither the server nor any file."""
    facts = outline.facts
    is_patched = facts.patches or not _PATCHES.isdisjoint(facts.words) or any("WEIGHTS_ONLY" in word for word in facts.words)
    made = only_class.method("__init__")
    if is_patched or (made is None and "__init__" in only_class.overridden):
        return False
    calls = [*facts.outer_calls, *(node for node in walk(made.node) if isinstance(node, _ast.Call))] if made else facts.outer_calls
    return all(_is_quiet(call, outline) for call in calls)


def _is_quiet(call: _ast.Call, outline: Outline) -> bool:
    origin = outline.scope.value(call.func).origin
    is_known = origin.startswith(_QUIET) and not origin.startswith(_LOUD)
    return is_known or (origin.startswith("ts.") and origin.endswith(".__init__"))


def _initializes(only_class: Class, outline: Outline) -> bool:
    """Return whether TorchServe's ``initialize`` certainly runs, with the context that the server gives."""
    function = only_class.method("initialize")
    if function is None:
        return "initialize" not in only_class.overridden
    parameters = function.node.args.args
    if function.is_async or len(parameters) < 2:
        return False
    context = parameters[1].arg
    for statement in function.node.body:
        call = getattr(statement, "value", None)
        if isinstance(call, _ast.Call) and _calls_inherited(call, only_class, outline):
            given = [*call.args, *(keyword.value for keyword in call.keywords)]
            return bool(given) and getattr(given[-1], "id", "") == context
        if not isinstance(statement, (_ast.Assign, _ast.AnnAssign, _ast.Expr)) or _may_disturb(statement, context, outline):
            return False
    return False


def _calls_inherited(call: _ast.Call, only_class: Class, outline: Outline) -> bool:
    """Return whether a call is ``super().initialize``, ``super(Own, self).initialize`` or ``BaseHandler.initialize``."""
    if outline.scope.value(call.func).origin == f"{only_class.bases[0]}.initialize":
        return len(call.args) == 2
    owner = getattr(call.func, "value", None)
    is_super = isinstance(owner, _ast.Call) and getattr(owner.func, "id", "") == "super"
    is_own = not getattr(owner, "args", ()) or getattr(owner.args[0], "id", "") == only_class.name
    return getattr(call.func, "attr", "") == "initialize" and is_super and is_own


def _may_disturb(statement: _ast.stmt, context: str, outline: Outline) -> bool:
    """Return whether a statement may change what TorchServe's ``initialize`` finds."""
    for node in walk(statement):
        word, is_read = getattr(node, "id", getattr(node, "attr", "")), isinstance(getattr(node, "ctx", None), _ast.Load)
        is_store = not is_read and (word == context or isinstance(node, _ast.Subscript))
        is_call = isinstance(node, _ast.Call) and not _is_quiet(node, outline)
        if word == "manifest" or is_store or (is_call and getattr(node.func, "attr", "") != "get"):
            return True
    return False
