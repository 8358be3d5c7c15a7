"""``--ignore``: single warnings are not reported, not even as errors of ``--strict``; errors always are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from model_archiver import ModelArchiver, ModelArchiverConfig, ModelArchiverError, verify

if TYPE_CHECKING:
    from tests.conftest import Command

# A name that begins with a digit and a version that a URL must escape: two warnings.
WORDS = ("--model-name", "9m", "--version", "1 0", "--handler", "vllm_handler")
BOTH = "name-leading-digit, version-unservable"


def codes(lines: list[str]) -> list[str]:
    return [line.rpartition("[")[2].rstrip("]") for line in lines]


def test_a_warning_is_ignored_and_counted(work: Path, run: Command) -> None:
    assert codes(run(*WORDS).warnings) == ["name-leading-digit", "version-unservable"]
    result = run(*WORDS, "-f", "--ignore", "name-leading-digit")
    assert (result.status, codes(result.warnings)) == (0, ["version-unservable"])
    assert "torch-model-archiver: note: 1 warning ignored" in result.err.splitlines()
    document = json.loads(run(*WORDS, "-f", "--ignore", BOTH, "--json").out)
    assert (document["problems"], document["ignored"]) == ([], 2)
    assert json.loads(run(*WORDS, "--dry-run", "--ignore", BOTH, "--json").out)["ignored"] == 2
    assert run(*WORDS, "-f", "--ignore", BOTH, "--quiet").err == ""


@pytest.mark.parametrize(
    "flags", [["--ignore", BOTH], ["--ignore=name-leading-digit", "--ignore=,version-unservable,"]]
)
def test_what_is_ignored_is_not_an_error_of_strict(work: Path, run: Command, flags: list[str]) -> None:
    assert run(*WORDS, "--strict").status == 1
    result = run(*WORDS, "--strict", *flags)
    assert (result.status, result.errors) == (0, [])
    assert run("verify", "9m.mar", "--strict").status == 1
    result = run("verify", "9m.mar", "--strict", *flags)
    assert (result.status, result.errors, result.warnings) == (0, [], [])
    assert "note: 2 warnings ignored" in result.err
    assert json.loads(run("verify", "9m.mar", *flags, "--json").out)["ignored"] == 2


def test_errors_are_never_ignored(work: Path, run: Command) -> None:
    words = ("--model-name", "m", "--version", "1/0", "--handler", "vllm_handler", "--ignore", "version-unservable")
    assert codes(run(*words).errors) == ["version-unservable"]  # of which others are warnings
    assert not any(work.iterdir())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("name-leading-digits", "unknown code name-leading-digits; did you mean name-leading-digit?"),
        ("xyz", "unknown code xyz; run torch-model-archiver explain to list all codes"),
        ("file-missing", "file-missing is always an error; only warnings can be ignored"),
    ],
)
def test_a_code_that_is_no_warning_is_invalid_usage(work: Path, run: Command, given: str, said: str) -> None:
    assert run(*WORDS).status == 0
    before = Path("9m.mar").read_bytes()
    for words in ((*WORDS, "-f"), ("verify", "9m.mar"), ("test", "9m.mar")):
        result = run(*words, "--ignore", f"name-leading-digit,{given}")
        assert (result.status, result.errors) == (2, [f"--ignore: {said} [usage-invalid]"])
    assert Path("9m.mar").read_bytes() == before


def test_python_ignores_too(work: Path) -> None:
    fields = {"handler": "vllm_handler", "strict": True}
    with pytest.raises(ModelArchiverError, match="name-leading-digit"):
        ModelArchiver.generate_model_archive(ModelArchiverConfig("9m", **fields))
    ModelArchiver.generate_model_archive(ModelArchiverConfig("9m", **fields, ignore=["name-leading-digit"]))
    assert verify("9m.mar", strict=True, ignore="name-leading-digit").ignored == 1
    assert [problem.level for problem in verify("9m.mar", strict=True).problems] == ["error"]


def test_a_flag_that_is_repeated_can_be_ignored(work: Path, run: Command) -> None:
    words = ("--model-name", "m", "--model-name", "n", "--handler", "vllm_handler", "--strict")
    assert codes(run(*words).errors) == ["flag-repeated"]
    assert run(*words, "--ignore", "flag-repeated").status == 0
    assert Path("n.mar").is_file()
