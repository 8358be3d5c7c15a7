"""The settings of the config file, read in one way by all who ask for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from model_archiver.checks.configs.yaml_text import BrokenYamlError, entries, read

if TYPE_CHECKING:
    from model_archiver.checks.archive import CheckedFile
    from model_archiver.checks.configs.yaml_text import Entry
    from model_archiver.checks.package import CheckContext

_LARGEST = 1 << 17
"""Bytes; the largest file that is judged, since reading YAML takes its time."""


def settings(package: CheckContext, member: CheckedFile) -> list[Entry] | None:
    """What stands at the top of a config file; None where that cannot be judged.

    Raises:
        BrokenYamlError: the server cannot read it, or takes no settings from it.
    """
    raw = package.text(member) if member.size <= _LARGEST else None
    return None if raw is None else _read(raw)


def may_load_libraries(package: CheckContext) -> bool:
    """Whether the config file may have ``pt2: {export: {aot_compile: true}}``."""
    member = package.named_file("configFile")
    if member is None:
        return bool(package.text_field("configFile"))
    try:
        found = settings(package, member)
    except BrokenYamlError:
        return True
    if found is None:
        return True
    for key in ("pt2", "export"):
        found = below(key, found)
    return any(entry.key == "aot_compile" and entry.value == 1 for entry in found)  # as the server compares it


def below(key: str, part: list[Entry]) -> list[Entry]:
    """What stands in the map of a key, where it has one."""
    nodes = [entry.node for entry in part if entry.key == key]
    return [entry for node in nodes if isinstance(node, yaml.MappingNode) for entry in entries(node)]


def _read(raw: bytes) -> list[Entry]:
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
