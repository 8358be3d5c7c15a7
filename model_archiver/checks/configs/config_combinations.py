"""Settings of a config file that are right, each by itself, and do not work as they stand together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model_archiver.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from model_archiver.checks.configs.yaml_text import Entry
    from model_archiver.core.problems import Level

_BY_TORCHRUN = ("pp", "tp", "pptp")


@dataclass(frozen=True)
class Settings:
    """What stands at the top of a config file.

    Attributes:
        display_path: how a person knows the file.
        right: the settings that the server takes, by their keys.
        wrong: the keys whose values it does not take, or that are there in a wrong spelling: of them other lines tell.
    """

    display_path: str
    right: Mapping[str, Entry]
    wrong: Collection[str]

    def number(self, key: str) -> int:
        """The value of a whole number, 1 for true; 0 where it is not set."""
        value = self.right[key].value if key in self.right else 0
        return value if isinstance(value, int) else 0

    def lack(self, *keys: str) -> bool:
        """Whether none of these keys is there, in whatever way."""
        return not any(key in self.right or key in self.wrong for key in keys)

    def problem(self, key: str, message: str, hint: str, level: Level = "warning") -> Problem:
        """What is to be said about a key."""
        return Problem(level, "config-combination", message, hint, self.display_path, self.right[key].line)


def combinations(settings: Settings) -> Iterator[Problem]:
    """What does not go together, or not without another one."""
    yield from _workers(settings)
    yield from _parallel(settings)
    yield from _sequences(settings)


def _workers(settings: Settings) -> Iterator[Problem]:
    """TorchServe: org/pytorch/serve/util/ApiUtils.java, `handleRegister`."""
    for key, other in (("minWorkers", "maxWorkers"), ("maxWorkers", "minWorkers")):
        if key in settings.right and settings.lack(other):
            yield settings.problem(key, f"the server ignores {key} without {other}", f"set {other} too")
    fewest, most = settings.number("minWorkers"), settings.number("maxWorkers")
    if 0 < most < fewest:
        message = f"the server ignores both minWorkers, {fewest}, and maxWorkers, {most}, for the first is the larger"
        yield settings.problem("maxWorkers", message, "set maxWorkers to no less than minWorkers")


def _parallel(settings: Settings) -> Iterator[Problem]:
    """TorchServe: org/pytorch/serve/wlm/Model.java; WorkerLifeCycle.java, `attachRunner`."""
    kind = str(settings.right["parallelType"].value).lower() if "parallelType" in settings.right else ""
    if kind in _BY_TORCHRUN and settings.lack("torchrun"):
        hint = "add torchrun, with nproc-per-node: and a number below it"
        if settings.number("parallelLevel"):
            message = f"no worker starts with parallelType {kind} and without torchrun"
            yield settings.problem("parallelType", message, hint, "error")
        else:
            yield settings.problem("parallelType", f"the server ignores parallelType {kind} without torchrun", hint)
    for key in ("parallelLevel", "torchrun"):
        is_set = key in settings.right and (key == "torchrun" or settings.number(key))
        if is_set and not kind and "parallelType" not in settings.wrong:
            message = f"the server ignores {key} without parallelType"
            yield settings.problem(key, message, "set parallelType to pp, tp, pptp or custom")


def _sequences(settings: Settings) -> Iterator[Problem]:
    """TorchServe: org/pytorch/serve/wlm/Model.java, which answers each request with 500."""
    has_end = settings.number("sequenceMaxIdleMSec") or "sequenceMaxIdleMSec" in settings.wrong
    if settings.number("sequenceBatching") and not has_end:
        message = "no request is answered with sequenceBatching and without sequenceMaxIdleMSec"
        hint = "set sequenceMaxIdleMSec to the milliseconds after which a sequence ends"
        yield settings.problem("sequenceBatching", message, hint, "error")
