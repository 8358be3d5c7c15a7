"""Package a trained model as one archive that TorchServe or Multi Model Server can serve."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model_archiver.model_archiver import ModelArchiver
    from model_archiver.model_archiver_config import ModelArchiverConfig
    from model_archiver.model_archiver_error import ModelArchiverError

__version__ = "1.0.0"
__all__ = ["ModelArchiver", "ModelArchiverConfig", "ModelArchiverError", "__version__"]

_HOMES = {
    "ModelArchiver": "model_archiver.model_archiver",
    "ModelArchiverConfig": "model_archiver.model_archiver_config",
    "ModelArchiverError": "model_archiver.model_archiver_error",
}


def __getattr__(name: str) -> object:
    """Import a public name or a module when it is first used, so that ``--help`` loads nothing of the machinery."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if not name.startswith("_"):
        try:
            return importlib.import_module(f"{__name__}.{name}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
