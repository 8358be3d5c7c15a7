"""Which handlers certainly load their weights as TorchServe's own handlers do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model_archiver.checks.package import Package

_LINES = {
    "base_handler": ("BaseHandler",),
    "image_classifier": ("ImageClassifier", "VisionHandler", "BaseHandler"),
    "image_segmenter": ("ImageSegmenter", "VisionHandler", "BaseHandler"),
    "object_detector": ("ObjectDetector", "VisionHandler", "BaseHandler"),
    "text_classifier": ("TextClassifier", "TextHandler", "BaseHandler"),
    "densenet_handler": ("DenseNetHandler",),
}
"""The classes of the server's handlers that need weights, each with those it derives from."""


@dataclass(frozen=True)
class Following:
    """A handler that certainly loads its weights as TorchServe's own handlers do.

    Attributes:
        classes: the server's classes whose ``initialize`` runs, such as ``BaseHandler``.
        overridden: the names of methods that the handler's own class has in place of theirs.
    """

    classes: frozenset[str]
    overridden: frozenset[str] = frozenset()

    def runs(self, method: str, of: str = "BaseHandler") -> bool:
        """Whether a method of a class of the server's runs as the server has it."""
        return of in self.classes and method not in self.overridden


def following(package: Package) -> Following | None:
    """How the handler follows the server's own ones, where that is certain."""
    built_in = package.handler.built_in
    return Following(frozenset(_LINES[built_in])) if built_in in _LINES else None
