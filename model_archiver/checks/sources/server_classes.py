"""The classes of TorchServe's own handlers."""

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
"""The modules of ``ts.torch_handler`` that define a class or import it."""

_BASES = {
    "VisionHandler": "BaseHandler",
    "TextHandler": "BaseHandler",
    "ImageClassifier": "VisionHandler",
    "ImageSegmenter": "VisionHandler",
    "ObjectDetector": "VisionHandler",
    "TextClassifier": "TextHandler",
}

_BY_ORIGIN = {f"ts.torch_handler.{home}.{name}": name for name, homes in _HOMES.items() for home in homes}


def line(name: str) -> tuple[str, ...]:
    """A class of the server's, and those that it derives from."""
    return (name, *line(_BASES[name])) if name in _BASES else (name,)


def line_of(origin: str) -> tuple[str, ...]:
    """The same for a class by the dotted name that it is imported by; empty where it is none of the server's."""
    return line(_BY_ORIGIN[origin]) if origin in _BY_ORIGIN else ()
