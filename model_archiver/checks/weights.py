"""Check what the handler loads: the weights, all files of sharded weights, the names of classes, a vocabulary.

With a model file the server's handlers call ``torch.load`` and ``load_state_dict``; without one the suffix decides, and
.pt means ``torch.jit.load`` (``ts/torch_handler/base_handler.py``; ``densenet_handler.py`` ignores the suffix).
A handler that loads weights in its own way may take any file.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import suppress
from itertools import takewhile
from pathlib import PurePosixPath

from model_archiver.checks.context import CheckContext, CheckedFile
from model_archiver.checks.weights_file import WeightsFile, rejected_globals
from model_archiver.core.problems import Problem
from model_archiver.core.text import listed, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from model_archiver.checks.source import Outline

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
_CHANGES_LOADING = (
    *(b"weights_only", b"WEIGHTS_ONLY", b"safe_globals", b"load =", b"load=", b'load"', b"load'"),
    b"ultralytics",  # importing it replaces torch.load
)
_NEVER_ALLOWED = {*sys.stdlib_module_names, "__main__", "numpy", "torch"}
_MOST_PACKAGES = 20

# Classes, and packages of classes, that load a state_dict as torch.nn.Module does.
_PLAIN_BASES = ("torch.nn.Module", "torch.nn.Sequential", "torchvision.models.", "pytorch_lightning.", "lightning.")
_CALLS = {".load_state_dict", ".state_dict"}
_ADDS = {".add_module", ".register_module", "._modules"}  # of an attribute whose name may be computed
_WRAPPERS = ("module", "_orig_mod")  # what torch.nn.DataParallel and torch.compile put in front of all keys
_MODEL_ENTRIES = ("state_dict", "model_state_dict", "model")  # of a checkpoint, in the order in which they are proposed
_SEQUENCES: dict[type, str] = {list: "a list", tuple: "a tuple"}
_WANTED = "the server loads a state_dict"

_SHARD = r"(.+)-\d{5}-of-00\d{3}(\.safetensors|\.bin)"
_INDEX = r"(.+\.[a-z0-9]+)\.index(?:\..+)?\.json"  # ".index.fp16.json" is that of a variant
_READS_WITHOUT_INDEX = (b"glob", b"listdir", b"iterdir", b"scandir", b"-of-", b"safe_open", b"load_file", b"vllm")

_LABELS = 'write an object such as {"0": "cat", "1": "dog"}'
_VOCABULARY = PurePosixPath("source_vocab.pt")


def weights_missing(context: CheckContext) -> Iterator[Problem]:
    """Report a handler that loads weights, and an archive without any."""
    inherited, has_weights = context.inherited, context.text_field("serializedFile")
    if inherited and not has_weights and (not context.text_field("modelFile") or _DENSENET in inherited.classes):
        message, hint = "this handler loads weights, but the archive has none", "add them with --serialized-file"
        yield Problem("error", "weights-missing", message, hint, f"--handler {context.handler.given}")


def weights_unreadable(context: CheckContext) -> Iterator[Problem]:
    """Report a weights file that nothing can read."""
    file, found = context.named_file("serializedFile"), context.weights
    if file is None or found is None or context.server != "torchserve" or not context.runs_python3:
        return
    loader = _loader(context, file)
    if found.damage:
        is_placeholder = found.damage == "empty" and any(word in file.path.name.lower() for word in _PLACEHOLDERS)
        is_reported = bool(loader) or not is_placeholder
    else:
        may_load = loader == _STATE_DICT and context.mentioned(_CHANGES_LOADING)
        is_reported = _is_foreign(loader, file, found) and not may_load
    if is_reported:
        message, hint = f"this is {_what(found)}, which the server does not load", _hint(loader, found)
        yield Problem("error" if loader else "warning", "weights-unreadable", message, hint, file.display_path)


def _is_foreign(loader: str, file: CheckedFile, found: WeightsFile) -> bool:
    """Return whether a file is of a kind that the loader never takes."""
    if loader == _ONNX:
        return found.kind != "onnx"
    # Newer versions of torch.load pass a file of this suffix to the safetensors package.
    is_safetensors = found.kind == "safetensors" and file.path.suffix == ".safetensors"
    return bool(loader) and found.kind not in _KINDS and not is_safetensors


def _hint(loader: str, found: WeightsFile) -> str:
    from model_archiver.reading.file_kind import HINTS  # noqa: PLC0415 - as few weights are of another kind

    if found.damage:
        return HINTS.get(found.damage, "copy or download it again, or save the weights again")
    hints = {_ONNX: "export the model to ONNX", _STATE_DICT: _SAVE_STATE_DICT}
    return HINTS.get(found.kind) or hints.get(loader) or _hint_without_model_file(found)


def weights_suffix(context: CheckContext) -> Iterator[Problem]:
    """Report a suffix for which BaseHandler has no way to load the file."""
    for file, found in _loaded_by(context, _NOTHING):
        message = "without a model file, the server loads only .pt, .onnx and .so files"
        yield Problem("error", "weights-suffix", message, _hint_without_model_file(found), file.display_path)


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
            message = f"the pickle imports {listed(names)}, which torch 2.6 rejects and older versions execute"
            hint = "save only tensors, numbers and strings, as in a state_dict"
            yield Problem("warning", "weights-unsafe", message, hint, file.display_path)


def weights_keys(context: CheckContext) -> Iterator[Problem]:
    """Report an object that ``load_state_dict`` of the model's class certainly rejects."""
    model_file = context.named_file("modelFile")
    outline = context.outline(model_file) if model_file is not None else None
    for file, found in _loaded_by(context, _STATE_DICT):
        if outline is None or found.is_module or not _loads_plainly(outline):
            return
        message, hint = _misfit(outline, found.value)
        if message and not context.mentioned((*_CHANGES_LOADING, b"Module.load_state_dict")):
            yield Problem("warning", "weights-keys", message, hint, file.display_path)


