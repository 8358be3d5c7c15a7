"""``labels-invalid`` and ``vocabulary-missing``: what TorchServe's handlers read besides the weights."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pytest

from model_archiver.commands.package import plan_package
from model_archiver.core.problems import ModelArchiverError
from model_archiver.core.request import ModelArchiverConfig
from tests.conftest import Command, Result

EXAMPLE = 'write an object such as {"0": "cat", "1": "dog"}'
STRING = "write a string, or a list that ends with one"
MARK = "the file is not JSON in UTF-8 without a byte order mark; save it as UTF-8 without one"


@pytest.fixture
def judged(model: Path, run: Command):
    def judge(text: str | bytes, handler: str = "image_classifier", path: str = "index_to_name.json") -> Result:
        (model / path).parent.mkdir(exist_ok=True)
        (model / path).write_bytes(text.encode() if isinstance(text, str) else text)
        flags = ("--model-file", "model.py", "--serialized-file", "model.pt")
        files = ("--extra-files" if "/" not in path else "--include", path.partition("/")[0])
        return run("--model-name", "m", "--handler", handler, *flags, *files, "--dry-run")

    return judge


def labels(result: Result) -> list[str]:
    return [line for line in (*result.errors, *result.warnings) if "[labels-invalid]" in line]


INVALID = [
    ("", f":1: the file is not valid JSON: Expecting value (column 1); {EXAMPLE}"),
    ('{"0": "cat"\n "1": "dog"}', f":2: the file is not valid JSON: Expecting ',' delimiter (column 2); {EXAMPLE}"),
    ('\ufeff{"0": "cat"}', f": {MARK}"),
    ('{"0": "cat"}'.encode("utf-16"), f": {MARK}"),
    ('["cat", "dog"]', f": the file must hold a JSON object; {EXAMPLE}"),
    ('{"0": "cat",\n "1": 7}', f": the name of class '1' must be a string; {STRING}"),
    ('{\n"0": ["n01", "cat"], "1": []}', f": the name of class '1' must be a string; {STRING}"),
    ('{"ü": null}', f": the name of class 'ü' must be a string; {STRING}"),
    ('{"0": 1, "1": 2, "0": 3}', f": the name of class '0' must be a string; {STRING}"),
    ('{"object_type_names": "x", "a": NaN}', f": the name of class 'a' must be a string; {STRING}"),
    ('{"cat": 0, "dog": 1}', f": the name of class 'cat' must be a string; {STRING}"),
    ('{"labels": {"0": "cat"}}', f": the name of class 'labels' must be a string; {STRING}"),
]


@pytest.mark.parametrize("handler", ["base_handler", "object_detector"])
@pytest.mark.parametrize(("text", "line"), INVALID)
def test_names_with_which_no_worker_starts(judged, handler: str, text: str | bytes, line: str) -> None:
    result = judged(text, handler)
    assert (result.status, labels(result)) == (1, [f"index_to_name.json{line} [labels-invalid]"])


SERVES = [
    "{}",
    '{"0": "cat", "1": ["n01", "dog"], "2": [1, {}, "cow"]}',
    '{"object_type_names": ["cat", 1, null], "0": 7}',
    '{"0": 7, "0": "cat"}',
    '{"0": "größe \\ud83d\\ude00 猫"}',
    '{"0": "größe"}'.encode("latin-1"),
    '\r\n {"0": "cat"}\n\n',
    '{"0": [' + "[" * 100_000 + "]" * 100_000 + ', "cat"]}',
    '{"0": ["' + '", "'.join(["cat"] * 100_000) + '"]}',
]


@pytest.mark.parametrize("text", SERVES, ids=range(len(SERVES)))
def test_names_that_a_worker_reads(judged, text: str | bytes) -> None:
    assert labels(judged(text)) == []


@pytest.mark.parametrize("handler", ["handler.py", "vllm_handler", "densenet_handler", "base_handler"])
def test_names_that_nothing_reads(judged, handler: str) -> None:
    path = "names/index_to_name.json" if handler == "base_handler" else "index_to_name.json"
    assert labels(judged("[]", handler, path)) == []


def test_a_long_name_is_shortened_and_costs_little_memory(judged) -> None:
    tracemalloc.start()
    [line] = labels(judged('{\n "' + "k" * 2_000_000 + '": 1}'))
    assert tracemalloc.get_traced_memory()[1] < 50_000_000
    tracemalloc.stop()
    assert line.startswith(f"index_to_name.json: the name of class '{'k' * 80}...' must be a string; write")


def vocabulary(result: Result) -> list[str]:
    return [line for line in result.errors if "[vocabulary-missing]" in line]


def test_a_text_classifier_needs_its_vocabulary(model: Path, run: Command) -> None:
    words = ("--model-name", "m", "--model-file", "model.py", "--dry-run", "--handler")
    assert vocabulary(run(*words, "text_classifier")) == [
        "text_classifier: this handler reads source_vocab.pt, which is not at the root of the archive;"
        " add the model's vocabulary: --extra-files source_vocab.pt [vocabulary-missing]"
    ]
    for handler in ("base_handler", "image_classifier", "handler.py"):
        assert vocabulary(run(*words, handler)) == []
    (model / "data").mkdir()
    (model / "data/source_vocab.pt").write_bytes(b"words")
    assert len(vocabulary(run(*words, "text_classifier", "--include", "data"))) == 1
    assert vocabulary(run(*words, "text_classifier", "--extra-files", "data/source_vocab.pt")) == []


def test_a_manifest_may_name_another_vocabulary(model: Path) -> None:
    described = {"modelName": "m", "modelVersion": "1.0", "handler": "text_classifier", "modelFile": "model.py"}
    config = ModelArchiverConfig("m", handler="text_classifier", model_file="model.py")
    manifest = {"runtime": "python", "model": described}
    with pytest.raises(ModelArchiverError, match="vocabulary-missing"):
        plan_package(config, json.dumps(manifest))
    described["sourceVocab"] = "/opt/words.pt"
    plan_package(config, json.dumps(manifest))
