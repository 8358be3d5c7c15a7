"""The classes of TorchServe's own handlers that load weights as they all do."""

from __future__ import annotations

_HOMES = {
    "BaseHandler": ("base_handler", "vision_handler", "text_handler"),
    "VisionHandler": ("vision_handler", "image_classifier", "image_segmenter", "object_detector"),
    "TextHandler": ("text_handler", "text_classifier"),
    "ImageClassifier": ("image_classifier",),
    "ImageSegmenter": ("image_segmenter",),
    "ObjectDetector": ("object_detector",),
    "TextClassifier": ("text_classifier",),
    "DenseNetHandler": ("densenet_handler",),
}
"""The module of ``ts.torch_handler`` that defines a class, and those that import it."""

_BASES = {
    "VisionHandler": "BaseHandler",
    "TextHandler": "BaseHandler",
    "ImageClassifier": "VisionHandler",
    "ImageSegmenter": "VisionHandler",
    "ObjectDetector": "VisionHandler",
    "TextClassifier": "TextHandler",
}

_BY_MODULE = {homes[0]: name for name, homes in _HOMES.items()}
_BY_ORIGIN = {f"ts.torch_handler.{home}.{name}": name for name, homes in _HOMES.items() for home in homes}


def line_of_module(module: str) -> tuple[str, ...]:
    """The class that one of the server's modules defines, and those that it derives from; empty where it has none."""
    return _line(_BY_MODULE[module]) if module in _BY_MODULE else ()


def line_of(origin: str) -> tuple[str, ...]:
    """The same for a class by the dotted name that it is imported by; empty where it is none of the server's."""
    return _line(_BY_ORIGIN[origin]) if origin in _BY_ORIGIN else ()


def _line(name: str) -> tuple[str, ...]:
    return (name, *_line(_BASES[name])) if name in _BASES else (name,)
