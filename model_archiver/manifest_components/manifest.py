"""The manifest as a whole."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from enum import Enum
from typing import Any

from model_archiver import __version__
from model_archiver.issue import Issue
from model_archiver.manifest_components.model import Model
from model_archiver.model_archiver_error import ModelArchiverError

MAR_INF = "MAR-INF"
MANIFEST_PATH = f"{MAR_INF}/MANIFEST.json"

_LAST_YEAR = 9999  # which four digits can name
_MMS_FIELDS = dict.fromkeys(("modelServerVersion", "implementationVersion", "specificationVersion"), "1.0")


class RuntimeType(Enum):
    """What the server runs the handler with."""

    PYTHON = "python"
    PYTHON2 = "python2"
    PYTHON3 = "python3"
    LSP = "LSP"


@dataclass(frozen=True)
class Manifest:
    """The manifest of an archive; ``str()`` of it is the text of the file.

    Attributes:
        runtime: a value of `RuntimeType`.
        model: the model.
        for_mms: also write the fields that Multi Model Server's archiver writes; TorchServe ignores them.
    """

    runtime: str
    model: Model
    for_mms: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The manifest's fields, in the order in which TorchServe's users know them."""
        return {
            "createdOn": creation_time(),
            "runtime": self.runtime,
            "model": self.model.to_dict(),
            "archiverVersion": __version__,
            **(_MMS_FIELDS if self.for_mms else {}),
        }

    def __str__(self) -> str:
        return json.dumps(self.to_dict(), indent=2, ensure_ascii=False) + "\n"


def creation_time() -> str:
    """Now, local time, as ``dd/mm/YYYY HH:MM:SS``; the moment of SOURCE_DATE_EPOCH in UTC where that is set.

    Raises:
        ModelArchiverError: SOURCE_DATE_EPOCH is not a number of seconds, or one after the year 9999.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH", "").strip()
    try:
        if epoch and not (epoch.isascii() and epoch.isdigit()):
            raise ValueError(epoch)
        moment = time.gmtime(int(epoch)) if epoch else time.localtime()
        if moment.tm_year > _LAST_YEAR:
            raise ValueError(epoch)
    except (ValueError, OverflowError, OSError):
        raise ModelArchiverError(issues=[_bad_epoch(epoch)]) from None
    return time.strftime("%d/%m/%Y %H:%M:%S", moment)


def _bad_epoch(epoch: str) -> Issue:
    return Issue(
        "error",
        "epoch-invalid",
        f"SOURCE_DATE_EPOCH is {epoch!r}, which is no moment in time",
        "set it to whole seconds since 1970, as `date +%s` prints them, or unset it",
    )
