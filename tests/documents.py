"""The JSON documents of the commands, compared with their schema, docs/output.schema.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from tests.conftest import Result

SCHEMA = json.loads((Path(__file__).parents[1] / "docs" / "output.schema.json").read_text(encoding="utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)

OPTIONAL = {"sidecars", "layout", "ignored"}
"""Fields that are absent where there is nothing to say."""
WRONG = [["wrong"]]
"""What no field may be."""


def document(result: Result) -> dict[str, Any]:
    """Return the one JSON document that a command has printed, which is as the schema says."""
    found = json.loads(result.out)
    assert found["status"] == result.status
    assert list(map(str, VALIDATOR.iter_errors(found))) == []
    return found


def wrong_documents(found: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield documents that are wrong in one place, each with what was done to it."""
    for place, value in _objects(found):
        where = ".".join(map(str, place))
        yield f"{where}: one more", _changed(found, place, {**value, "unknown": 1})
        for name in value:
            rest = {key: value[key] for key in value if key != name}
            is_optional = name in OPTIONAL or place[-1:] == ("versions",) or (name == "trial" and "format" in value)
            if not is_optional:
                yield f"{where}.{name}: missing", _changed(found, place, rest)
            is_any = (name == "body" and value["form"] == "json") or (name in "ab" and "field" in value)
            if not is_any:
                yield f"{where}.{name}: of another type", _changed(found, place, {**value, name: WRONG})


def _objects(value: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], dict[str, Any]]]:
    """Yield the objects of a document whose fields the schema knows, each with its place."""
    if isinstance(value, dict):
        yield place, value
    for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
        is_free = name in ("manifest", "headers") and isinstance(inner, dict)
        if isinstance(inner, (dict, list)) and not is_free and name != "body":
            yield from _objects(inner, (*place, name))


def _changed(found: dict[str, Any], place: tuple[str | int, ...], value: dict[str, Any]) -> dict[str, Any]:
    """Return the document with another value in one place."""
    if not place:
        return value
    copy = deepcopy(found)
    parent: Any = copy
    for name in place[:-1]:
        parent = parent[name]
    parent[place[-1]] = value
    return copy
