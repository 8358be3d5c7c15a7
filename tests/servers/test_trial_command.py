"""The command ``test`` with the workers of the real servers: verdicts, JSON, the log and the exit status."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from .typed import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Command, Result

pytestmark = pytest.mark.servers

pytest.importorskip("torch")

DIGITS = ROOT / "examples" / "digits"
SAMPLE = DIGITS / "sample.json"
IRIS = ROOT / "examples" / "mms_numpy"

DESCRIBE = """
def handle(data, context):
    return [{name: [type(value).__name__, len(value)] for name, value in row.items()} for row in data or ()]
"""
ECHO = "def handle(data, context):\n    return [row['body'] for row in data or ()]\n"
ALONE = "def handle(data, context):\n    return data and [bytes(data[0]['body'])]\n"
BROKEN = "class Model:\n    def initialize(self, context):\n        raise KeyError('weights')\n\n"
BROKEN += "    def handle(self, data, context):\n        return data\n"
REFUSE = """
def handle(data, context):
    answers = []
    for index, row in enumerate(data or ()):
        if not isinstance(row["body"], list):
            context.set_response_status(code=400, phrase="Bad Request", idx=index)
        answers.append([0.5] if isinstance(row["body"], list) else "not a list")
    return answers
"""


@pytest.fixture
def digits(work: Path, run: Command) -> str:
    files = [f"--model-file={DIGITS}/model.py", f"--serialized-file={DIGITS}/digits.pt"]
    files += [f"--handler={DIGITS}/handler.py", f"--extra-files={DIGITS}/index_to_name.json"]
    assert run("--model-name", "digits", *files).status == 0
    return "digits.mar"


@pytest.fixture
def tried(work: Path, run: Command, torchserve_python: Path) -> Callable[..., Result]:
    """Package a handler, and test it."""

    def call(handler: str, *words: object) -> Result:
        Path("handler.py").write_text(handler)
        assert run("--model-name", "m", "--handler", "handler.py", "--no-checks", "-f").status == 0
        return run("test", "m.mar", "--python", torchserve_python, *words)

    return call


def trial(result: Result) -> dict[str, Any]:
    document = json.loads(result.out)
    assert (document["command"], document["status"]) == ("test", result.status)
    return document["trial"]


def lines(result: Result) -> list[str]:
    """The lines of a verdict, without figures."""
    return re.sub(r"\d+\.\d\d s", "# s", result.out).splitlines()


def test_a_model_that_serves(digits: str, run: Command, torchserve_python: Path) -> None:
    Path("expected.json").write_text(json.dumps({"digit": "seven"}))
    result = run("test", digits, "--input", SAMPLE, "--python", torchserve_python.parents[1])
    assert (result.status, result.err) == (0, "")
    first, *others = lines(result)
    assert re.fullmatch(r"digits\.mar: tried with TorchServe 0\.12\.0, torch \S+, Python \S+ \(.*/bin/python\)", first)
    answer = '{ "digit": "seven", "probabilities": { "zero": 0.0, "one": 0...'
    assert others == ["loads: yes, # s", f"  {SAMPLE}: 200, # s, 232 bytes: {answer}", "answers: yes, # s"]


def test_an_answer_that_is_not_the_expected_one(digits: str, run: Command, torchserve_python: Path) -> None:
    words = ["test", digits, "--input", SAMPLE, "--python", torchserve_python]
    answer = trial(run(*words, "--json"))["results"][0]["body"]
    Path("expected.json").write_text(json.dumps({**answer, "digit": "eight"}))
    result = run(*words, "--expect", "expected.json")
    assert (result.status, lines(result)[-1]) == (1, "answers: no, # s")
    assert result.errors == [f'{SAMPLE}: $.digit: expected "eight", got "seven" [trial-expect]']
    near = {name: value + 0.001 for name, value in answer["probabilities"].items()}
    Path("expected.json").write_text(json.dumps({"digit": "seven", "probabilities": near}))
    assert run(*words, "--expect", "expected.json", "--tolerance", "0.001").status == 0
    assert run(*words, "--expect", "expected.json", "--tolerance", "0.0001").status == 1


def test_without_a_request_it_is_only_loaded(tried) -> None:
    result = tried(ECHO)
    assert (result.status, lines(result)[1:]) == (0, ["loads: yes, # s", "answers: not asked"])
    note = "No request was sent: package the model with --samples FILE, or run test with --input FILE."
    assert result.err == f"torch-model-archiver: note: {note}\n"


def test_json_has_the_same_keys_whether_it_serves_or_not(tried, run: Command) -> None:
    Path("a.txt").write_text("one")
    serves, fails = (tried(handler, "--json", "--input", "a.txt") for handler in (ECHO, BROKEN))
    Path("cut.mar").write_bytes(Path("m.mar").read_bytes()[:-9])
    untried = run("test", "cut.mar", "--json")
    assert [serves.status, fails.status, untried.status] == [0, 1, 1]
    found = [trial(result) for result in (serves, fails, untried)]
    assert list(found[0]) == list(found[1]) == list(found[2])
    assert [(each["server"], each["loads"], each["answers"]) for each in found] == [
        ("torchserve", True, True),
        ("torchserve", False, None),
        (None, False, None),
    ]
    assert [each["log"] is None for each in found] == [True, False, True]
    assert set(found[0]["seconds"]) == {"load", "answer"} == set(found[2]["seconds"])
    [problem] = json.loads(fails.out)["problems"]
    assert (problem["code"], problem["path"], problem["line"]) == ("trial-load", "handler.py", 3)


def test_bodies_in_json_have_the_form_of_what_they_are(tried) -> None:
    for name, body in {"a.txt": b"text", "b.json": b"[1, 2]", "c": b"\xff\x00", "d.json": b"NaN"}.items():
        Path(name).write_bytes(body)
    words = [word for name in ("a.txt", "b.json", "c", "d.json") for word in ("--input", name)]
    results = trial(tried(ECHO, "--json", *words))["results"]
    shown = [(each["request"], each["form"], each["body"], each["size"]) for each in results]
    assert shown[0] == ("a.txt", "text", "text", 4)
    assert shown[1][:3] == ("b.json", "json", [1, 2])
    assert shown[2] == ("c", "base64", base64.b64encode(b"\xff\x00").decode(), 2)
    assert shown[3] == ("d.json", "text", "NaN", 3)


def test_requests_are_sent_alone_and_then_together(tried) -> None:
    for name in ("a", "b", "c"):
        Path(name).write_text(name)
    words = ["--input", "a", "--input", "b", "--input", "c", "--batch-size", "2"]
    rounds = [(each["request"], each["batched"]) for each in trial(tried(ECHO, "--json", *words))["results"]]
    assert rounds[:3] == [("a", False), ("b", False), ("c", False)]
    assert {name for name, together in rounds if together} >= {"a", "b"}
    result = tried(ALONE, *words)
    assert result.status == 1
    assert "requests 1 and 2, sent together: the handler returned 1 answer for 2 requests" in result.errors[0]
    assert tried(ALONE, *words[:-2]).status == 0


def test_a_form_has_parts_as_the_server_decodes_them(tried) -> None:
    Path("b.json").write_text("[1, 2, 3]")
    Path("c.png").write_bytes(b"image")
    words = ["--form", "lang=en", "--form", "list=@b.json", "--form", "image=@c.png", "--form", "text=four;type=text/x"]
    [answer] = trial(tried(DESCRIBE, "--json", *words))["results"]
    assert answer["request"] == "--form"
    assert answer["body"] == {
        "lang": ["bytearray", 2],
        "list": ["list", 3],
        "image": ["bytearray", 5],
        "text": ["bytearray", 4],
    }


def test_stdin_is_a_request(tried, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"[1, 2]"), fileno=lambda: 0))
    [answer] = trial(tried(DESCRIBE, "--json", "--input", "-", "--content-type", "application/json"))["results"]
    assert (answer["request"], answer["body"]) == ("-", {"body": ["list", 2]})


def test_cases_say_what_is_expected(tried) -> None:
    cases = [
        {"body": [1], "content-type": "application/json", "expected": [0.49], "tolerance": 5, "url": "ignored"},
        {"body": "x", "status": 400, "error_contains": "not a list"},
        {"body": [2], "expected": [0.5]},
    ]
    Path("cases.json").write_text(json.dumps(cases))
    result = tried(REFUSE, "--cases", "cases.json", "--batch-size", "4", "--json")
    assert (result.status, result.err) == (0, "")
    assert [each["batched"] for each in trial(result)["results"]] == [False, False, False, True, True]
    cases[0]["tolerance"], cases[1]["error_contains"], cases[2]["status"] = 1, "no image", 201
    Path("cases.json").write_text(json.dumps(cases))
    result = tried(REFUSE, "--cases", "cases.json")
    assert result.status == 1
    assert result.errors == [
        "cases.json: case 1: $[0]: expected 0.49, got 0.5 [trial-expect]",
        'cases.json: case 2: expected "no image" in the answer, got the status 400 Bad Request: not a list'
        " [trial-expect]",
        "cases.json: case 3: expected the status 201, got the status 200: [ 0.5 ] [trial-expect]",
    ]


def test_the_log_is_shown_after_a_failure_or_if_it_is_asked_for(tried) -> None:
    prints = f"for number in range(50):\n    print('line', number)\n\n\n{ECHO}"
    assert ": log: " not in tried(prints).err
    assert sum(": log: line " in line for line in tried(prints, "--log").err.splitlines()) == 50
    assert "line 49" in trial(tried(prints, "--log", "--json"))["log"]
    result = tried(BROKEN)
    shown = [line for line in result.err.splitlines() if ": log: " in line]
    assert 0 < len(shown) <= 20
    assert any("KeyError" in line for line in shown)


def test_quiet_prints_only_problems(tried) -> None:
    result = tried(ECHO, "--quiet")
    assert (result.status, result.out) == (0, "")


def test_an_archive_for_mms_is_tried_with_the_server_that_is_there(
    work: Path, run_mms: Command, torchserve_python: Path, mms_python: Path
) -> None:
    packing = run_mms("--model-name", "iris", "--model-path", IRIS / "iris", "--handler", "iris_service:handle")
    assert packing.status == 0
    for python, server in ((mms_python, "Multi Model Server"), (torchserve_python, "TorchServe")):
        result = run_mms("test", "iris.mar", "--input", IRIS / "sample.json", "--python", python)
        assert (result.status, result.errors) == (0, [])
        assert f"iris.mar: tried with {server} " in result.out
        assert "virginica" in result.out


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["--python", "none"], 1, "trial-python"),
        (["--input", "none"], 1, "file-missing"),
        (["--input", "bad.json", "--expect", "bad.json"], 1, "trial-input"),
        (["--cases", "bad.json"], 1, "trial-input"),
        (["--form", "a=1", "--input", "bad.json"], 2, "usage-invalid"),
        (["--cases", "bad.json", "--form", "a=1"], 2, "usage-invalid"),
        (["--input", "bad.json", "--expect", "bad.json", "--expect", "bad.json"], 2, "usage-invalid"),
        (["--timeout", "0"], 2, "usage-invalid"),
        (["--timeout", "nan"], 2, "usage-invalid"),
        (["--tolerance", "-1"], 2, "usage-invalid"),
        (["--batch-size", "0"], 2, "usage-invalid"),
        (["--device", "gpu"], 2, "usage-invalid"),
        (["--device", "cuda:99"], 1, "trial-device"),
    ],
)
def test_what_cannot_be_tried_is_one_line(tried, words: list[str], status: int, said: str) -> None:
    Path("bad.json").write_text("{")
    result = tried(ECHO, *words)
    assert result.status == status
    [line] = result.errors
    assert line.endswith(f"[{said}]")


def test_a_problem_of_one_request_is_shown_once_for_both_rounds(tried) -> None:
    Path("a.json").write_text("[1]")
    Path("b.json").write_text("[2]")
    words = ["--input", "a.json", "--input", "b.json", "--expect", "b.json", "--expect", "b.json", "--batch-size", "2"]
    assert tried(ECHO, *words).errors == ["a.json: $[0]: expected 2, got 1 [trial-expect]"]
    swapped = "def handle(data, context):\n    return [row['body'] for row in reversed(data or ())]\n"
    assert tried(swapped, *words).errors == [
        "a.json: $[0]: expected 2, got 1 [trial-expect]",
        "b.json: sent together with others: $[0]: expected 2, got 1 [trial-expect]",
    ]


def test_no_code_of_the_current_folder_is_run(tried) -> None:
    Path("a.txt").write_text("one")
    for name in ("json.py", "re.py", "torch.py"):
        Path(name).write_text("open('ran', 'w').close()\nraise SystemExit('not that one')\n")
    assert tried(ECHO, "--input", "a.txt").status == 0
    assert tried(ECHO, "--device", "cuda:99").errors[0].endswith("[trial-device]")
    assert not Path("ran").exists()


def test_what_was_not_started_was_not_tried(tried) -> None:
    result = tried(ECHO, "--device", "cuda:99", "--json")
    found = trial(result)
    assert (result.status, found["server"], found["loads"], found["python"]) == (1, None, False, "")
    assert lines(tried(ECHO, "--device", "cuda:99")) == ["m.mar: not tried"]


def test_each_piece_of_a_stream_has_the_time_of_an_answer(work: Path, run: Command, torchserve_python: Path) -> None:
    Path("a.txt").write_text("one")
    stream = """
