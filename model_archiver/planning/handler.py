"""How a handler string resolves: to a built-in handler, a module of a packed folder, or a file."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from model_archiver.core.plan import Member
from model_archiver.core.problems import FILE_MISSING, ProblemList
from model_archiver.core.record import Record
from model_archiver.core.request import ModelArchiverConfig
from model_archiver.core.text import closest, listed

# TorchServe's built-in handlers, and what each is for.
BUILT_IN = {
    "base_handler": "anything",
    "text_classifier": "text",
    "image_classifier": "vision",
    "object_detector": "vision",
    "image_segmenter": "vision",
    "dali_image_classifier": "vision",
    "vllm_handler": "text",
    "trt_llm_handler": "text",
    "densenet_handler": "vision",
}
LSP_BUILT_IN = {"BaseHandler", "TorchScriptHandler"}
# A dotted name with one of these ends is the name of a file, and not of a module.
_FILE_SUFFIXES = {
    *(".py", ".pyc", ".pyi", ".pyo", ".pyx", ".ipynb", ".sh", ".java", ".jar", ".class", ".cpp", ".so", ".dylib"),
    *(".pt", ".pth", ".pkl", ".jit", ".onnx", ".h5", ".bin", ".safetensors", ".json", ".yaml", ".yml", ".toml"),
    *(".txt", ".md", ".mar", ".gz", ".tar", ".tgz", ".whl", ".zip"),
}
_NEAR = 0.85  # so that the built-in vllm_handler is not near to my_handler


class Handler(Record):
    """A resolved handler."""

    manifest_name: str  # how the manifest names it
    file: Path | None = None  # the file to pack for it; None if it is built in or packed already


def resolve_handler(
    config: ModelArchiverConfig, runtime: str, model_path: list[Member], packed: list[Member], problems: ProblemList
) -> Handler:
    """Return the handler: a module of --model-path; for TorchServe also a built-in one, a file, or a packed module."""
    given = os.fspath(config.handler or ("BaseHandler" if runtime == "LSP" else "base_handler"))
    module, function = split_function(given)
    in_folder = {member.path for member in model_path}
    is_in_folder = packed_module(module, in_folder) is not None
    if config.server == "mms" and in_folder and not is_in_folder:  # an empty folder was reported already
        _check_outside(given, in_folder, problems)
    is_built_in = given in BUILT_IN or (runtime == "LSP" and given in LSP_BUILT_IN)
    if config.server == "mms" or is_in_folder or is_built_in:
        return Handler(given)
    file = Path(module if module.endswith(".py") else f"{module}.py")
    if runtime == "LSP":  # which loads a shared library, whose name may lack the suffix
        libraries = [Path(f"{module}{suffix}") for suffix in ("", ".so", ".dylib")]
        file = next((path for path in libraries if path.is_file()), libraries[1])
    if packed_module(module, {member.path for member in packed}) and not file.exists():
        return Handler(given)
    if not os.path.lexists(file) and os.path.lexists(module) and not os.path.isfile(module):  # noqa: PTH113 - no errors
        file = Path(module)  # a folder or a device, which is reported as such
    elif runtime != "LSP" and not os.path.lexists(file) and _may_be_installed(module):
        is_here = os.path.lexists(f"{module.replace('.', '/')}.py")
        hint = f"add --include {module.partition('.')[0]}" if is_here else "install it where the server runs"
        problems.warning("handler-outside", "is not a file and is not packed (--handler)", hint, path=given)
        return Handler(given)
    return Handler(Path(module).name + function, file)


def _check_outside(given: str, model_path: Collection[PurePosixPath], problems: ProblemList) -> None:
    """Add a problem for a handler of Multi Model Server that is not in the packed folder."""
    module, _ = split_function(given)
    in_folder = any(path.parts[0] == module.partition(".")[0] for path in model_path)
    # SageMaker's toolkit names a module that is installed with the server, by its dotted name or by its file.
    if Path(module).is_file() or (_may_be_installed(module) and not in_folder):
        message = "is not in the model's folder and is not packed (--handler)"
        hint = "install it where the server runs, or put it into the folder"
        problems.warning("handler-outside", message, hint, path=given)
    else:
        message = "there is no such module in the model's folder (--handler)"
        modules = [str(path) for path in sorted(model_path) if path.suffix == ".py"]
        hint = f"choose from {listed(modules)}" if modules else "put one there; the folder has no Python file"
        problems.error("handler-missing", message, hint, path=given)


def missing_handler(given: str, file: Path, problems: ProblemList) -> None:
    """Add the error for a handler that is neither built in nor a file nor packed."""
    module, _ = split_function(given)
    if given.endswith(":"):
        hint = f"write {given}handle, or {given[:-1]} alone"
        problems.error("handler-invalid", "names no function after its colon (--handler)", hint, path=given)
    elif Path(module).is_file():
        problems.error("handler-invalid", "is not a Python file (--handler)", "name a .py file", path=given)
    elif "/" not in module and not Path(module).suffix and (near := closest(module, BUILT_IN, _NEAR)):
        message = "is not a built-in handler, and there is no such file (--handler)"
        problems.error(FILE_MISSING, message, f"did you mean {near}?", path=given)
    elif Path(module).suffix not in ("", ".py") and (other := Path(module).with_suffix(".py")).is_file():
        problems.error(FILE_MISSING, "no such file or folder (--handler)", f"did you mean {other}?", path=module)
    else:
        problems.missing(Path(module) if Path(module).suffix else file, "--handler")


def _may_be_installed(module: str) -> bool:
    """Return whether this is the dotted name of a module, and not a file or a name whose suffix is mistyped."""
    if "." not in module or not all(part.isidentifier() for part in module.split(".")):
        return False
    path = Path(module)
    return path.suffix not in _FILE_SUFFIXES and not any(map(os.path.lexists, (path, path.with_suffix(".py"))))


def split_function(given: str) -> tuple[str, str]:
    """Return the module of a handler string, and the rest: ``:function``, or empty as for a path with a drive."""
    module, colon, function = given.rpartition(":")
    return (module, colon + function) if module and function.isidentifier() else (given, "")


def packed_module(module: str, packed: Collection[PurePosixPath]) -> PurePosixPath | None:
    """Return the packed file of a module named as ``module``, ``module.py``, ``pkg.module`` or ``dir/module.py``."""
    dotted = module.removesuffix(".py").replace(".", "/")
    plain = f"{module.removesuffix('.py')}.py"
    paths = (PurePosixPath(plain), PurePosixPath(f"{dotted}.py"), PurePosixPath(dotted, "__init__.py"))
    return next((path for path in paths if path in packed), None)
