"""Reading the manifest of an archive, under the rules by which servers read it."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from model_archiver.core.manifest import DEEPEST, MANIFEST_PATH, RuntimeType, model_of, parse_manifest
from model_archiver.core.problems import Problem
from model_archiver.planning.handler import BUILT_IN, LSP_BUILT_IN, packed_module, split_function
from model_archiver.reading.archive import REPACK

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from typing import Any

_FILE_FIELDS = ("serializedFile", "modelFile", "requirementsFile", "configFile")
_FIELDS = ("createdOn", "description", "archiverVersion")
_MODEL_FIELDS = ("modelName", "modelVersion", "handler", "envelope", "description", *_FILE_FIELDS)
_SCALAR = (str, int, float)  # a bool is an int; servers turn all of them into strings


def read_manifest(text: bytes | None) -> tuple[dict[str, Any], list[Problem]]:
    """Return the fields of a manifest, empty if it cannot be read, and its problems; `text` is None without one."""
    if text is None:
        hint = f"{REPACK} (in a .tar.gz, with everything below one top folder)"
        return {}, [_problem("manifest-missing", "is not where the server looks for it", hint)]
    fields = parse_manifest(text)
    if fields is None:
        message = f"must be a JSON object in UTF-8 without a byte order mark, at most {DEEPEST} levels deep"
        message += ", without numbers beyond 1e308"
        return {}, [_problem("manifest-invalid", message)]
    return fields, list(manifest_problems(fields))


def manifest_problems(fields: dict[str, Any]) -> Iterator[Problem]:
    """Yield what servers reject in a manifest that can be read."""
    model = model_of(fields)
    if model.get("modelName") in (None, ""):
        yield _problem("manifest-invalid", "model.modelName is missing or empty")
    runtime = fields.get("runtime", RuntimeType.PYTHON.value)
    if runtime not in [known.value for known in RuntimeType]:
        yield _problem("runtime-unserved", f"no server knows the runtime {runtime!r}", "use python, python3 or LSP")
    values = {field: fields.get(field) for field in _FIELDS}
    values.update((f"model.{field}", model.get(field)) for field in _MODEL_FIELDS)
    for field, value in values.items():
        if value is not None and not isinstance(value, _SCALAR):
            yield _problem("manifest-invalid", f"{field} must be a string")
    if "specificationVersion" in fields:  # only Multi Model Server's archiver writes it
        if not isinstance(fields.get("engine", {}), (dict, type(None))):
            yield _problem("manifest-invalid", "engine must be an object")
        if not model.get("handler"):
            yield _problem("manifest-invalid", "model.handler is missing, which Multi Model Server requires")


def missing_files(manifest: dict[str, Any], paths: Collection[PurePosixPath]) -> Iterator[Problem]:
    """Yield an error, or a warning, for each file that the manifest names and that is not among the paths."""
    model = model_of(manifest)
    for field in _FILE_FIELDS:
        name = model.get(field)
        if isinstance(name, str) and name and PurePosixPath(name) not in paths:
            yield _problem("manifest-file-missing", f"model.{field} names {name}, which is not in the archive")
    handler = model.get("handler")
    if not isinstance(handler, str) or not handler or handler in BUILT_IN or handler in LSP_BUILT_IN:
        return
    module, _ = split_function(handler)
    # Servers drop the folders of the name. The checks report a file that is not found because of that.
    if packed_module(module, paths) or packed_module(Path(module).name, paths):
        return
    if "." in module.removesuffix(".py") and "/" not in module:
        message = f"the handler {handler} is not in the archive"
        yield Problem("warning", "handler-outside", message, "install it on the server", MANIFEST_PATH)
    else:
        yield _problem("handler-missing", f"the handler {handler} is neither in the archive nor built in")


def _problem(code: str, message: str, hint: str = REPACK) -> Problem:
    return Problem("error", code, message, hint, MANIFEST_PATH)
