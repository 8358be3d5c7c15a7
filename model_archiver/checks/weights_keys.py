"""What a file from torch.save holds, and whether ``load_state_dict`` of the model's class may take it."""

from __future__ import annotations

from itertools import takewhile

from model_archiver.checks.pickle_file import Built
from model_archiver.core.text import shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from model_archiver.checks.source import Class, Outline

_BASES = ("torch.nn.Module", "torch.nn.modules.module.Module")
_BASE_PACKAGES = ("torch.nn.Sequential", "torchvision.models.", "pytorch_lightning.", "lightning.")
"""Classes, and packages of classes, that load a state_dict as ``torch.nn.Module`` does."""
_ADDS = {".add_module", ".register_module", "._modules"}  # by a name that may be computed
_WRAPPERS = ("module", "_orig_mod")  # what torch.nn.DataParallel and torch.compile put in front of all keys
_MODEL_ENTRIES = ("state_dict", "model_state_dict", "model")
_CALLS = {".load_state_dict", ".state_dict"}
_SAVE = "save the model's state_dict() with torch.save"
_KINDS: dict[type, str] = {list: "a list", tuple: "a tuple"}
_MOST_KEYS = 5


def misfit(outline: Outline, value: object) -> tuple[str, str] | None:
    """Return why the class in a model file certainly does not load an object, and what to do; None if it may."""
    own = outline.only_class
    words = {word for word in outline.words | outline.stored if "state_dict" in word} - _CALLS
    if own is None or words or not all(base in _BASES or base.startswith(_BASE_PACKAGES) for base in own.bases):
        return None
    if not isinstance(value, dict):
        kind = "a tensor" if _is_tensor(value) else _KINDS.get(type(value))
        return (f"this holds {kind}, but the server loads a state_dict", _SAVE) if kind else None
    if all("." in key or key == "_extra_state" or isinstance(item, Built) for key, item in value.items()):
        prefix = _prefix(outline, own, value)
        example = next((shortened(key) for key in value if key.startswith(prefix)), "")
        message = f"all keys begin with {prefix!r}, such as {example}, but those of the model do not"
        return (message, f"remove {prefix!r} from the keys and save them again") if prefix else None
    keys = ", ".join(map(shortened, list(value)[:_MOST_KEYS])) + (", ..." if len(value) > _MOST_KEYS else "")
    message = f"this holds a checkpoint with the keys {keys}, but the server loads a state_dict"
    entries = [key for key, item in value.items() if isinstance(item, dict) and any(map(_is_tensor, item.values()))]
    if not entries:
        return message, _SAVE
    entry = next((key for key in _MODEL_ENTRIES if key in entries), entries[0])
    prefix = _prefix(outline, own, value[entry])
    without = f", with {prefix!r} removed from its keys" if prefix else ""
    return message, f"save only its entry {shortened(entry)!r}{without}"


def _prefix(outline: Outline, own: Class, state: object) -> str:
    """Return what stands in front of all keys of a state_dict and is certainly not in those of the model."""
    keys = [key for key in state if key != "n_averaged"] if isinstance(state, dict) else []
    parts: list[str] = []
    while keys and all("." in key for key in keys):
        first = keys[0].partition(".")[0]
        if not {f".{first}", f'"{first}'}.isdisjoint(outline.words) or any(
            not key.startswith(f"{first}.") for key in keys
        ):
            break
        parts.append(first)
        keys = [key.partition(".")[2] for key in keys]
    # The file sets each attribute of the class by its name, and the keys behind the prefix are some of these.
    is_shown = {*own.bases} <= {*_BASES} and not outline.is_open and _ADDS.isdisjoint(outline.words)
    if not is_shown or not all(f".{key.partition('.')[0]}" in outline.words for key in keys):
        parts = list(takewhile(_WRAPPERS.__contains__, parts))
    return "".join(f"{part}." for part in parts)


def _is_tensor(value: object) -> bool:
    return isinstance(value, Built) and value.maker.startswith("torch._utils._rebuild_")
