"""The requests of a trial are read from files, forms and files of cases; what is wrong is one line each."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from model_archiver.core.problems import ModelArchiverError, UsageError
from model_archiver.trial.report import Expectation, Part, TrialRequest
from model_archiver.trial.requests import read_requests


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in {"a.json": "[1]", "b.txt": "two", "c.JPG": "three", "d": "four", "bad.json": "{"}.items():
        Path(name).write_text(text)
    return tmp_path


def read(
    *inputs: str, form=(), content_type=None, expect=(), tolerance=0.0, cases=None
) -> tuple[tuple[TrialRequest, ...], list[str]]:
    try:
        return read_requests(inputs, form, content_type, expect, tolerance, cases), []
    except UsageError:
        raise
    except ModelArchiverError as failure:
        return (), [str(problem) for problem in failure.problems]


def write_cases(*cases: object) -> str:
    Path("folder").mkdir()
    Path("folder/cases.json").write_text(json.dumps(list(cases)))
    return "folder/cases.json"


def test_each_input_is_a_request_with_the_type_of_its_name() -> None:
    requests, problems = read("a.json", "b.txt", "c.JPG", "d")
    assert problems == []
    assert [(request.name, request.content_type) for request in requests] == [
        ("a.json", "application/json"),
        ("b.txt", "text/plain"),
        ("c.JPG", "image/jpeg"),
        ("d", "application/octet-stream"),
    ]
    assert requests[0].parts == (Part("body", "application/json", b"[1]"),)


def test_stdin_is_a_request_and_has_the_given_type(monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"\xff\n")))
    [request], _ = read("-", content_type="image/png")
    assert request == TrialRequest("-", (Part("body", "image/png", b"\xff\n"),), "image/png")


def test_the_parameters_of_a_type_are_for_the_header_only() -> None:
    [request], _ = read("d", content_type="application/json; charset=utf-8")
    assert (request.parts[0].content_type, request.content_type) == (
        "application/json",
        "application/json; charset=utf-8",
    )


def test_a_request_is_not_larger_than_servers_take() -> None:
    Path("large").write_bytes(b"x" * 6_553_501)
    _, [problem] = read("large")
    assert problem.startswith(
        "large: has 6,553,501 bytes; the limit for a request, and for a file of packed cases, is 6,553,500; "
    )


@pytest.mark.parametrize(
    ("given", "part"),
    [
        ("lang=en", Part("lang", "", b"en")),
        ("lang=", Part("lang", "", b"")),
        ("sum=a=b;c", Part("sum", "", b"a=b;c")),
        ('x={"a": 1};type=application/json', Part("x", "", b'{"a": 1}')),
        (r'x="a;type=b \"q\"";type=text/plain', Part("x", "", b'a;type=b "q"')),
        ("image=@a.json", Part("image", "application/json", b"[1]")),
        ("image=@d", Part("image", "application/octet-stream", b"four")),
        ("image=@d;type=image/png;filename=cat.png", Part("image", "image/png", b"four")),
        ('image=@"d"', Part("image", "application/octet-stream", b"four")),
        ("image=@d;type=application/json; charset=utf-8", Part("image", "application/json", b"four")),
        ("text=<b.txt", Part("text", "", b"two")),
    ],
)
def test_a_form_is_written_as_for_curl(given: str, part: Part) -> None:
    [request], problems = read(form=[given])
    assert (request.parts, problems) == ((part,), [])


def test_a_form_is_one_request() -> None:
    [request], _ = read(form=["image=@c.JPG", "lang=en"])
    assert [part.name for part in request.parts] == ["image", "lang"]
    assert (request.name, request.content_type) == ("--form", "multipart/form-data")


def test_a_single_value_needs_no_list() -> None:
    [request] = read_requests("d", (), None, Path("b.txt"), 0.0, None)  # type: ignore[arg-type]
    assert (request.name, request.expectation) == ("d", Expectation(b"two"))
    [request] = read_requests((), "lang=en", None, (), 0.0, None)
    assert request.parts == (Part("lang", "", b"en"),)


def test_answers_are_expected_in_order() -> None:
    requests, _ = read("d", "d", expect=["a.json", "b.txt"], tolerance=0.5)
    assert [request.expectation for request in requests] == [
        Expectation(b"[1]", is_json=True, tolerance=0.5),
        Expectation(b"two"),
    ]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"inputs": ["d"], "form": ["x=1"]}, "--input cannot be used with --form"),
        ({"inputs": ["d"], "cases": "a.json"}, "--input cannot be used with --cases"),
        ({"form": ["x=1"], "cases": "a.json"}, "--form cannot be used with --cases"),
        ({"expect": ["d"], "cases": "a.json"}, "--expect cannot be used with --cases"),
        ({"form": ["x=1"], "content_type": "a/b"}, "--content-type cannot be used with --form"),
        ({"cases": "a.json", "tolerance": 1.0}, "--tolerance cannot be used with --cases"),
        ({"inputs": ["d"], "tolerance": 1.0}, "--tolerance needs --expect"),
        ({"content_type": "a/b"}, "--content-type needs --input"),
        ({"expect": ["d"]}, "1 --expect for 0 requests"),
        ({"inputs": ["d", "d"], "expect": ["d"]}, "1 --expect for 2 requests"),
        ({"inputs": ["-", "-"]}, "stdin (-) can be read only once"),
        ({"form": ["lang"]}, "--form lang: is neither NAME=VALUE nor NAME=@FILE"),
        ({"form": ["=x"]}, "--form =x: is neither NAME=VALUE nor NAME=@FILE"),
    ],
)
def test_what_does_not_go_together_is_invalid_usage(given: dict, message: str) -> None:
    inputs = given.pop("inputs", [])
    with pytest.raises(UsageError) as caught:
        read(*inputs, **given)
    [problem] = caught.value.problems
    assert problem.message == message


def test_everything_that_cannot_be_read_is_named_at_once() -> None:
    Path("folder").mkdir()
    _, problems = read("a.jsn", "folder", "d", expect=["bad.json", "none/x.json", "d"])
    assert problems == [
        "a.jsn: no such file or folder (--input); did you mean a.json? [file-missing]"
        if "did you mean" in problems[0]
        else "a.jsn: no such file or folder (--input); paths are relative to the current folder [file-missing]",
        "folder: Is a directory (--input); check the path and its permissions [file-unreadable]",
        problems[2],
        "none/x.json: no such file or folder (--expect); the folder none does not exist [file-missing]",
    ]
    assert problems[2].startswith("bad.json: is not JSON: ")
    assert problems[2].endswith("(--expect); correct the file, or name another one [trial-input]")


def test_cases_are_read_as_in_the_tests_of_torchserve() -> None:
    cases = write_cases(
        {"file": "../c.JPG", "content-type": "application/json", "expected": {"cat": 0.9}, "tolerance": 5, "url": "u"},
        {"file": "../d", "request-type": "image/png", "content-type": "text/plain", "expected": "seven"},
        {"body": "hello", "status": 201},
        {"body": {"a": [1]}, "expected": [2]},
        {"body": None, "error_contains": "no image", "validator": "default"},
        {"body": 1, "content-type": "text/plain", "expected": 2},
    )
    requests, problems = read(cases=cases)
    assert problems == []
    assert [(request.content_type, request.parts[0].value, request.expectation) for request in requests] == [
        ("image/jpeg", b"three", Expectation(b'{"cat": 0.9}', is_json=True, percent=5.0)),
        ("image/png", b"four", Expectation(b"seven")),
        ("text/plain", b"hello", Expectation(status=201)),
        ("application/json", b'{"a": [1]}', Expectation(b"[2]", is_json=True)),
        ("application/json", b"null", Expectation(error="no image")),
        ("application/json", b"1", Expectation(b"2")),
    ]
    assert requests[1].name == "folder/cases.json: case 2"


def test_cases_that_are_wrong_are_named_at_once() -> None:
    cases = write_cases(
        {"file": "x.json"}, 3, {}, {"file": "../d", "body": 1}, {"body": 1, "status": "400", "tolerance": -1}
    )
    _, problems = read(cases=cases)
    assert len(problems) == 6
    missing = "no such file: x.json; give its path relative to the file of cases [trial-input]"
    assert problems[0] == f"folder/cases.json: case 1: {missing}"
    hint = "must be an object that has either file or body; name the request's file, or write its body [trial-input]"
    assert problems[1:4] == [f"folder/cases.json: case {number}: {hint}" for number in (2, 3, 4)]
    assert problems[4:] == [
        'folder/cases.json: case 5: status must be an integer, not "400" [trial-input]',
        "folder/cases.json: case 5: tolerance must be a number of 0 or more, not -1 [trial-input]",
    ]


@pytest.mark.parametrize("name", ["bad.json", "none.json", "one.json", "empty.json"])
def test_a_file_without_cases_is_one_problem(name: str) -> None:
    Path("one.json").write_text("1")
    Path("empty.json").write_text("[]")
    requests, problems = read(cases=name)
    assert (requests, len(problems)) == ((), 1)