def _loads_plainly(outline: Outline) -> bool:
    """Return whether the class in a model file loads a state_dict as ``torch.nn.Module`` does."""
    own = outline.only_class
    own_ways = {word for word in outline.words | outline.stored if "state_dict" in word} - _CALLS
    return own is not None and not own_ways and all(base.startswith(_PLAIN_BASES) for base in own.bases)


def _misfit(outline: Outline, value: object) -> tuple[str, str]:
    """Return why a class does not load an object, and what to do; empty strings if it may load it."""
    if not isinstance(value, dict):
        kind = "a tensor" if getattr(value, "is_tensor", False) else _SEQUENCES.get(type(value))
        return (f"this holds {kind}, but {_WANTED}", _SAVE_STATE_DICT) if kind else ("", "")
    plain = [key for key, item in value.items() if "." not in key and not hasattr(item, "is_tensor")]
    if not set(plain) - {"_extra_state"}:
        prefix = _prefix(outline, value)
        example = next((shortened(key) for key in value if key.startswith(prefix)), "")
        message = f"all keys begin with {prefix!r}, such as {example}, but those of the model do not"
        return (message, f"remove {prefix!r} from the keys and save them again") if prefix else ("", "")
    message = f"this holds a checkpoint with the keys {listed(list(value), 5)}, but {_WANTED}"
    dicts = {key: item for key, item in value.items() if isinstance(item, dict)}
    states = [key for key, item in dicts.items() if any(getattr(one, "is_tensor", False) for one in item.values())]
    entry = next((key for key in (*_MODEL_ENTRIES, *states) if key in states), "")
    return message, f"save only its entry {shortened(entry)!r}" if states else _SAVE_STATE_DICT


def _prefix(outline: Outline, state: dict[str, object]) -> str:
    """Return what stands in front of all keys of a state_dict and is certainly not in those of the model."""
    keys = [key.split(".") for key in state if key != "n_averaged"]
    places = zip(*(key[:-1] for key in keys), strict=False)  # the names of all keys at each place
    shared = (names[0] for names in takewhile(lambda names: len(set(names)) == 1, places))
    parts = list(takewhile(lambda name: outline.words.isdisjoint((f".{name}", f'"{name}')), shared))
    # The file sets each attribute of the class by its name, and the keys behind the prefix are some of these.
    bases = outline.only_class.bases if outline.only_class else ()
    is_shown = bases == ("torch.nn.Module",) and not outline.is_open and _ADDS.isdisjoint(outline.words)
    if not is_shown or not all(f".{key[len(parts)]}" in outline.words for key in keys):
        parts = list(takewhile(_WRAPPERS.__contains__, parts))
    return "".join(f"{part}." for part in parts)


def _rejected_globals(context: CheckContext, found: WeightsFile) -> list[str]:
    """Return what ``torch.load`` rejects, unless an imported package may allow it, as torchao does for its own."""
    if found.kind != "saved" or found.pickle is None:
        return []
    names = rejected_globals(found.pickle)
    others = {name.partition(".")[0] for name in names} - _NEVER_ALLOWED
    unknown = {name for name in others if context.importable(name) is None}
    if len(unknown) <= _MOST_PACKAGES:
        unknown = {word.decode() for word in context.mentioned(map(str.encode, unknown))}
    return [name for name in names if name.partition(".")[0] not in unknown]


