"""Keys and values of a config file that the server, or its BaseHandler, does not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from model_archiver.checks.configs.yaml_text import entries
from model_archiver.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from model_archiver.checks.configs.config_keys import Rule
    from model_archiver.checks.configs.yaml_text import Entry


def wrong_keys(part: list[Entry], display_path: str) -> Iterator[Problem]:
    """Keys that end the registration: TorchServe takes each one for a text, unseen."""
    for entry in part:
        if not isinstance(entry.key, str):
            shown = "null" if entry.key is None else _shown(entry.key)
            message = f"the key {shown} is no text, which ends the registration"
            yield Problem("error", "config-invalid", message, "put it into quotes", display_path, entry.line)


def wrong_values(part: list[Entry], keys: Mapping[str, Rule], display_path: str) -> Iterator[Problem]:
    """Values that the server ignores, or puts others in place of."""
    for entry in part:
        rule = keys.get(entry.key) if isinstance(entry.key, str) else None
        if rule and not rule.takes(entry.value):
            message = f"{entry.key} is {_shown(entry.value)}, which the server does not take"
            yield Problem("warning", "config-value", message, f"write {rule.wants}", display_path, entry.line)


def wrong_torchrun(top: list[Entry], display_path: str) -> Iterator[Problem]:
    """A ``torchrun`` that is no map."""
    for entry in top:
        if entry.key == "torchrun" and not isinstance(entry.node, yaml.MappingNode):
            message = f"torchrun is {_shown(entry.value)}, which the server does not take"
            hint = "write its settings below it, indented, such as nproc-per-node: 2"
            yield Problem("warning", "config-value", message, hint, display_path, entry.line)


def wrong_pt2(top: list[Entry], display_path: str) -> Iterator[Problem]:
    """What ends BaseHandler's `initialize` (TorchServe: ts/torch_handler/base_handler.py)."""
    for entry in top:
        if entry.key != "pt2":
            continue
        if isinstance(entry.node, yaml.MappingNode):
            yield from _wrong_compile(entries(entry.node), display_path)
        elif not _is_taken_as_pt2(entry.value):
            hint = "write a backend, such as inductor, or compile: with enable: and backend: below it"
            yield _no_load(f"pt2 is {_shown(entry.value)}", hint, entry, display_path)


def _is_taken_as_pt2(value: object) -> bool:
    if isinstance(value, list):
        return "export" in value and "compile" not in value
    return isinstance(value, str) and "compile" not in value


def _wrong_compile(pt2: list[Entry], display_path: str) -> Iterator[Problem]:
    for entry in pt2:
        if entry.key != "compile":
            continue
        if not isinstance(entry.node, yaml.MappingNode):
            yield _no_load(
                f"compile is {_shown(entry.value)}", "write enable: true below it, indented", entry, display_path
            )
        elif all(inner.key != "enable" for inner in entries(entry.node)):
            yield _no_load("compile has no enable", "write enable: true, or false, below it", entry, display_path)


def _no_load(what: str, hint: str, entry: Entry, display_path: str) -> Problem:
    return Problem(
        "error", "config-value", f"{what}, with which the handler does not load", hint, display_path, entry.line
    )


def _shown(value: object) -> str:
    """A value, more or less as it stands in the file."""
    if value is None:
        return "empty"
    if value is yaml.MappingNode:
        return "a map"
    if value is yaml.SequenceNode or (isinstance(value, list) and len(value) > 8):
        return "a list"
    if isinstance(value, list):
        return f"[{', '.join(_shown(item) for item in value)}]"
    if isinstance(value, str):
        return repr(value) if len(value) <= 40 else "a long text"
    shown = str(value).lower() if isinstance(value, bool) else str(value)
    return shown if len(shown) <= 40 else f"{shown[:37]}..."
