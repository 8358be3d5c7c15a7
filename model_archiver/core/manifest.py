"""The manifest of an archive, ``MAR-INF/MANIFEST.json``."""

from __future__ import annotations

import json
import os
import time
from enum import Enum

from model_archiver._version import __version__
from model_archiver.core.problems import error
from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import PurePosixPath
    from typing import Any

MAR_INF = "MAR-INF"
MANIFEST_PATH = f"{MAR_INF}/MANIFEST.json"
SUMS_PATH = f"{MAR_INF}/SHA256SUMS"
SAMPLES_PATH = f"{MAR_INF}/samples.json"  # the requests of the test that an archive carries
SAMPLES_FOLDER = "samples"  # in MAR-INF, of the files that they name

DEPTH = 50  # levels of the deepest manifest that is read
_INFINITE = (float("inf"), float("-inf"))  # as which Python reads 1e999
_LAST_YEAR = 9999  # the last one with four digits
_MMS_FIELDS = dict.fromkeys(("modelServerVersion", "implementationVersion", "specificationVersion"), "1.0")


class RuntimeType(Enum):
    """What the server runs the handler with."""

    PYTHON = "python"
    PYTHON2 = "python2"
    PYTHON3 = "python3"
    LSP = "LSP"


class Model(Record):
    """What the server needs to know of a model; file names are paths in the archive. The order is upstream's."""

    model_name: str
    serialized_file: str | None
    handler: str
    model_file: str | None = None
    model_version: str | None = None
    requirements_file: str | None = None
    config_file: str | None = None

    def to_dict(self) -> dict[str, str]:
        """Return the fields that have a value, by their names in JSON: ``modelName`` is that of ``model_name``."""
        given = {name: value for name, value in self.as_dict().items() if value is not None}
        return {name[0] + name.title().replace("_", "")[1:]: value for name, value in given.items()}


class Manifest(Record):
    """The manifest of an archive; ``str()`` of it is the text of the file."""

    runtime: str  # a value of `RuntimeType`
    model: Model
    for_mms: bool = False  # also write the fields that Multi Model Server's archiver writes; TorchServe ignores them

    def __str__(self) -> str:
        fields = {  # in the order in which upstream writes them
            "createdOn": creation_time(),
            "runtime": self.runtime,
            "model": self.model.to_dict(),
            "archiverVersion": __version__,
            **(_MMS_FIELDS if self.for_mms else {}),
        }
        return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"


def parse_manifest(text: bytes) -> dict[str, Any] | None:
    """Return the fields of a manifest, or None if it is not a JSON object that every program can read."""
    try:
        # int() rejects NaN and the infinities: they are not JSON, although Python accepts them.
        fields = json.loads(text.decode(), parse_constant=int)
    except (ValueError, RecursionError):  # a UnicodeDecodeError is a ValueError
        return None
    return fields if isinstance(fields, dict) and not _is_beyond(fields, DEPTH) else None


def _is_beyond(value: object, levels: int) -> bool:
    """Return whether a value is nested deeper than `levels`, or holds an infinite number."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels == 0 or value in _INFINITE or any(_is_beyond(item, levels - 1) for item in items)


def model_of(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest's ``model`` object, empty where there is none."""
    model = manifest.get("model")
    return model if isinstance(model, dict) else {}


def is_sample(path: PurePosixPath) -> bool:
    """Return whether a file belongs to the test that the archive carries."""
    return str(path) == SAMPLES_PATH or path.parts[:-1] == (MAR_INF, SAMPLES_FOLDER)


def creation_time() -> str:
    """Return the local time as ``dd/mm/YYYY HH:MM:SS``; if SOURCE_DATE_EPOCH is set, that moment in UTC."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "").strip()
    try:
        if epoch and not (epoch.isascii() and epoch.isdigit()):
            raise ValueError(epoch)
        moment = time.gmtime(int(epoch)) if epoch else time.localtime()
        if moment.tm_year > _LAST_YEAR:
            raise ValueError(epoch)
    except (ValueError, OverflowError, OSError):
        message = f"SOURCE_DATE_EPOCH is {epoch!r}, which is not a number of seconds up to the year 9999"
        hint = "set it to whole seconds since 1970, as `date +%s` prints them, or unset it"
        raise error("epoch-invalid", message, hint) from None
    return time.strftime("%d/%m/%Y %H:%M:%S", moment)