def _what(found: WeightsFile) -> str:
    from model_archiver.reading.file_kind import describe  # noqa: PLC0415 - only for what is reported

    return "a whole pickled model" if found.is_module else describe(found.damage or found.kind)


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


def weights_shards(context: CheckContext) -> Iterator[Problem]:
    """Report the first shard, or the index, of a folder without a whole set of weights."""
    folders: dict[PurePosixPath, list[CheckedFile]] = {}
    for file in context.members:
        if re.fullmatch(_SHARD, file.path.name) or re.fullmatch(_INDEX, file.path.name):
            folders.setdefault(file.path.parent, []).append(file)
    # A handler may find the shards of a folder itself.
    needs_index = context.handler.built_in is None and not context.mentioned(_READS_WITHOUT_INDEX)
    for files in list(folders.values())[:100]:
        needed = [(index, _named_by_index(context, index)) for index in files if re.fullmatch(_INDEX, index.path.name)]
        if not needed and needs_index:
            name = re.sub(_SHARD, r"\1\2.index.json", files[0].path.name)
            needed = [(files[0], {files[0].path.with_name(name)})]
        found = [(sorted(paths - context.by_path.keys()), file.display_path) for file, paths in needed]
        missing, path = min(found, key=lambda one: len(one[0]), default=([], ""))
        if missing:
            names = listed([missed.name for missed in missing])
            message = f"these weights need {names}, which the archive does not have"
            yield Problem("warning", "weights-shards", message, "pack all of them, in one folder", path)


def _named_by_index(context: CheckContext, index: CheckedFile) -> set[PurePosixPath]:
    """Return the files that an index names; none if it is not one, or if the weights are there in one file too."""
    match = re.fullmatch(_INDEX, index.path.name)
    if not match or index.path.with_name(match[1]) not in context.by_path:
        with suppress(ValueError, LookupError, TypeError, AttributeError, RecursionError):
            names = json.loads(context.text(index) or b"")["weight_map"].values()
            return {index.path.parent / name for name in names if isinstance(name, str)}
    return set()


def labels_invalid(context: CheckContext) -> Iterator[Problem]:
    """Report an index_to_name.json with which no worker starts."""
    # TorchServe: ts/torch_handler/base_handler.py, `initialize`; ts/utils/util.py, `load_label_mapping`.
    file, inherited = context.by_path.get(PurePosixPath("index_to_name.json")), context.inherited
    if file and inherited and inherited.runs("initialize") and (raw := context.text(file)) is not None:
        for message, hint, line in _label_problems(raw):
            yield Problem("error", "labels-invalid", message, hint, file.display_path, line)


def vocabulary_missing(context: CheckContext) -> Iterator[Problem]:
    """Report a text handler without the vocabulary that it reads (ts/torch_handler/text_handler.py, `initialize`)."""
    is_read = context.inherited is not None and context.inherited.runs("get_source_vocab_path", "TextHandler")
    if is_read and _VOCABULARY not in context.by_path and not context.text_field("sourceVocab"):
        message = f"this handler reads {_VOCABULARY}, which is not at the root of the archive"
        hint = f"add the model's vocabulary: --extra-files {_VOCABULARY}"
        yield Problem("error", "vocabulary-missing", message, hint, context.handler.display_path)


def _label_problems(raw: bytes) -> Iterator[tuple[str, str, int | None]]:
    text = raw.decode(errors="replace")  # a worker uses the encoding of its locale, which may be another one
    try:
        labels = json.loads(text)
    except json.JSONDecodeError as error:
        if "\ufffd" in text or text.startswith("\ufeff"):
            yield "the file is not JSON in UTF-8 without a byte order mark", "save it as UTF-8 without one", None
        else:
            yield f"the file is not valid JSON: {error.msg} (column {error.colno})", _LABELS, error.lineno
        return
    except (ValueError, RecursionError):  # nested too deeply, or a number too long, for this Python
        return
    if not isinstance(labels, dict):
        yield "the file must hold a JSON object", _LABELS, None
    elif not isinstance(labels.get("object_type_names"), list):
        names = {key: label[-1] if isinstance(label, list) and label else label for key, label in labels.items()}
        for key in [key for key, name in names.items() if not isinstance(name, str)][:1]:
            message = f"the name of class {shortened(key)!r} must be a string"
            yield message, "write a string, or a list that ends with one", None
