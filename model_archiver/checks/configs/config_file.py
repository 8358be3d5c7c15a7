"""What is wrong with a config file, all of it, and where.

A top that is no map, or has a key that is no text, ends the registration with an exception; what PyYAML refuses ends
each worker at its start; all else that is wrong is ignored by the server.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import yaml

from model_archiver.checks.configs.config_combinations import Settings, combinations
from model_archiver.checks.configs.config_keys import KEYS, TORCHRUN_KEYS, Rule
from model_archiver.checks.configs.config_values import wrong_keys, wrong_pt2, wrong_torchrun, wrong_values
from model_archiver.checks.configs.model_config import below, settings
from model_archiver.checks.configs.near_misses import near_miss
from model_archiver.checks.configs.yaml_text import BrokenYamlError, Entry
from model_archiver.checks.package import Package
from model_archiver.checks.sources.python_texts import parts
from model_archiver.checks.subject import Located, NotKeptError
from model_archiver.checks.wording import fewer, shortened
from model_archiver.issue import Issue

_MOST_KEYS = 500
"""Of a map whose keys are compared with the server's."""

_MOST_NEAR = 20
"""So many slips of the pen in one map are none."""


def judge(package: Package, member: Located) -> Iterator[Issue]:
    """Everything that is wrong with a file.

    Args:
        package: what it configures.
        member: the file.
    """
    where = member.where
    try:
        top = settings(package, member)
    except BrokenYamlError as error:
        yield Issue(error.level, "config-invalid", error.message, error.hint, where, error.line)
        return
    if top is not None:
        yield from sorted(fewer(_judged(top, where, package)), key=lambda issue: issue.line or 0)


def _judged(top: list[Entry], where: str, package: Package) -> Iterator[Issue]:
    torchrun = below("torchrun", top)
    unknown = {**_near_misses(top, KEYS, package), **_near_misses(torchrun, TORCHRUN_KEYS, package, slips=3)}
    yield from wrong_keys([*top, *torchrun], where)
    yield from wrong_values(top, KEYS, where)
    yield from wrong_values(torchrun, TORCHRUN_KEYS, where)
    yield from wrong_torchrun(top, where)
    yield from _unknown(unknown, where)
    if package.following and package.following.runs("initialize"):
        yield from wrong_pt2(top, where)
    yield from combinations(_settings(top, where, unknown.values()))


def _settings(top: list[Entry], where: str, misspelt: Iterable[str]) -> Settings:
    is_right = {entry: _takes(entry) for entry in top}
    right = {entry.key: entry for entry in top if is_right[entry]}
    return Settings(where, right, {entry.key for entry in top if not is_right[entry]} | set(misspelt))


def _takes(entry: Entry) -> bool:
    if entry.key == "torchrun":
        return isinstance(entry.node, yaml.MappingNode)
    return entry.key not in KEYS or KEYS[entry.key].takes(entry.value)


def _near_misses(part: list[Entry], keys: Mapping[str, Rule], package: Package, slips: int = 2) -> dict[Entry, str]:
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


def _unknown(unknown: Mapping[Entry, str], where: str) -> Iterator[Issue]:
    for entry, meant in unknown.items():
        message = f"the server ignores {shortened(entry.key)!r}"
        yield Issue("warning", "config-unknown-key", message, f"did you mean {meant}?", where, entry.line)


def _known_to_code(keys: list[str], package: Package) -> set[str]:
    """The keys that a module of the archive has, or one that is elsewhere may have: then a handler reads them."""
    if package.handler.member is None and package.handler.built_in is None:
        return set(keys)
    try:
        return parts(package, keys)
    except NotKeptError:
        return set(keys)
