"""Check that the weights are what the handler loads.

With a model file the server's handlers call ``torch.load`` and ``load_state_dict``; without one the suffix decides, and
.pt means ``torch.jit.load`` (``ts/torch_handler/base_handler.py``; ``densenet_handler.py`` ignores the suffix).
A handler that loads weights in its own way may take any file.
"""

from __future__ import annotations

import sys

from model_archiver.core.problems import Problem
from model_archiver.core.text import shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Literal

    from model_archiver.checks.context import CheckContext, CheckedFile
    from model_archiver.checks.weights_file import WeightsFile

# What loads the weights: a method of the server's handlers, or nothing because of the suffix.
_STATE_DICT = "_load_pickled_model"
_TORCHSCRIPT = "_load_torchscript_model"
_ONNX = "onnxruntime"
_NOTHING = "nothing"

_DENSENET = "DenseNetHandler"
_PLACEHOLDERS = ("dummy", "empty", "placeholder", "stub", "fake", "none", "unused")
_ADD_CLASS = "add the model class with --model-file"
_SAVE_STATE_DICT = "save its state_dict() with torch.save"
_SAVE_TORCHSCRIPT = "save TorchScript as .pt (torch.jit.script(model).save(...))"
_SUFFIXES = {"torchscript": ".pt", "onnx": ".onnx", "library": ".so"}
_KINDS = ("unknown", "torchscript", "saved", "exported", "pickle", "onnx", "library")
"""The kinds of which a model file, or a suffix, decides whether the server loads them."""
_DAMAGES = {
    "empty": ("the file is empty", "save the weights again"),
    "truncated": ("the file is truncated", "copy or download it again, or save the weights again"),
    "html": ("this is an HTML page, not the weights", "download the file itself"),
    "git lfs": ("this is a Git LFS pointer, not the weights", "run git lfs pull"),
}
_CHANGES_LOADING = (
    *(b"weights_only", b"WEIGHTS_ONLY", b"safe_globals", b"load =", b"load=", b'load"', b"load'"),
    b"ultralytics",  # importing it replaces torch.load
)
_NEVER_ALLOWED = {*sys.stdlib_module_names, "__main__", "numpy", "torch"}
_MOST_PACKAGES = 20
_MOST_NAMED = 3


def weights_missing(context: CheckContext) -> Iterator[Problem]:
    """Report a handler that loads weights, and an archive without any."""
    inherited = context.inherited
    if inherited is None or context.text_field("serializedFile"):
        return
    if not context.text_field("modelFile") or _DENSENET in inherited.classes:
        message, hint = "this handler loads weights, but the archive has none", "add them with --serialized-file"
        yield Problem("error", "weights-missing", message, hint, f"--handler {context.handler.given}")


def weights_unreadable(context: CheckContext) -> Iterator[Problem]:
    """Report a weights file that nothing can read."""
    file, found = context.named_file("serializedFile"), context.weights
    if file is None or found is None or context.server != "torchserve" or not context.runs_python3:
        return
    loader = _loader(context, file)
    level: Literal["error", "warning"] = "error" if loader else "warning"
    is_placeholder = found.damage == "empty" and any(word in file.path.name.lower() for word in _PLACEHOLDERS)
    if found.damage and (level == "error" or not is_placeholder):
        yield Problem(level, "weights-unreadable", *_DAMAGES[found.damage], file.display_path)
    if found.damage or not _is_foreign(loader, file, found):
        return
    if loader == _STATE_DICT and context.mentioned(_CHANGES_LOADING):
        return
    what = "not an ONNX model" if found.kind == "unknown" else f"{_what(found)}, which the server does not load"
    yield Problem("error", "weights-unreadable", f"this is {what}", _hint(loader, found), file.display_path)


def _is_foreign(loader: str, file: CheckedFile, found: WeightsFile) -> bool:
    """Return whether a file is of a kind that the loader never takes."""
    if loader == _ONNX:
        return found.kind != "onnx"
    # Newer versions of torch.load pass a file of this suffix to the safetensors package.
    is_safetensors = found.kind == "safetensors" and file.path.suffix == ".safetensors"
    return bool(loader) and found.kind not in _KINDS and not is_safetensors


def _hint(loader: str, found: WeightsFile) -> str:
    from model_archiver.reading.file_kind import PACKED  # noqa: PLC0415 - as few weights are of another kind

    if found.kind in (*PACKED, "archive", "workflow"):
        return "unpack it and give the weights in it"
    if found.kind == "xml":
        return "download the file itself"
    if loader == _ONNX:
        return f"give it the suffix {_SUFFIXES[found.kind]}" if found.kind in _SUFFIXES else "export the model to ONNX"
    return _SAVE_STATE_DICT if loader == _STATE_DICT else _hint_without_model_file(found)


def weights_suffix(context: CheckContext) -> Iterator[Problem]:
    """Report a suffix for which BaseHandler has no way to load the file."""
    for file, found in _loaded_by(context, _NOTHING):
        message = "without a model file, the server loads only .pt, .onnx and .so files"
        hint = f"{_ADD_CLASS}, or give it the suffix .pt if it is TorchScript"
        hint = hint if found.kind == "unknown" else _hint_without_model_file(found)
        yield Problem("error", "weights-suffix", message, hint, file.display_path)


