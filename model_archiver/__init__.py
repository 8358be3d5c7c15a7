"""Package a trained model as one archive that TorchServe or Multi Model Server can serve."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # `signal` makes enumerations of its constants: 2 % of a small build
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from model_archiver._version import __version__ as __version__
    from model_archiver.cli.scripts import ModelArchiver as ModelArchiver
    from model_archiver.commands.build_many import build_many as build_many
    from model_archiver.commands.diff import diff as diff
    from model_archiver.commands.extract import extract as extract
    from model_archiver.commands.inspect import inspect as inspect
    from model_archiver.commands.inspect import verify as verify
    from model_archiver.commands.try_archive import try_archive as try_archive
    from model_archiver.core.problems import ModelArchiverError as ModelArchiverError
    from model_archiver.core.request import ModelArchiverConfig as ModelArchiverConfig

# Ctrl-C ends a process of the commands silently until there is something to clean up: no traceback of imports. One that
# only imports the package keeps its handlers. With python -m, sys.argv[0] is "-m" until Python
# has found the module.
_words = sys.orig_argv[-len(sys.argv) :] if sys.argv[:1] == ["-m"] else sys.argv
_program = "".join(map(str, _words[:1])).replace("\\", "/").rpartition("/")[2].removesuffix(".exe")
_is_command = _program in ("torch-model-archiver", "model-archiver", "model_archiver", "-mmodel_archiver")
if _is_command and _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
    _signal.signal(_signal.SIGINT, _signal.SIG_DFL)

_HOMES = {
    "ModelArchiver": "model_archiver.cli.scripts",
    "ModelArchiverConfig": "model_archiver.core.request",
    "ModelArchiverError": "model_archiver.core.problems",
    "__version__": "model_archiver._version",
    "build_many": "model_archiver.commands.build_many",
    "diff": "model_archiver.commands.diff",
    "extract": "model_archiver.commands.extract",
    "inspect": "model_archiver.commands.inspect",
    "try_archive": "model_archiver.commands.try_archive",
    "verify": "model_archiver.commands.inspect",
}
__all__ = list(_HOMES)


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> object:
    """Import a public name or a module on first use, so that the commands import nothing that they do not need."""
    import importlib  # noqa: PLC0415 - the commands import their modules themselves

    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if not name.startswith("_"):
        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
