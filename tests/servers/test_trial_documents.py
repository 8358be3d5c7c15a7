"""The JSON documents of real trials are as docs/output.schema.json says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.documents import VALIDATOR, document, wrong_documents

if TYPE_CHECKING:
    from tests.conftest import Command

pytestmark = pytest.mark.servers

# Answers JSON with its double, "bytes" with bytes, and anything else with a refusal and a header.
HANDLER = """
def handle(data, context):
    answers = []
    for index, row in enumerate(data or ()):
        body = row["body"]
        if body == "bytes":
            answers.append(b"\\xff\\x00")
            continue
        if not isinstance(body, int):
            context.set_response_status(code=400, phrase="Bad Request", idx=index)
            context.set_response_header(index, "X-Reason", "type")
        answers.append(str(body * 2) if isinstance(body, int) else "not a number")
    return answers
"""
CASES = [
    {"body": 2, "expected": 4},
    {"body": "bytes"},
    {"body": "x", "status": 400, "error_contains": "not a number"},
    {"body": 3, "expected": 6},
]


@pytest.mark.parametrize(
    ("handler", "line", "status"),
    [
        (HANDLER, "test m.mar --cases cases.json", 0),
        (HANDLER, "test m.mar --cases cases.json --batch-size 4 --log", 0),
        (HANDLER, "test m.mar", 0),
        (HANDLER, "test m.mar --device cuda:99", 1),
        (HANDLER.replace("body * 2", "body * 3"), "test m.mar --cases cases.json", 1),
        (HANDLER.replace("body * 2", "body / 0"), "test m.mar --cases cases.json", 1),
        ("import absent\n" + HANDLER, "test m.mar", 1),
        (HANDLER, "--model-name n --handler handler.py --samples cases.json --test", 0),
        (HANDLER, "--model-name n --handler handler.py --test --dry-run", 0),
        (HANDLER.replace("* 2", "/ 0"), "--model-name n --handler handler.py --samples cases.json --test", 1),
        ("import absent\n" + HANDLER, "--model-name n --handler handler.py --test --no-checks", 1),
    ],
)
def test_the_document_of_a_trial_is_as_the_schema_says(
    run: Command, own_tmp: Path, mms_python: Path, handler: str, line: str, status: int
) -> None:
    Path("handler.py").write_text(handler)
    Path("cases.json").write_text(json.dumps(CASES))
    assert run("--model-name", "m", "--handler", "handler.py", "--no-checks").status == 0
    python = "--python" if line.startswith("test") else "--test-python"
    result = run(*line.split(), python, mms_python, "--json")
    assert result.status == status, result.err
    found = document(result)
    assert "trial" in found
    assert [label for label, wrong in wrong_documents(found) if VALIDATOR.is_valid(wrong)] == []
