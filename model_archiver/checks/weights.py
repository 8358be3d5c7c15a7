"""Whether the weights are what the handler loads.

TorchServe: ``ts/torch_handler/base_handler.py``, ``initialize`` and what it calls; ``densenet_handler.py`` likewise.
With a model file, ``torch.load`` and ``load_state_dict``; without one, by the suffix ``torch.jit.load`` or the like.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from model_archiver.checks.archive import NotSampledError
from model_archiver.checks.labels import VOCABULARY
from model_archiver.checks.sources.python_texts import identifiers
from model_archiver.checks.sources.weights_use import alters_loading
from model_archiver.checks.weights_files.weights_file import read_weights
from model_archiver.checks.wording import shortened
from model_archiver.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.archive import CheckedFile
    from model_archiver.checks.following import InheritedHandler
    from model_archiver.checks.package import CheckContext
    from model_archiver.checks.weights_files.weights_file import Fault, WeightsFile

_BASE = "BaseHandler"
_DENSENET = "DenseNetHandler"
_AGAIN = "save the weights again"
_PROBLEMS: dict[Fault, tuple[str, str]] = {
    "empty": ("is empty", _AGAIN),
    "cut short": ("is cut short", "copy or download it again, or save the weights again"),
    "html": ("is an HTML page, not the weights", "download the file itself"),
    "git lfs": ("is a Git LFS pointer, not the weights", "run git lfs pull"),
}
_PLACEHOLDER = re.compile(r"dummy|empty|placeholder|stub|fake|none|unused", re.IGNORECASE)
_STATE_DICT = "save its state_dict() with torch.save"
_TORCHSCRIPT = "save TorchScript (torch.jit.script(model).save(...))"
_KINDS = {
    "torchscript": "is TorchScript",
    "saved": "was saved by torch.save",
    "tar": "is a tar that torch.save wrote before version 0.2",
    "exported": "is an exported program (torch.export)",
    "pickle": "is a plain pickle",
    "safetensors": "is a safetensors file",
    "onnx": "is an ONNX model",
    "library": "is a shared library",
}
_RENAMES = {"torchscript": "name it .pt", "onnx": "name it .onnx", "library": "name it .so"}
_NEVER_ALLOWED = {*sys.stdlib_module_names, "__main__", "numpy", "torch"}
_MOST_NAMED = 3
_PLAIN = "save only tensors, numbers and texts, as in a state_dict"


def check_presence(package: CheckContext) -> Iterator[Problem]:
    """``weights-missing``: the handler loads weights, and there are none."""
    following = package.following
    if following is None or package.text_field("serializedFile"):
        return
    if not package.text_field("modelFile") or _DENSENET in following.classes:
        display_path = f"--handler {package.handler.given}"
        hint = "give them with --serialized-file"
        yield Problem("error", "weights-missing", "loads weights, and there are none", hint, display_path)
    elif following.runs("_load_pickled_model"):
        yield from _random(package)


def _random(package: CheckContext) -> Iterator[Problem]:
    from model_archiver.checks.sources.weights_source import leaves_random, may_bring  # noqa: PLC0415 - as there is one

    member, handler = package.named_file("modelFile"), package.handler_source
    module = package.parsed(member) if member else None
    if module is not None and leaves_random(module) and (handler is None or not may_bring(handler)):
        message = "there are no weights for this model, and random ones will be served"
        yield Problem("warning", "weights-missing", message, "give them with --serialized-file", module.display_path)


def check_file(package: CheckContext) -> Iterator[Problem]:
    """The other ``weights-`` codes: the file is not what the handler loads."""
    member = package.named_file("serializedFile")
    if member is None or package.server != "torchserve" or not package.runs_python3:
        return
    try:
        with member.open() as file:
            found = read_weights(file, member.size)
        yield from _judge(package, member, found)
    except NotSampledError:
        return


def check_vocabulary(package: CheckContext) -> Iterator[Problem]:
    """``weights-unsafe`` of the words of a text's model, which are no weights, but loaded as such.

    TorchServe: ts/torch_handler/text_handler.py, ``initialize``.
    """
    following, member = package.following, package.by_path.get(VOCABULARY)
    is_named = package.text_field("sourceVocab")
    if following is None or member is None or is_named or not following.runs("get_source_vocab_path", "TextHandler"):
        return
    try:
        with member.open() as file:
            found = read_weights(file, member.size)
        if found.kind == "saved" and found.problem is None:
            yield from _unsafe(package, member, found, "save only words and numbers, as in a dict")
    except NotSampledError:
        return


def _judge(package: CheckContext, member: CheckedFile, found: WeightsFile) -> Iterator[Problem]:
    following = package.following
    if found.problem is not None:
        yield from _unreadable(package, member, found.problem)
    elif following is not None:
        yield from _followed(package, following, member, found)
    elif found.kind == "saved":
        yield from _loaded_otherwise(package, member, found)


def _loaded_otherwise(package: CheckContext, member: CheckedFile, found: WeightsFile) -> Iterator[Problem]:
    """What is wrong where a handler of the user's own certainly hands the file to ``torch.load``."""
    from model_archiver.checks.sources.weights_source import loads_plainly  # noqa: PLC0415 - only where there is a source

    module = package.handler_source
    if module is not None and loads_plainly(module, member.path.name):
        yield from _unsafe(package, member, found)


def _unreadable(package: CheckContext, member: CheckedFile, problem: Fault) -> Iterator[Problem]:
    """``weights-unreadable``: an error where the handler certainly reads the file."""
    following = package.following
    is_read = following is not None and _is_read(package, following, member)
    if problem == "empty" and not is_read and _PLACEHOLDER.search(member.path.name):
        return
    message, hint = _PROBLEMS[problem]
    yield Problem("error" if is_read else "warning", "weights-unreadable", message, hint, member.display_path)


