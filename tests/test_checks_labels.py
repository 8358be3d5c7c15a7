"""What TorchServe's handlers read beside the weights is judged as they read it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_archiver.commands.package import plan_package
from model_archiver.core.problems import ModelArchiverError
from model_archiver.core.request import ModelArchiverConfig
from tests.conftest import Command, Result

HINT = 'write an object such as {"0": "cat", "1": "dog"}'
NAME = "write a text, or a list that ends with one"


@pytest.fixture
def judged(model: Path, run: Command):
    """What is said of an index_to_name.json."""

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
    ("", f":1: is no JSON: Expecting value (column 1); {HINT}"),
    ('{"0": "cat"\n "1": "dog"}', f":2: is no JSON: Expecting ',' delimiter (column 2); {HINT}"),
    (
        '{"0": "cat",\n "1": "dog",\n}',
        ":2: is no JSON: Illegal trailing comma before end of object (column 12);",
    ),
    ("{'0': 'cat'}", f":1: is no JSON: Expecting property name enclosed in double quotes (column 2); {HINT}"),
    (
        '\ufeff{"0": "cat"}',
        ":1: begins with a byte order mark, which a worker does not read; save it as UTF-8 without one",
    ),
    ('{"0": "cat"}'.encode("utf-16"), ": is no JSON in UTF-8; save it as UTF-8"),
    ('["cat", "dog"]', f": is a list and no object; {HINT}"),
    ('"cat"', f": is a text and no object; {HINT}"),
    ("null", f": is null and no object; {HINT}"),
    ('{"0": "cat",\n "1": 7}', f":2: the name of class '1' is 7 and no text; {NAME}"),
    ('{\n"0": ["n01", "cat"], "1": []}', f":2: the name of class '1' is an empty list and no text; {NAME}"),
    ('{"0": ["cat", 1]}', f":1: the name of class '0' is a list and no text; {NAME}"),
    ('{"0": {"1": "cat"}}', f":1: the name of class '0' is an object and no text; {NAME}"),
    ('{"ü": null}', f":1: the name of class 'ü' is null and no text; {NAME}"),
    ('{"0": 1, "1": 2, "0": 3}', f": the name of class '0' is 3 and no text, and 1 more are none either; {NAME}"),
    ('{"object_type_names": "cat, dog", "a": NaN}', f":1: the name of class 'a' is NaN and no text; {NAME}"),
]


@pytest.mark.parametrize("handler", ["base_handler", "object_detector"])
@pytest.mark.parametrize(("text", "line"), INVALID)
def test_names_with_which_no_worker_starts_are_refused(judged, handler: str, text: str | bytes, line: str) -> None:
    result = judged(text, handler)
    [told] = labels(result)
    assert result.status == 1
    if "trailing comma" in line:  # which older Pythons have other words for
        assert told.startswith("index_to_name.json:")
        assert "is no JSON: " in told
    else:
        assert told == f"index_to_name.json{line} [labels-invalid]"


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
def test_names_that_a_worker_reads_are_no_matter(judged, text: str | bytes) -> None:
    assert labels(judged(text)) == []


@pytest.mark.parametrize("handler", ["handler.py", "vllm_handler", "densenet_handler"])
def test_who_reads_them_in_another_way_may_have_them_as_they_are(judged, handler: str) -> None:
    assert labels(judged("[]", handler)) == []


def test_only_those_at_the_root_are_read(judged) -> None:
    assert labels(judged("[]", path="names/index_to_name.json")) == []


def vocabulary(result: Result) -> list[str]:
    return [line for line in result.errors if "[vocabulary-missing]" in line]


def test_a_text_classifier_needs_its_vocabulary(model: Path, run: Command) -> None:
    words = ("--model-name", "m", "--handler", "text_classifier", "--model-file", "model.py", "--dry-run")
    result = run(*words)
    assert result.status == 1
    assert vocabulary(result) == [
        "text_classifier: reads source_vocab.pt, which is not at the root of the archive;"
        " add the model's vocabulary: --extra-files source_vocab.pt [vocabulary-missing]"
    ]
    (model / "source_vocab.pt").write_bytes(b"words")
    assert vocabulary(run(*words, "--extra-files", "source_vocab.pt")) == []
    (model / "data").mkdir()
    (model / "source_vocab.pt").rename(model / "data" / "source_vocab.pt")
    assert len(vocabulary(run(*words, "--include", "data"))) == 1


def test_a_manifest_may_name_another_one(model: Path) -> None:
    described = {"modelName": "m", "modelVersion": "1.0", "handler": "text_classifier", "modelFile": "model.py"}
    config = ModelArchiverConfig("m", handler="text_classifier", model_file="model.py")
    manifest = {"runtime": "python", "model": described}
    with pytest.raises(ModelArchiverError, match="vocabulary-missing"):
        plan_package(config, json.dumps(manifest))
    described["sourceVocab"] = "/opt/words.pt"
    plan_package(config, json.dumps(manifest))


def test_others_need_none(model: Path, run: Command) -> None:
    for handler in ("base_handler", "image_classifier", "handler.py"):
        assert vocabulary(run("--model-name", "m", "--handler", handler, "--model-file", "model.py", "--dry-run")) == []


@pytest.mark.parametrize(
    ("labels", "mend"),
    [
        ('{"cat": 0, "dog": 1}', 'turn it round: the class\'s number first, as in {"0": "cat"}'),
        ('{"labels": {"0": "cat"}}', 'put the names at the top, as in {"0": "cat"}'),
    ],
)
def test_the_mend_is_the_one_that_serves(model, run, labels: str, mend: str) -> None:
    (model / "index_to_name.json").write_text(labels)
    words = ("--model-name", "m", "--serialized-file", "model.pt", "--extra-files", "index_to_name.json")
    (error,) = run(*words).errors
    assert f"; {mend} [labels-invalid]" in error
