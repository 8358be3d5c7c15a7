"""The keys of a model's config file that TorchServe itself reads.

TorchServe: org/pytorch/serve/archive/model/ModelConfig.java, and servers.md's table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_LARGEST = 2**31 - 1
"""Of Java's Integer; the server ignores larger ones, also where it counts in long."""


@dataclass(frozen=True)
class Rule:
    """What a key takes.

    Attributes:
        wants: in words.
        takes: whether it takes a value.
    """

    wants: str
    takes: Callable[[Any], bool]


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _whole(least: int) -> Rule:
    wants = f"a whole number from {least} to {_LARGEST}, without quotes"
    return Rule(wants, lambda value: _is_whole(value) and least <= value <= _LARGEST)


def _one_of(*words: str) -> Rule:
    """A word in any case; TorchServe also takes the empty one, which means none."""
    known = (*words, "")
    return Rule(" or ".join(words), lambda value: isinstance(value, str) and value.lower() in known)


def _are_devices(value: object) -> bool:
    return isinstance(value, list) and all(_is_whole(item) and 0 <= item <= _LARGEST for item in value)


_YES_NO = Rule("true or false, without quotes", lambda value: isinstance(value, bool))
_TEXT = Rule("a text", lambda value: isinstance(value, str))

KEYS = {
    **dict.fromkeys(("minWorkers", "maxWorkers", "batchSize", "responseTimeout", "startupTimeout"), _whole(1)),
    **dict.fromkeys(("maxSequenceJobQueueSize", "maxNumSequence"), _whole(1)),
    **dict.fromkeys(("maxBatchDelay", "jobQueueSize", "maxRetryTimeoutInSec", "clientTimeoutInMills"), _whole(0)),
    **dict.fromkeys(("parallelLevel", "sequenceMaxIdleMSec", "sequenceTimeoutMSec"), _whole(0)),
    **dict.fromkeys(("useJobTicket", "continuousBatching", "sequenceBatching"), _YES_NO),
    **dict.fromkeys(("asyncCommunication", "useVenv"), _YES_NO),
    "deviceType": _one_of("cpu", "gpu"),
    "deviceIds": Rule("a list of whole numbers, such as [0, 1]", _are_devices),
    "parallelType": _one_of("pp", "tp", "pptp", "custom"),
}
"""The keys at the top; ``torchrun`` is one too, and a map."""

TORCHRUN_KEYS = {
    **dict.fromkeys(("nnodes", "nproc-per-node", "monitor-interval", "OMP_NUMBER_THREADS"), _whole(1)),
    **dict.fromkeys(("rdzv-backend", "rdzv-endpoint", "rdzv-conf"), _TEXT),
    "node-rank": _whole(0),
}
"""The keys of ``torchrun``."""
