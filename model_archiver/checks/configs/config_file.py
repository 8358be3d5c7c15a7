"""What is wrong with a config file, all of it, and where.

A top that is no map, or has a key that is no text, ends the registration with an exception; what PyYAML refuses ends
each worker at its start; all else that is wrong is ignored by the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from model_archiver.checks.archive import NotSampledError
from model_archiver.checks.configs.config_combinations import Settings, combinations
from model_archiver.checks.configs.config_keys import KEYS, TORCHRUN_KEYS
from model_archiver.checks.configs.config_values import wrong_keys, wrong_pt2, wrong_torchrun, wrong_values
from model_archiver.checks.configs.model_config import below, settings
from model_archiver.checks.configs.near_misses import near_miss
from model_archiver.checks.configs.yaml_text import BrokenYamlError
from model_archiver.checks.sources.python_texts import parts
from model_archiver.checks.wording import fewer, shortened
from model_archiver.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from model_archiver.checks.archive import CheckedFile
    from model_archiver.checks.configs.config_keys import Rule
    from model_archiver.checks.configs.yaml_text import Entry
    from model_archiver.checks.package import CheckContext

_MOST_KEYS = 500
"""Of a map whose keys are compared with the server's."""

_MOST_NEAR = 20
"""So many slips of the pen in one map are none."""


def judge(package: CheckContext, member: CheckedFile) -> Iterator[Problem]:
    """Everything that is wrong with a file.

    Args:
        package: what it configures.
        member: the file.
    """
    display_path = member.display_path
    try:
        top = settings(package, member)
    except BrokenYamlError as error:
        yield Problem(error.level, "config-invalid", error.message, error.hint, display_path, error.line)
        return
    if top is not None:
        yield from sorted(fewer(_judged(top, display_path, package)), key=lambda problem: problem.line or 0)


def _judged(top: list[Entry], display_path: str, package: CheckContext) -> Iterator[Problem]:
    torchrun = below("torchrun", top)
    unknown = {**_near_misses(top, KEYS, package), **_near_misses(torchrun, TORCHRUN_KEYS, package, slips=3)}
    yield from wrong_keys([*top, *torchrun], display_path)
    yield from wrong_values(top, KEYS, display_path)
    yield from wrong_values(torchrun, TORCHRUN_KEYS, display_path)
    yield from wrong_torchrun(top, display_path)
    yield from _unknown(unknown, display_path)
    if package.following and package.following.runs("initialize"):
        yield from wrong_pt2(top, display_path)
    yield from combinations(_settings(top, display_path, unknown.values()))


def _settings(top: list[Entry], display_path: str, misspelt: Iterable[str]) -> Settings:
    is_right = {entry: _takes(entry) for entry in top}
    right = {entry.key: entry for entry in top if is_right[entry]}
    return Settings(display_path, right, {entry.key for entry in top if not is_right[entry]} | set(misspelt))


def _takes(entry: Entry) -> bool:
    if entry.key == "torchrun":
        return isinstance(entry.node, yaml.MappingNode)
    return entry.key not in KEYS or KEYS[entry.key].takes(entry.value)


def _near_misses(
    part: list[Entry], keys: Mapping[str, Rule], package: CheckContext, slips: int = 2
) -> dict[Entry, str]:
    """The keys that are almost one that the server reads, unless that one is there too or the handler knows it."""
    given = {entry.key for entry in part}
    known = keys if slips > 2 else [*keys, "torchrun"]
    meant = {
        entry: near_miss(entry.key, known, slips)
        for entry in (part if len(part) <= _MOST_KEYS else ())
        if isinstance(entry.key, str) and entry.key not in keys and entry.key != "torchrun"
    }
    found = {entry: word for entry, word in meant.items() if word and word not in given}
    if not found or len(found) > _MOST_NEAR:
        return {}
    known_to_code = _known_to_code([entry.key for entry in found], package)
    return {entry: word for entry, word in found.items() if entry.key not in known_to_code}


def _unknown(unknown: Mapping[Entry, str], display_path: str) -> Iterator[Problem]:
    for entry, meant in unknown.items():
        message = f"the server ignores {shortened(entry.key)!r}"
        yield Problem("warning", "config-unknown-key", message, f"did you mean {meant}?", display_path, entry.line)


def _known_to_code(keys: list[str], package: CheckContext) -> set[str]:
    """The keys that a module of the archive has, or one that is elsewhere may have: then a handler reads them."""
    if package.handler.member is None and package.handler.built_in is None:
        return set(keys)
    try:
        return parts(package, keys)
    except NotSampledError:
        return set(keys)
