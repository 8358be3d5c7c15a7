"""What the archive's own files say of how its weights are loaded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from model_archiver.checks.sources.python_texts import python_texts

if TYPE_CHECKING:
    from model_archiver.checks.package import CheckContext

_ALTERED = re.compile(rb"weights_only|WEIGHTS_ONLY|safe_globals|\btorch\.load\s*=[^=]|[\"'](?:torch\.)?load[\"']")


def alters_loading(package: CheckContext) -> bool:
    """Whether some Python of the archive may change what ``torch.load`` takes, or replace it.

    Raises:
        NotKeptError: it cannot be judged.
    """
    return any(_ALTERED.search(text) for text in python_texts(package))
