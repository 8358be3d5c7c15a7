"""Comparing an answer with what is expected of it."""

from __future__ import annotations

import contextlib
import json
import re

from model_archiver.core.problems import Problem
from model_archiver.core.text import counted, shortened
from model_archiver.trial.report import Expectation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import TypeGuard

    from model_archiver.trial.report import TrialAnswer, TrialRequest

TOGETHER = "sent together with others: "
"""How the problem of an answer begins that was asked for in a batch."""

_MOST_DIFFERENCES = 3
_FLOOR = 1e-6
"""The smallest tolerance that a percentage stands for."""
_SLACK = 1e-9
"""How much of a tolerance is added to it: 1.1 and 1.0 differ by a little more than 0.1, because they are binary."""
_LONGEST_BODY = 300
_EXCERPT = 24
_NOTHING = object()


def compare(answer: TrialAnswer, request: TrialRequest) -> Iterator[Problem]:
    """Yield what differs between an answer and the expectation of its request; without one, the status must be 2xx."""
    together = TOGETHER if answer.is_batched else ""
    for code, message in _differences(answer, request.expectation or Expectation()):
        yield Problem("error", code, f"{together}{message}", path=request.name)


def _differences(answer: TrialAnswer, expected: Expectation) -> Iterator[tuple[str, str]]:
    """Yield the code and the message of each difference."""
    text = answer.body.decode("utf-8", "replace")
    got = f"the status {answer.status} {answer.reason}".rstrip()
    got = f"{got}: {shortened(' '.join(text.split()), _LONGEST_BODY)}" if text.strip() else got
    is_accepted = 200 <= answer.status < 300
    if expected.status is not None and expected.status != answer.status:
        yield "trial-expect", f"expected the status {expected.status}, got {got}"
    elif expected.error is not None and expected.status is None and is_accepted:
        yield "trial-expect", f"expected the request to be rejected, got {got}"
    elif expected.error is not None and expected.error not in f"{answer.reason}\n{text}":
        yield "trial-expect", f"expected {_shown(expected.error)} in the answer, got {got}"
    elif not is_accepted and not expected.is_refusal:
        yield "trial-answer", f"the answer has {got}"
    elif expected.body is not None:
        found = list(
            _json_differences(answer.body, expected)
            if expected.is_json
            else _text_difference(answer.body, expected.body)
        )
        yield from (("trial-expect", message) for message in found[:_MOST_DIFFERENCES])
        if len(found) > _MOST_DIFFERENCES:
            yield "trial-expect", f"and {counted(len(found) - _MOST_DIFFERENCES, 'more difference')}"


def _text_difference(got: bytes, expected: bytes) -> Iterator[str]:
    """Yield the first place where texts or bytes differ."""
    if got == expected:
        return
    texts: tuple[str, str] | tuple[bytes, bytes] = (expected, got)
    unit = "byte"
    with contextlib.suppress(UnicodeDecodeError):
        texts, unit = (expected.decode(), got.decode()), "character"
    pairs = enumerate(zip(*texts, strict=False))
    place = next((place for place, (one, other) in pairs if one != other), min(map(len, texts)))
    shown = [_excerpt(text[place : place + _EXCERPT]) for text in texts]
    yield f"differs at {unit} {place + 1:,}: expected {shown[0]}, got {shown[1]}"


def _excerpt(text: str | bytes) -> str:
    if not text:
        return "the end"
    return json.dumps(text, ensure_ascii=False) if isinstance(text, str) else f"the bytes {text.hex(' ')}"


def _json_differences(got: bytes, expected: Expectation) -> Iterator[str]:
    """Yield where JSON values differ, each as path, expected and got; without recursion, however deep they are."""
    try:
        values = json.loads(got)
    except (ValueError, RecursionError) as failure:
        text = shortened(" ".join(got.decode("utf-8", "replace").split()), _LONGEST_BODY)
        yield f"expected JSON, got what is not JSON ({failure}): {text}"
        return
    stack = [("$", json.loads(expected.body or b"null"), values)]
    while stack:
        path, wanted, value = stack.pop()
        if isinstance(wanted, dict) and isinstance(value, dict):
            keys = [*wanted, *(key for key in value if key not in wanted)]
            inner = [(_member(path, key), wanted.get(key, _NOTHING), value.get(key, _NOTHING)) for key in keys]
            stack += reversed(inner)
        elif isinstance(wanted, list) and isinstance(value, list):
            length = max(len(wanted), len(value))
            stack += reversed([(f"{path}[{i}]", _item(wanted, i), _item(value, i)) for i in range(length)])
        elif not _is_equal(wanted, value, expected):
            yield f"{path}: expected {_shown(wanted)}, got {_shown(value)}"


def _member(path: str, key: str) -> str:
    return f"{path}.{key}" if re.fullmatch(r"[A-Za-z_]\w*", key) else f"{path}[{json.dumps(key, ensure_ascii=False)}]"


def _item(values: list[object], index: int) -> object:
    return values[index] if index < len(values) else _NOTHING


def _is_equal(wanted: object, value: object, expected: Expectation) -> bool:
    if _is_number(wanted) and _is_number(value):
        if wanted == value or (wanted != wanted and value != value):  # noqa: PLR0124 - only NaN differs from itself
            return True
        try:
            limit = max(abs(wanted) * expected.percent / 100, _FLOOR) if expected.percent else expected.tolerance
            return abs(wanted - value) <= limit * (1 + _SLACK)
        except OverflowError:  # an integer that is too large for a float
            return False
    return type(wanted) is type(value) and wanted == value


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: object) -> str:
    return "nothing" if value is _NOTHING else shortened(json.dumps(value, ensure_ascii=False), 80)
