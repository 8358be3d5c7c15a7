"""Package a trained model as one archive that TorchServe or Multi Model Server can serve."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal

    from model_archiver._version import __version__
    from model_archiver.cli.scripts import ModelArchiver
    from model_archiver.commands.diff import diff
    from model_archiver.commands.extract import extract
    from model_archiver.commands.inspect import inspect, verify
    from model_archiver.core.problems import ModelArchiverError
    from model_archiver.core.request import ModelArchiverConfig
else:
    import _signal as signal  # `signal` makes enumerations of its constants: 2 % of a small build

_COMMANDS = {"torch-model-archiver", "model-archiver", "model_archiver", "-mmodel_archiver"}

# In a process of the commands, not of a program that imports the package: until there is something to clean up, Ctrl-C
# ends it silently, and not with a traceback of imports. Python calls a program "-m" until it has found the module.
if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    _words = sys.orig_argv[-len(sys.argv) :] if sys.argv[:1] == ["-m"] else sys.argv
    if "".join(map(str, _words[:1])).replace("\\", "/").rpartition("/")[2].removesuffix(".exe") in _COMMANDS:
        signal.signal(signal.SIGINT, signal.SIG_DFL)

__all__ = [
    "ModelArchiver",
    "ModelArchiverConfig",
    "ModelArchiverError",
    "__version__",
    "diff",
    "extract",
    "inspect",
    "verify",
]

_HOMES = {
    "ModelArchiver": "model_archiver.cli.scripts",
    "ModelArchiverConfig": "model_archiver.core.request",
    "ModelArchiverError": "model_archiver.core.problems",
    "__version__": "model_archiver._version",
    "diff": "model_archiver.commands.diff",
    "extract": "model_archiver.commands.extract",
    "inspect": "model_archiver.commands.inspect",
    "verify": "model_archiver.commands.inspect",
}


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
