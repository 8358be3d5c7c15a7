"""What an archive's manifest says, under the rules by which TorchServe reads it."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from model_archiver.core.manifest import MANIFEST_PATH, RuntimeType, model_of
from model_archiver.core.problems import Problem
from model_archiver.planning.handler import BUILT_IN, LSP_BUILT_IN, packed_module, split_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Any

_DEEPEST = 50
_REPACK = "package the model again"
_TEXT = (str, int, float)  # a bool is an int; the server's reader makes texts of them all
_KINDS = {"createdOn": _TEXT, "description": _TEXT, "archiverVersion": _TEXT}
"""What the server's reader takes as each field of the manifest."""

_NAMING_FILES = ("serializedFile", "modelFile", "requirementsFile", "configFile")


_TEXTS_OF_MODEL = ("modelName", "modelVersion", "handler", "envelope", "description", *_NAMING_FILES)


def read_manifest(text: bytes | None) -> tuple[dict[str, Any], list[Problem]]:
    """The manifest's fields, none where it cannot be read, and what is wrong with it by itself.

    Args:
        text: the bytes of the file; None where there is none.
    """
    if text is None:
        hint = "a .mar has it at MAR-INF/MANIFEST.json; in a tar.gz everything lies below one folder"
        return {}, [_problem("manifest-missing", "there is no manifest, without which no server takes it", hint)]
    fields = _parsed(text)
    if fields is None:
        return {}, [_problem("manifest-invalid", "is no JSON object in UTF-8 without a mark before it")]
    return fields, list(manifest_problems(fields))


def manifest_problems(fields: dict[str, Any]) -> Iterator[Problem]:
    """What no server takes in a manifest that can be read."""
    model = model_of(fields)
    if model.get("modelName") in (None, ""):
        yield _problem("manifest-invalid", "gives the model no name (model.modelName)")
    runtime = fields.get("runtime", RuntimeType.PYTHON.value)
    if runtime not in [known.value for known in RuntimeType]:
        message = f"names the runtime {runtime!r}, which no server knows"
        yield _problem("runtime-unserved", message, "use python, python3 or LSP")
    for field, known in _KINDS.items():
        yield from _misfits(fields, field, known)
    for field in _TEXTS_OF_MODEL:
        yield from _misfits(model, field, _TEXT, "model.")
    if "specificationVersion" in fields:
        yield from _misfits(fields, "engine", (dict,))
        if not model.get("handler"):
            yield _problem(
                "manifest-invalid", "gives the model no handler, without which Multi Model Server refuses it"
            )


def missing_files(manifest: dict[str, Any], paths: Collection[PurePosixPath]) -> Iterator[Problem]:
    """What the manifest names and the archive does not hold.

    Args:
        manifest: its fields.
        paths: of the files in the archive.
    """
    model = model_of(manifest)
    for field in _NAMING_FILES:
        name = model.get(field)
        if isinstance(name, str) and name and PurePosixPath(name) not in paths:
            yield _problem("manifest-file-missing", f"names {name} as its {field}, which is not in the archive")
    handler = model.get("handler")
    if isinstance(handler, str) and handler:
        yield from _missing_handler(handler, paths)


def _misfits(fields: dict[str, Any], field: str, kinds: tuple[type, ...], above: str = "") -> Iterator[Problem]:
    """A field that is there and of none of the kinds that the server's reader takes."""
    value = fields.get(field)
    if value is not None and not isinstance(value, kinds):
        what = "an object" if kinds == (dict,) else "a text"
        yield _problem("manifest-invalid", f"has something else than {what} as {above}{field}")


def _missing_handler(handler: str, paths: Collection[PurePosixPath]) -> Iterator[Problem]:
    module, _ = split_function(handler)
    if handler in BUILT_IN or handler in LSP_BUILT_IN:
        return
    # The server drops the folders before it; whether it finds the file is for the checks to say.
    if packed_module(module, paths) or packed_module(Path(module).name, paths):
        return
    if "." in module.removesuffix(".py") and "/" not in module:
        message = f"names the handler {handler}, which is not in the archive"
        yield Problem("warning", "handler-outside", message, "have it installed where the server runs", MANIFEST_PATH)
    else:
        yield _problem("handler-missing", f"names the handler {handler}, which is neither in the archive nor built in")


def _parsed(text: bytes) -> dict[str, Any] | None:
    try:
        fields = json.loads(text.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError):  # a UnicodeDecodeError is one too
        return None
    return fields if isinstance(fields, dict) and not _is_deeper(fields, _DEEPEST) else None


def _refuse_constant(name: str) -> None:
    """NaN and the infinities are no JSON, whatever Python takes.

    Raises:
        ValueError: always.
    """
    raise ValueError(name)


def _is_deeper(value: object, levels: int) -> bool:
    """Whether objects lie in each other to more than so many levels, which no later step could follow."""
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or any(_is_deeper(item, levels - 1) for item in inside)


def _problem(code: str, message: str, hint: str = _REPACK) -> Problem:
    return Problem("error", code, message, hint, MANIFEST_PATH)