import time
from ts.handler_utils.utils import send_intermediate_predict_response as send


def handle(data, context):
    for _ in range(10 if data else 0):
        time.sleep(0.6)
        send(["piece "], context.request_ids, "next", 200, context)
    return ["end"]
"""
    Path("h.py").write_text(stream)
    Path("c.yaml").write_text("responseTimeout: 5\n")
    assert run("--model-name", "m", "--handler", "h.py", "--config-file", "c.yaml").status == 0
    [answer] = trial(run("test", "m.mar", "--input", "a.txt", "--python", torchserve_python, "--json"))["results"]
    assert answer["body"] == "piece " * 10 + "end"


def test_requests_that_fail_and_those_that_were_not_sent_are_named(tried) -> None:
    for name in ("a", "b", "c"):
        Path(name).write_text(name)
    words = ["--input", "a", "--input", "b", "--input", "c"]
    fails = "def handle(data, context):\n    return data and [1 / (data[0]['body'] == b'a')]\n"
    assert [line.split(": ")[1] for line in tried(fails, *words).errors] == ["request 2", "request 3"]
    ends = "import os\ndef handle(data, context):\n    return [data and data[0]['body'] == b'b' and os._exit(3)]\n"
    result = tried(ends, *words)
    assert "note: Later requests were not sent" in result.err
    assert [line.split(": ")[1] for line in result.errors] == ["request 2"]


def test_no_request_is_alone_in_a_batch(tried) -> None:
    for name in ("a", "b", "c"):
        Path(name).write_text(name)
    words = ["--input", "a", "--input", "b", "--input", "c", "--batch-size", "2", "--json"]
    results = trial(tried(ECHO, *words))["results"]
    assert [each["request"] for each in results] == ["a", "b", "c", "a", "b"]
