"""Every JSON document is as docs/output.schema.json says, and that schema rejects what is not."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from model_archiver.commands import COMMANDS
from tests.archives import output
from tests.conftest import Command
from tests.documents import SCHEMA, VALIDATOR, document, wrong_documents
from tests.foreign import HONEST, Raw, mar, special, tar_bytes, tgz

# The exit status of each command line, to which --json is added.
COMMAND_LINES = {
    "--model-name new --handler handler.py": 0,
    "--model-name new --handler handler.py --dry-run": 0,
    "--model-name new --handler handler.py --archive-format tgz": 0,
    "--model-name new --handler handler.py --archive-format no-archive": 0,
    "--model-name here --model-path here --handler handler --archive-format no-archive": 0,  # in place
    "--model-name new --handler handler.py --samples cases.json": 0,
    "--model-name 1m --handler handler.py --export-path out": 0,
    "--model-name 1m --handler handler.py --export-path out --ignore name-leading-digit": 0,
    "--model-name 1m --handler handler.py --export-path out --strict": 1,
    "--model-name new --handler handler.py --export-path out --target kserve": 0,
    "--model-name new --handler handler.py --export-path out --target kserve --dry-run": 0,
    "--model-name new --handler handler.py --export-path out --target sagemaker": 0,
    "--model-name new --handler broken.py": 1,
    "--model-name good --handler handler.py": 1,
    "--model-name new --handler handler.py --extra-files absent,\udcff.txt": 1,
    "--model-name new --handler handler.py --extra-files \udcff.txt": 1,
    "--model-name \udcff --handler \udcff.py": 1,
    "--model-name new --handler handler.py --test --test-python here": 1,
    "--model-name new --handler handler.py --test-timeout 1": 2,
    "--model-name new --unknown": 2,
    "--handler handler.py": 2,
    "verify good.mar 1w.mar": 0,
    "verify good.mar cut.mar absent.mar": 1,
    "verify good.mar --output-format json": 0,
    "verify good.mar --output-format text": 2,
    "version": 0,
    "explain": 0,
    "explain file-missing": 0,
    "explain nothing": 2,
    "help": 0,
    "help test": 0,
    "completion bash": 0,
    "build models.yaml": 1,
    "build models.yaml --keep-going": 1,
    "build models.yaml new": 0,
    "build models.yaml new --dry-run": 0,
    "build models.yaml unknown": 2,
    "build cases.json": 1,
    "build absent.yaml": 1,
    "build": 2,
    "inspect good.mar": 0,
    "inspect good.tar.gz": 0,
    "inspect good": 0,
    "inspect foreign.mar": 1,
    "inspect flat.tar.gz": 0,
    "inspect cut.mar": 1,
    "inspect absent.mar": 1,
    "inspect handler.py": 1,
    "inspect": 2,
    "verify good.mar": 0,
    "verify good.mar --strict": 0,
    "verify good.tar.gz": 0,
    "verify good": 0,
    "verify flat.tar.gz": 0,
    "verify plain.mar": 0,
    "verify 1w.mar": 0,
    "verify 1w.mar --ignore name-leading-digit": 0,
    "verify 1w.mar --strict": 1,
    "verify foreign.mar": 1,
    "verify cut.mar": 1,
    "verify damaged.tar.gz": 1,
    "verify no-manifest.mar": 1,
    "verify good.mar --max-size 1": 1,
    "verify \udcff.mar": 1,
    "verify good.mar --ignore unknown-code": 2,
    "verify good.mar --max-size x": 2,
    "extract good.mar --to out": 0,
    "extract good.mar --to out/\udcff": 0,
    "extract flat.tar.gz --to out": 0,
    "extract good.mar --to here": 1,
    "extract cut.mar --to out": 1,
    "extract good.mar --unknown": 2,
    "diff good.mar good.tar.gz": 0,
    "diff good.mar other.mar": 1,
    "diff other.mar good.mar": 1,
    "diff good.mar plain.mar": 1,
    "diff good.mar cut.mar": 2,
    "diff good.mar": 2,
    "test good.mar --python here": 1,
    "test good.mar --python false.sh": 1,
    "test cut.mar": 1,
    "test absent.mar": 1,
    "test good.mar --input absent.json": 1,
    "test good.mar --tolerance x": 2,
    "inspcet good.mar": 2,
    "\udcff": 2,
    "package": 2,
}


@pytest.fixture
def archives(model: Path, run: Command) -> None:
    """Archives of every kind in the working directory, and files whose names are not UTF-8 where it takes them."""
    Path("here").mkdir()
    Path("here/handler.py").write_text("def handle(data, context):\n    return data\n")
    Path("broken.py").write_text("def handle(data):\n    return undefined\n")
    Path("cases.json").write_text('[{"body": 1, "expected": 1}]')
    defaults = "defaults: {handler: handler.py, export-path: out}\n"
    names = ("broken, handler: broken.py", "new", "1w", "absent, handler: absent.py")
    models = "".join(f"- {{model-name: {name}}}\n" for name in names)
    Path("models.yaml").write_text(f"{defaults}models:\n{models}")
    Path("false.sh").write_text("#!/bin/sh\nexit 1\n")
    Path("false.sh").chmod(0o755)
    for archive_format in ("default", "tgz", "no-archive"):
        _package(run, "good", "--archive-format", archive_format)
    _package(run, "good", "--extra-files", "model.pt,model.py", "--export-path", "more", "--version", "2.0")
    Path("more/good.mar").rename("other.mar")
    _package(run, "1w")
    _package(run, "good", "--target", "sagemaker", "--export-path", "platform")
    Path("platform/model.tar.gz").rename("flat.tar.gz")
    mar(path="plain.mar")
    mar(*HONEST, Raw(b"\xff.py", b"x"), Raw(b"two\nlines", b"x", crc32=0), path="foreign.mar")
    mar(HONEST[0], path="no-manifest.mar")
    tgz(tar_bytes({"m/link": special("m/link", b"2", "\udcff"), "m/\udcff": b"x"}), path="damaged.tar.gz")
    Path("cut.mar").write_bytes(output("good").read_bytes()[:-30])
    with suppress(OSError):
        Path("\udcff.txt").write_text("x")


def _package(run: Command, name: str, *words: str) -> None:
    result = run("--model-name", name, "--handler", "handler.py", *words)
    assert result.status == 0, result.err


@pytest.mark.parametrize("line", COMMAND_LINES)
def test_a_document_is_as_the_schema_says(archives: None, run: Command, line: str) -> None:
    result = run(*shlex.split(line), "--json")
    assert result.status == COMMAND_LINES[line], result.err
    found = document(result)
    accepted = [label for label, wrong in wrong_documents(found) if VALIDATOR.is_valid(wrong)]
    assert accepted == []


@pytest.mark.parametrize(("failure", "status"), [(KeyboardInterrupt, 130), (ZeroDivisionError, 1)])
def test_a_document_of_a_command_that_was_stopped_is_as_the_schema_says(
    work: Path, run: Command, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException], status: int
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr("model_archiver.commands.inspect.verify", stopped)
    assert document(run("verify", mar(), "--json"))["status"] == status


def test_a_test_without_a_chosen_interpreter_is_as_the_schema_says(archives: None, run: Command) -> None:
    trial = document(run("test", "good.mar", "--json"))["trial"]  # with or without a server, as these tests have
    assert set(trial) == set(SCHEMA["$defs"]["trial"]["required"])


# What the schema rejects


def package_document(run: Command) -> dict[str, Any]:
    return document(run("--model-name", "m", "--handler", "handler.py", "-f", "--json"))


HEAD = {"schema": 2, "command": "package", "status": 1, "problems": []}
ERROR = {"level": "error", "code": "a-b", "message": "x", "hint": "", "path": "", "line": None}


@pytest.mark.parametrize(
    "change",
    [
        {"status": 1},
        {"status": 3},
        {"schema": 1},
        {"command": "inspcet"},
        {"command": "inspect", "sidecars": ["x"]},
        {"command": "verify"},
        {"command": "extract"},
        {"command": "diff"},
        {"command": "test"},
        {"problems": [ERROR]},
        {"problems": [{**ERROR, "level": "warning", "line": 0}]},
        {"problems": [{**ERROR, "level": "note"}]},
        {"format": "zip"},
        {"size": -1},
        {"digest": "sha256:0"},
        {"checksums_compared": 1},
        {"ignored": 0},
        {"layout": "kserve"},
    ],
)
def test_a_document_with_one_wrong_value_is_rejected(model: Path, run: Command, change: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid({**package_document(run), **change})


@pytest.mark.parametrize(
    ("change", "status"),
    [({"same": False}, 0), ({"same": True}, 1), ({}, 2), ({"files": [{}]}, 1), ({"problems": [ERROR]}, 1)],
)
def test_a_difference_agrees_with_its_status(archives: None, run: Command, change: dict[str, Any], status: int) -> None:
    found = document(run("diff", "good.mar", "good.tar.gz" if status == 0 else "other.mar", "--json"))
    assert not VALIDATOR.is_valid({**found, "status": status, **change})


def test_the_sides_of_a_changed_file_agree_with_the_change(archives: None, run: Command) -> None:
    found = document(run("diff", "good.mar", "other.mar", "--json"))
    assert [change["change"] for change in found["files"]] == ["added", "added"]
    for change in ("removed", "changed"):
        assert not VALIDATOR.is_valid({**found, "files": [{**found["files"][0], "change": change}]})


# Documents that no command prints alone


def several(run: Command) -> dict[str, Any]:
    """The document of `verify` with several archives."""
    return document(run("verify", "good.mar", "1w.mar", "cut.mar", "flat.tar.gz", "absent.mar", "--json"))


def test_several_archives_have_a_report_each(archives: None, run: Command) -> None:
    found = several(run)
    assert list(VALIDATOR.iter_errors(found)) == []
    accepted = [label for label, wrong in wrong_documents(found) if VALIDATOR.is_valid(wrong)]
    assert accepted == []
    [_, warned, *_, absent] = found["archives"]
    for wrong in (
        {**found, "status": 0},  # one failed
        {**found, "archives": found["archives"][:2]},  # none failed
        {**found, "archives": [absent]},
        {**found, "archives": [{**absent, "status": 0}, absent]},
        {**found, "archives": [{**warned, "status": 2}, absent]},
        {**found, "archives": [{**warned, "problems": [ERROR]}, absent]},
        {**found, "archive": "x"},
        {**found, "command": "inspect"},
    ):
        assert not VALIDATOR.is_valid(wrong)


CODE = {"code": "a-b", "level": "both", "meaning": "x", "explanation": "x", "fix": "x", "example": "x"}


@pytest.mark.parametrize(
    ("command", "fields"),
    [
        ("version", {"version": "1.0.0"}),
        ("explain", {"codes": [CODE]}),
        ("help", {"text": "usage: ..."}),
        ("completion", {"text": "# a script"}),
    ],
)
def test_the_small_documents_have_their_one_field(command: str, fields: dict[str, Any]) -> None:
    done = {**HEAD, "command": command, "status": 0, **fields}
    assert VALIDATOR.is_valid(done)
    assert [label for label, wrong in wrong_documents(done) if VALIDATOR.is_valid(wrong)] == []
    others = {"version", "explain", "help", "completion", "build", "verify", "package", "unknown"} - {command}
    accepted = {other for other in others if VALIDATOR.is_valid({**done, "command": other})}
    assert accepted == (others & {"help", "completion"} if "text" in fields else set())
    for status in (1, 2):
        assert VALIDATOR.is_valid({**HEAD, "command": command, "status": status, "problems": [ERROR]})
        assert not VALIDATOR.is_valid({**done, "status": status})


# The schema as documentation


def described(schema: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every field of the schema, by its name, but not the conditions that only narrow one."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
    conditions = {"if", "else", "contains"}
    for name, inner in schema.items() if isinstance(schema, dict) else enumerate(schema):
        if isinstance(inner, (dict, list)) and name not in conditions:
            yield from described(inner)


def test_every_field_is_described() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    fields = [
        (name, field) for name, field in described(SCHEMA) if not field.keys() <= {"const", "enum", "items", "type"}
    ]
    assert len(fields) > 60
    for name, field in fields:
        text = SCHEMA["$defs"][field["$ref"].rpartition("/")[2]] if "$ref" in field else field
        assert text.get("description", "").endswith("."), name


def test_every_command_has_its_documents() -> None:
    conditions = [each["if"]["properties"]["command"] for each in SCHEMA["allOf"] if "if" in each]
    commands = {condition["const"] for condition in conditions if "const" in condition}
    assert commands >= {"package", *COMMANDS}
    assert [set(condition["enum"]) for condition in conditions if "enum" in condition] == [commands]