def weights_without_model_file(context: CheckContext) -> Iterator[Problem]:
    """Report a file that ``torch.jit.load`` rejects."""
    for file, found in _loaded_by(context, _TORCHSCRIPT):
        if found.kind not in ("unknown", "torchscript"):
            message = f"this is {_what(found)}, but without a model file the server loads only TorchScript"
            hint = _hint_without_model_file(found)
            yield Problem("error", "weights-without-model-file", message, hint, file.display_path)


def _hint_without_model_file(found: WeightsFile) -> str:
    if found.kind in _SUFFIXES:
        return f"give it the suffix {_SUFFIXES[found.kind]}"
    if found.kind == "saved" and not found.is_module:
        return f"{_ADD_CLASS}, or {_SAVE_TORCHSCRIPT}"
    return f"{_SAVE_TORCHSCRIPT}, or {_ADD_CLASS} and {_SAVE_STATE_DICT}"


def weights_with_model_file(context: CheckContext) -> Iterator[Problem]:
    """Report a file that ``torch.load`` rejects, or one that holds a whole model."""
    for file, found in _loaded_by(context, _STATE_DICT):
        may_be_state_dict = found.kind in ("unknown", "safetensors") or (found.kind == "saved" and not found.is_module)
        if may_be_state_dict or context.mentioned(_CHANGES_LOADING):
            return
        message = f"this is {_what(found)}, but with a model file the server loads only a state_dict"
        hint = f"remove --model-file, or {_SAVE_STATE_DICT}" if found.kind in _SUFFIXES else _SAVE_STATE_DICT
        yield Problem("error", "weights-with-model-file", message, hint, file.display_path)


def weights_unsafe(context: CheckContext) -> Iterator[Problem]:
    """Report a pickle that ``torch.load`` rejects from torch 2.6 on, unless the archive allows what it imports."""
    for file, found in _loaded_by(context, _STATE_DICT):
        names = [] if found.is_module else _rejected_globals(context, found)
        if names and not context.mentioned(_CHANGES_LOADING):
            shown = ", ".join(map(shortened, names[:_MOST_NAMED]))
            more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
            message = f"the pickle imports {shown}{more}, which torch 2.6 rejects and older versions execute"
            hint = "save only tensors, numbers and strings, as in a state_dict"
            yield Problem("warning", "weights-unsafe", message, hint, file.display_path)


def weights_keys(context: CheckContext) -> Iterator[Problem]:
    """Report an object that ``load_state_dict`` rejects, unless the archive changes how weights are loaded."""
    model_file = context.named_file("modelFile")
    outline = context.outline(model_file) if model_file is not None else None
    for file, found in _loaded_by(context, _STATE_DICT):
        if outline is None or found.kind != "saved" or found.pickle is None or found.is_module:
            return
        from model_archiver.checks.weights_keys import misfit  # noqa: PLC0415 - only with a state_dict

        problem = misfit(outline, found.pickle.value)
        if problem is not None and not context.mentioned((*_CHANGES_LOADING, b"Module.load_state_dict")):
            yield Problem("warning", "weights-keys", *problem, file.display_path)


def _rejected_globals(context: CheckContext, found: WeightsFile) -> list[str]:
    """Return what ``torch.load`` rejects, unless an imported package may allow it, as torchao does for its own."""
    if found.kind != "saved" or found.pickle is None:
        return []
    from model_archiver.checks.pickle_file import rejected_globals  # noqa: PLC0415 - it was needed to read the pickle

    names = rejected_globals(found.pickle)
    others = {name.partition(".")[0] for name in names} - _NEVER_ALLOWED
    unknown = {name for name in others if context.importable(name) is None}
    if len(unknown) <= _MOST_PACKAGES:
        unknown = {word.decode() for word in context.mentioned(map(str.encode, unknown))}
    return [name for name in names if name.partition(".")[0] not in unknown]


def _what(found: WeightsFile) -> str:
    maker = found.pickle.globals[0] if found.pickle is not None and found.is_module else ""
    if maker:
        return f"a whole pickled model ({shortened(maker)})"
    from model_archiver.reading.file_kind import DESCRIPTIONS  # noqa: PLC0415 - only for what is reported

    return DESCRIPTIONS[found.kind]


def _loaded_by(context: CheckContext, loader: str) -> Iterator[tuple[CheckedFile, WeightsFile]]:
    """Yield the weights file and what it is, if this loads it and `weights_unreadable` does not report it."""
    file, found = context.named_file("serializedFile"), context.weights
    if file is None or found is None or found.damage or _loader(context, file) != loader:
        return
    if not _is_foreign(loader, file, found):
        yield file, found


def _loader(context: CheckContext, file: CheckedFile) -> str:
    """Return what loads the weights, or an empty string if the handler may load them in its own way."""
    inherited, name = context.inherited, file.path.name
    if inherited is None:
        return ""
    if context.text_field("modelFile"):
        loader = _STATE_DICT
    elif name.endswith(".pt") or _DENSENET in inherited.classes:
        loader = _TORCHSCRIPT
    else:
        loader = {".onnx": _ONNX, ".so": ""}.get(file.path.suffix, _NOTHING)
    return "" if loader in inherited.overridden else loader
