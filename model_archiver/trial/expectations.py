"""Comparing an answer with what is expected of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import zip_longest
from typing import TypeGuard

from model_archiver.core.problems import Problem
from model_archiver.core.text import counted, shortened
from model_archiver.trial.report import Expectation, TrialAnswer, TrialRequest

TOGETHER = "sent together with others: "
"""How the problem of an answer begins that was asked for in a batch."""

_MOST_DIFFERENCES = 3
_FLOOR = 1e-6  # the smallest tolerance that a percentage stands for
_SLACK = 1e-9  # 1.1 and 1.0 differ by a little more than 0.1, because they are binary
_LONGEST_BODY = 300
_EXCERPT = 24
_NOTHING = object()


def compare(answer: TrialAnswer, request: TrialRequest) -> Iterator[Problem]:
    """Yield what differs between an answer and the expectation of its request."""
    together = TOGETHER if answer.batched else ""
    for code, message in _differences(answer, request.expectation):
        yield Problem("error", code, f"{together}{message}", path=request.name)


def _differences(answer: TrialAnswer, expected: Expectation) -> Iterator[tuple[str, str]]:
    """Yield the code and the message of each difference."""
    text = answer.body.decode("utf-8", "replace")
    got = f"the status {answer.status} {answer.reason}".rstrip()
    got = f"{got}: {_one_line(text)}" if text.strip() else got
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
        compared = _json_differences if expected.is_json else _text_difference
        found = list(compared(answer.body, expected.body, expected))
        yield from (("trial-expect", message) for message in found[:_MOST_DIFFERENCES])
        if len(found) > _MOST_DIFFERENCES:
            yield "trial-expect", f"and {counted(len(found) - _MOST_DIFFERENCES, 'more difference')}"


def _text_difference(got: bytes, body: bytes, _expected: Expectation) -> Iterator[str]:
    """Yield the first place where texts or bytes differ."""
    texts: tuple[str, str] | tuple[bytes, bytes] = (body, got)
    unit = "byte"
    with suppress(UnicodeDecodeError):
        texts, unit = (body.decode(), got.decode()), "character"
    if got != body:
        pairs = enumerate(zip(*texts, strict=False))
        place = next((place for place, (one, other) in pairs if one != other), min(map(len, texts)))
        shown = [_excerpt(text[place : place + _EXCERPT]) for text in texts]
        yield f"differs at {unit} {place + 1:,}: expected {shown[0]}, got {shown[1]}"


def _excerpt(text: str | bytes) -> str:
    if not text:
        return "the end"
    return json.dumps(text, ensure_ascii=False) if isinstance(text, str) else f"the bytes {text.hex(' ')}"


def _json_differences(got: bytes, body: bytes, expected: Expectation) -> Iterator[str]:
    """Yield where JSON values differ, each as path, expected and got; without recursion, however deep they are."""
    try:
        stack = [("$", json.loads(body), json.loads(got))]
    except (ValueError, RecursionError) as failure:
        yield f"expected JSON, got what is not JSON ({failure}): {_one_line(got.decode('utf-8', 'replace'))}"
        return
    while stack:
        path, wanted, value = stack.pop()
        if isinstance(wanted, dict) and isinstance(value, dict):
            keys = dict.fromkeys([*wanted, *value])
            inner = [(_member(path, key), wanted.get(key, _NOTHING), value.get(key, _NOTHING)) for key in keys]
            stack += reversed(inner)
        elif isinstance(wanted, list) and isinstance(value, list):
            pairs = enumerate(zip_longest(wanted, value, fillvalue=_NOTHING))
            stack += reversed([(f"{path}[{index}]", *pair) for index, pair in pairs])
        elif not _is_equal(wanted, value, expected):
            yield f"{path}: expected {_shown(wanted)}, got {_shown(value)}"


def _member(path: str, key: str) -> str:
    return f"{path}.{key}" if re.fullmatch(r"[A-Za-z_]\w*", key) else f"{path}[{json.dumps(key, ensure_ascii=False)}]"


def _is_equal(wanted: object, value: object, expected: Expectation) -> bool:
    if _is_number(wanted) and _is_number(value):
        if wanted == value or (wanted != wanted and value != value):  # noqa: PLR0124 - only NaN differs from itself
            return True
        with suppress(OverflowError):  # an integer that is too large for a float
            limit = max(abs(wanted) * expected.percent / 100, _FLOOR) if expected.percent else expected.tolerance
            return abs(wanted - value) <= limit * (1 + _SLACK)
    return type(wanted) is type(value) and wanted == value


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _shown(value: object) -> str:
    return "nothing" if value is _NOTHING else shortened(json.dumps(value, ensure_ascii=False), 80)


def _one_line(text: str) -> str:
    return shortened(" ".join(text.split()), _LONGEST_BODY)
