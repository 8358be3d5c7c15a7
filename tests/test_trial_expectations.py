"""An answer is compared with what is expected of it, and each difference is shown where it is."""

from __future__ import annotations

import json

import pytest

from model_archiver.trial.expectations import compare
from model_archiver.trial.report import Expectation, TrialAnswer, TrialRequest


def differences(
    body: bytes,
    expectation: Expectation,
    status: int = 200,
    reason: str = "OK",
    *,
    batched: bool = False,
) -> list[str]:
    answer = TrialAnswer("a.json", batched, status, reason, "", {}, body, 0.1)
    return [str(problem) for problem in compare(answer, TrialRequest("a.json", (), "", expectation))]


def in_json(got: str, expected: str, **tolerances: float) -> list[str]:
    found = differences(got.encode(), Expectation(expected.encode(), is_json=True, **tolerances))
    return [line.removeprefix("a.json: ").removesuffix(" [trial-expect]") for line in found]


@pytest.mark.parametrize(
    ("got", "expected"),
    [
        ('{"b": 1, "a": [true, null]}', '{"a": [true, null], "b": 1.0}'),
        ("NaN", "NaN"),
        ("Infinity", "Infinity"),
        ("[" * 900 + "]" * 900, "[" * 900 + "]" * 900),
        ('"é"', r'"\u00e9"'),
    ],
)
def test_json_is_compared_by_value(got: str, expected: str) -> None:
    assert in_json(got, expected) == []


@pytest.mark.parametrize(
    ("got", "expected", "difference"),
    [
        ('{"digit": "eight"}', '{"digit": "seven"}', '$.digit: expected "seven", got "eight"'),
        ("[[1, 2]]", "[[1, 3]]", "$[0][1]: expected 3, got 2"),
        ('{"a b": 1}', '{"a b": "1"}', '$["a b"]: expected "1", got 1'),
        ('{"a": 1, "b": 2}', '{"a": 1}', "$.b: expected nothing, got 2"),
        ('{"a": 1}', '{"a": 1, "b": null}', "$.b: expected null, got nothing"),
        ("[1]", "[1, 2]", "$[1]: expected 2, got nothing"),
        ("1", "true", "$: expected true, got 1"),
        ("[]", "{}", "$: expected {}, got []"),
        ("1" + "0" * 400, "1.5", f"$: expected 1.5, got 1{'0' * 79}..."),
        ("NaN", "1", "$: expected 1, got NaN"),
        ("seven", '"seven"', "expected JSON, got what is not JSON (Expecting value: line 1 column 1 (char 0)): seven"),
    ],
)
def test_a_difference_in_json_is_shown_where_it_is(got: str, expected: str, difference: str) -> None:
    assert in_json(got, expected) == [difference]
    assert in_json(got, expected, tolerance=0.001) == [difference]


def test_only_some_of_many_differences_are_shown() -> None:
    assert in_json(json.dumps([1] * 9), json.dumps([2] * 9)) == [
        *(f"$[{place}]: expected 2, got 1" for place in range(3)),
        "and 6 more differences",
    ]


@pytest.mark.parametrize(
    ("got", "expected", "tolerances", "is_equal"),
    [
        ("1.1", "1.0", {"tolerance": 0.1}, True),
        ("1.11", "1.0", {"tolerance": 0.1}, False),
        ("-95", "-100", {"percent": 5}, True),
        ("-94.9", "-100", {"percent": 5}, False),
        ("0.000001", "0", {"percent": 5}, True),
        ("0.000002", "0", {"percent": 5}, False),
        ("1.0000001", "1", {}, False),
        ("NaN", "NaN", {"percent": 5}, True),
        ("Infinity", "1", {"percent": 5}, False),
        ('"1"', '"1.0"', {"tolerance": 1}, False),
    ],
)
def test_numbers_may_differ_by_a_tolerance(got: str, expected: str, tolerances: dict, is_equal: bool) -> None:
    assert (in_json(got, expected, **tolerances) == []) == is_equal


@pytest.mark.parametrize(
    ("got", "expected", "difference"),
    [
        (b"same", b"same", None),
        (b"one two", b"one  two", 'differs at character 5: expected " two", got "two"'),
        (b"seven", b"seven\n", r'differs at character 6: expected "\n", got the end'),
        ("é2".encode(), "é3".encode(), 'differs at character 2: expected "3", got "2"'),
        (b"\xff\x01", b"\xff\x02", "differs at byte 2: expected the bytes 02, got the bytes 01"),
        (b"", b"\xff", "differs at byte 1: expected the bytes ff, got the end"),
    ],
)
def test_text_and_bytes_are_compared_exactly(got: bytes, expected: bytes, difference: str | None) -> None:
    lines = [f"a.json: {difference} [trial-expect]"] if difference else []
    assert differences(got, Expectation(expected)) == lines


def test_an_answer_of_a_batch_says_so() -> None:
    lines = differences(b"1", Expectation(b"2"), batched=True)
    assert lines == ['a.json: sent together with others: differs at character 1: expected "2", got "1" [trial-expect]']


@pytest.mark.parametrize("expectation", [Expectation(), Expectation(b"1"), Expectation(b"1", is_json=True)])
def test_a_status_that_is_not_2xx_fails(expectation: Expectation) -> None:
    [line] = differences(b'{\n  "error": "no image"\n}', expectation, 400, "Bad Request")
    assert line == 'a.json: the answer has the status 400 Bad Request: { "error": "no image" } [trial-answer]'
    assert differences(b"1", expectation, 201) == []


@pytest.mark.parametrize(
    ("expectation", "message"),
    [
        (Expectation(status=400), None),
        (Expectation(status=400, error="no image"), None),
        (Expectation(error="no image"), None),
        (Expectation(error="Bad Req"), None),
        (Expectation(b"no image", status=400), None),
        (Expectation(status=404), "expected the status 404, got the status 400 Bad Request: no image"),
        (Expectation(status=200), "expected the status 200, got the status 400 Bad Request: no image"),
        (Expectation(error="size"), 'expected "size" in the answer, got the status 400 Bad Request: no image'),
    ],
)
def test_a_refusal_may_be_expected(expectation: Expectation, message: str | None) -> None:
    lines = [f"a.json: {message} [trial-expect]"] if message else []
    assert differences(b"no image", expectation, 400, "Bad Request") == lines


def test_a_refusal_that_does_not_come_fails() -> None:
    lines = ["a.json: expected the request to be rejected, got the status 200 OK: 1 [trial-expect]"]
    assert differences(b"1", Expectation(error="no image")) == lines
