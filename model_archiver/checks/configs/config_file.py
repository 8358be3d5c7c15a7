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
from model_archiver.checks.configs.near_misses import near_miss
from model_archiver.checks.configs.yaml_text import BrokenYamlError, Entry, entries, read
from model_archiver.checks.package import Package, read_text
from model_archiver.checks.subject import NotKeptError
from model_archiver.issue import Issue

_MOST_KEYS = 500
"""Of a map whose keys are compared with the server's."""


def judge(raw: bytes, where: str, package: Package) -> Iterator[Issue]:
    """Everything that is wrong with a file.

    Args:
        raw: its bytes.
        where: how a person knows it.
        package: what it configures.
    """
    try:
        top = _read(raw)
    except BrokenYamlError as error:
        yield Issue(error.level, "config-invalid", error.message, error.hint, where, error.line)
        return
    torchrun = _below("torchrun", top)
    unknown = {**_near_misses(top, KEYS, package), **_near_misses(torchrun, TORCHRUN_KEYS, package, slips=3)}
    found = [
        *wrong_keys([*top, *torchrun], where),
        *wrong_values(top, KEYS, where),
        *wrong_values(torchrun, TORCHRUN_KEYS, where),
        *wrong_torchrun(top, where),
        *_unknown(unknown, where),
        *(wrong_pt2(top, where) if package.following and package.following.runs("initialize") else ()),
        *combinations(_settings(top, where, unknown.values())),
    ]
    yield from sorted(found, key=lambda issue: issue.line or 0)


def _read(raw: bytes) -> list[Entry]:
    """What stands at the top.

    Raises:
        BrokenYamlError: it cannot be read.
    """
    try:
        root = read(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise BrokenYamlError("error", "is not UTF-8, which a worker cannot read", "save it as UTF-8", line) from None
    if isinstance(root, yaml.MappingNode):
        return entries(root)
    if root is None or root.tag == "tag:yaml.org,2002:null":
        message, hint = "holds no settings, which ends the registration", "write some, or leave it out (--config-file)"
        raise BrokenYamlError("error", message, hint, None)
    kind = "a list" if isinstance(root, yaml.SequenceNode) else "a single value"
    message = f"is {kind} and no map of settings, which ends the registration"
    hint = "write each setting on a line of its own as key: value, with a blank after the colon"
    raise BrokenYamlError("error", message, hint, root.start_mark.line + 1)


def _settings(top: list[Entry], where: str, misspelt: Iterable[str]) -> Settings:
    is_right = {entry: _takes(entry) for entry in top}
    right = {entry.key: entry for entry in top if is_right[entry]}
    return Settings(where, right, {entry.key for entry in top if not is_right[entry]} | set(misspelt))


def _takes(entry: Entry) -> bool:
    if entry.key == "torchrun":
        return isinstance(entry.node, yaml.MappingNode)
    return entry.key not in KEYS or KEYS[entry.key].takes(entry.value)


def _below(key: str, top: list[Entry]) -> list[Entry]:
    nodes = [entry.node for entry in top if entry.key == key]
    return [entry for node in nodes if isinstance(node, yaml.MappingNode) for entry in entries(node)]


def _near_misses(part: list[Entry], keys: Mapping[str, Rule], package: Package, slips: int = 2) -> dict[Entry, str]:
    """The keys that are almost one that the server reads, unless that one is there too or the handler knows it."""
    given = {entry.key for entry in part}
    found = {}
    for entry in part if len(part) <= _MOST_KEYS else ():
        if isinstance(entry.key, str) and entry.key not in keys and entry.key != "torchrun":
            meant = near_miss(entry.key, keys if slips > 2 else [*keys, "torchrun"], slips)
            if meant and meant not in given and not _is_known_to_code(entry.key, package):
                found[entry] = meant
    return found


def _unknown(unknown: Mapping[Entry, str], where: str) -> Iterator[Issue]:
    for entry, meant in unknown.items():
        message = f"the server ignores {entry.key!r}"
        yield Issue("warning", "config-unknown-key", message, f"did you mean {meant}?", where, entry.line)


def _is_known_to_code(key: str, package: Package) -> bool:
    """Whether a module of the archive has the word, or one that is elsewhere may have it: then a handler reads it."""
    if package.handler.member is None and package.handler.built_in is None:
        return True
    for member in package.members:
        try:
            if member.path.suffix == ".py" and key.encode() in read_text(member):
                return True
        except NotKeptError:
            return True
    return False