def _is_read(package: CheckContext, following: InheritedHandler, member: CheckedFile) -> bool:
    """Whether the server's own method reads the weights, or would if it knew their suffix."""
    if package.text_field("modelFile"):
        method = "_load_pickled_model"
    elif _suffix(member) == ".pt" or _DENSENET in following.classes:
        method = "_load_torchscript_model"
    elif _suffix(member) == ".so":
        method = "_load_torch_export_aot_compile"
    else:
        return True
    return any(following.runs(method, of) for of in (_BASE, _DENSENET))


def _suffix(member: CheckedFile) -> str:
    name = member.path.name
    return name[name.rindex(".") :] if "." in name else ""


def _followed(
    package: CheckContext, following: InheritedHandler, member: CheckedFile, found: WeightsFile
) -> Iterator[Problem]:
    """What is wrong where the handler loads as the server's own do."""
    has_model_file = bool(package.text_field("modelFile"))
    if not has_model_file and _BASE in following.classes and _suffix(member) != ".pt":
        yield from _other_suffix(package, following, member, found)
    elif _is_read(package, following, member):
        yield from _with_model_file(package, member, found) if has_model_file else _without_model_file(member, found)


def _without_model_file(member: CheckedFile, found: WeightsFile) -> Iterator[Problem]:
    """``weights-without-model-file``: something that ``torch.jit.load`` refuses."""
    if found.kind not in ("unknown", "torchscript"):
        message = f"{_what(found)}, and without a model file only TorchScript can be loaded"
        hint = _RENAMES.get(found.kind, f"{_TORCHSCRIPT}, or add the model's class with --model-file and {_STATE_DICT}")
        if found.kind == "saved" and not _is_whole(found):
            hint = f"add the model's class with --model-file, or {_TORCHSCRIPT}"
        yield Problem("error", "weights-without-model-file", message, hint, member.display_path)


def _with_model_file(package: CheckContext, member: CheckedFile, found: WeightsFile) -> Iterator[Problem]:
    """``weights-with-model-file``: something that ``torch.load`` refuses; ``weights-unsafe``: so are its globals."""
    # Newer versions of torch.load give what is called so to the safetensors package.
    is_taken = found.kind == "safetensors" and _suffix(member) == ".safetensors"
    if found.kind == "unknown" or is_taken:
        return
    if found.kind == "saved" and not _is_whole(found):
        yield from _unsafe(package, member, found)
    elif not alters_loading(package):
        message = f"{_what(found)}, and with a model file only a state_dict can be loaded"
        hint = f"leave out --model-file, or {_STATE_DICT}" if found.kind in _RENAMES else _STATE_DICT
        yield Problem("error", "weights-with-model-file", message, hint, member.display_path)


def _is_whole(found: WeightsFile) -> bool:
    return found.pickle is not None and found.pickle.is_module


def _what(found: WeightsFile) -> str:
    if found.pickle is not None and _is_whole(found):
        return f"is a whole pickled model ({shortened(found.pickle.maker)})"
    return _KINDS[found.kind]


def _other_suffix(
    package: CheckContext, following: InheritedHandler, member: CheckedFile, found: WeightsFile
) -> Iterator[Problem]:
    """``weights-suffix``: a name by which BaseHandler knows no way to load the file."""
    suffix = _suffix(member)
    if suffix == ".onnx" or (suffix == ".so" and not following.runs("_use_torch_export_aot_compile")):
        return
    if suffix == ".so":
        from model_archiver.checks.configs.model_config import may_load_libraries  # noqa: PLC0415 - PyYAML is slow to load

        if not may_load_libraries(package):
            message = "is loaded only where the config file has pt2: {export: {aot_compile: true}}"
            yield Problem("error", "weights-suffix", message, "say so there (--config-file)", member.display_path)
        return
    message = "without a model file, only .pt, .onnx and .so can be loaded"
    hint = _RENAMES.get(found.kind, "add the model's class with --model-file, or name it .pt if it is TorchScript")
    if found.kind == "saved":
        hint = f"add the model's class with --model-file, or {_TORCHSCRIPT} as .pt"
    elif found.kind == "exported":
        hint = f"{_TORCHSCRIPT} as .pt, or write a handler that loads it with torch.export.load"
    yield Problem("error", "weights-suffix", message, hint, member.display_path)


def _unsafe(package: CheckContext, member: CheckedFile, found: WeightsFile, hint: str = _PLAIN) -> Iterator[Problem]:
    """``weights-unsafe``: ``torch.load`` refuses it from torch 2.6 on, unless it is told otherwise."""
    if found.pickle is None:
        return
    from model_archiver.checks.weights_files.weights_only import is_spoken, refused_globals  # noqa: PLC0415 - few are

    names = _surely_refused(package, refused_globals(found.pickle))
    if names:
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        shown = ", ".join(map(shortened, names[:_MOST_NAMED]))
        message = f"names {shown}{more}, which torch.load refuses from 2.6 on and runs before"
    elif not is_spoken(found.pickle):
        message = "has pickle opcodes that torch.load refuses from 2.6 on"
        hint = "save it with torch.save, without a pickle_protocol"
    else:
        return
    if not alters_loading(package):
        yield Problem("warning", "weights-unsafe", message, hint, member.display_path)


def _surely_refused(package: CheckContext, names: tuple[str, ...]) -> list[str]:
    """Those of some globals that no package can have allowed by being imported, as torchao does for its own."""
    tops = {name.partition(".")[0] for name in names} - _NEVER_ALLOWED
    foreign = {top for top in tops if package.importable(top) is None}
    perhaps = identifiers(package, foreign)
    return [name for name in names if name.partition(".")[0] not in perhaps]
