"""Which handlers certainly load their weights as TorchServe's own handlers do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model_archiver.checks.sources.server_classes import line_of_module

if TYPE_CHECKING:
    from model_archiver.checks.package import CheckContext


@dataclass(frozen=True)
class InheritedHandler:
    """A handler that certainly loads its weights as TorchServe's own handlers do.

    Attributes:
        classes: the server's classes whose ``initialize`` runs, such as ``BaseHandler``.
        overridden: the names of methods and attributes that the handler's own class sets, in place of theirs. An
            ``initialize`` of its own, which then certainly calls theirs, is not among them.
    """

    classes: frozenset[str]
    overridden: frozenset[str] = frozenset()

    def runs(self, method: str, of: str = "BaseHandler") -> bool:
        """Whether a method of a class of the server's runs as the server has it."""
        return of in self.classes and method not in self.overridden


def following(package: CheckContext) -> InheritedHandler | None:
    """How the handler follows the server's own ones, where that is certain."""
    built_in = package.handler.built_in
    if built_in is not None:
        classes = line_of_module(built_in)
        return InheritedHandler(frozenset(classes)) if classes else None
    if package.handler_names is None or any(path.parts[0] in ("ts", "ts.py") for path in package.by_path):
        return None
    from model_archiver.checks.sources.following_class import following_class  # noqa: PLC0415 - not for a built-in handler

    return following_class(package.handler_names, package.handler.function)
