"""``explain``: what a code means; and the line after an error that names it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.examples import table
from tests.foreign import HONEST, Raw, mar
from tests.packing import MODEL, make

CODES = table()["codes"]


@pytest.mark.parametrize("code", CODES)
def test_a_code_is_explained_with_an_example_and_what_to_do(run: Command, code: str) -> None:
    result = run("explain", code)
    assert (result.status, result.err) == (0, "")
    words = " ".join(result.out.split())
    entry = CODES[code]
    for text in (entry["meaning"], entry["explanation"], f"What to do: {entry['fix']}"):
        assert " ".join(text.split()) in words
    assert result.out.startswith(f"{code} ({'error or warning' if entry['level'] == 'both' else entry['level']})\n")
    assert all(f"  {line}\n" in result.out for line in entry["example"]["run"].splitlines())
    prose = result.out.partition("\nExample:\n")[0]
    assert all(len(line) <= 80 for line in prose.splitlines())


def test_the_code_may_stand_in_its_brackets(run: Command) -> None:
    assert run("explain", "[file-missing]").out == run("explain", "file-missing").out


def test_without_a_code_all_are_listed(run: Command, run_mms: Command) -> None:
    result = run("explain")
    assert (result.status, result.err) == (0, "")
    listed = dict(line.split(maxsplit=1) for line in result.out.splitlines())
    assert listed == {code: entry["meaning"] for code, entry in CODES.items()}
    assert run_mms("explain").out == result.out


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        ("handlr-entry", "did you mean handler-entry?"),
        ("File-Missing", "did you mean file-missing?"),
        ("xyzzy", "run torch-model-archiver explain to list all codes"),
    ],
)
def test_an_unknown_code_is_answered_with_the_nearest_one_or_none(run: Command, code: str, hint: str) -> None:
    result = run("explain", code)
    assert (result.status, result.out) == (2, "")
    assert result.errors == [f"unknown code {code}; {hint} [usage-invalid]"]
    assert result.err.splitlines()[-1] == "usage: torch-model-archiver explain [CODE] [flags]"


def test_explain_as_json(run: Command) -> None:
    [entry] = json.loads(run("explain", "file-missing", "--json").out)["codes"]
    assert entry["meaning"] == CODES["file-missing"]["meaning"]
    assert [each["code"] for each in json.loads(run("explain", "--json").out)["codes"]] == list(CODES)


def last_line(result) -> str:
    return result.err.splitlines()[-1]


def test_after_an_error_the_last_line_names_explain(model: Path, run: Command, run_mms: Command) -> None:
    make("other.py", text="def handle(data):\n    return data\n")
    result = run("--model-name", "m", "--handler", "other.py")
    assert result.errors[0].endswith("[handler-entry]")
    command = last_line(result).partition("run torch-model-archiver ")[2]
    assert command == "explain handler-entry"
    assert run(*command.split()).status == 0
    Path("m.mar").write_bytes(b"x")
    for program, name in ((run, "torch-model-archiver"), (run_mms, "model-archiver")):
        line = last_line(program("verify", "m.mar"))
        assert line == f"{name}: note: to learn more, run {name} explain archive-unknown"


def test_it_names_the_code_of_an_error_and_not_of_a_warning(work: Path, run: Command) -> None:
    result = run(*MODEL, "--runtime", "python2", "--extra-files", "gone")
    assert "[runtime-unserved]" in result.warnings[0]
    assert last_line(result).endswith("explain file-missing")
    strict = run(*MODEL, "--runtime", "python2", "--strict")
    assert last_line(strict).endswith("explain runtime-unserved")


@pytest.mark.parametrize(
    "words",
    [
        [*MODEL, "--quiet", "--extra-files", "gone"],  # it hides the line
        [*MODEL, "--extra-flies", "gone"],  # a usage error
        ["verify"],
        ["diff", "ok.mar", "twice.mar"],  # they differ
        ["inspect", "warned.mar"],  # OK
    ],
)
def test_otherwise_there_is_no_such_line(work: Path, run: Command, words: list[str]) -> None:
    mar(*HONEST).rename("ok.mar")
    mar(Raw(b"x", b"1"), *HONEST).rename("twice.mar")
    mar(Raw(b"x", b"1"), Raw(b"x", b"2"), *HONEST).rename("warned.mar")
    assert "explain" not in run(*words).err


def test_an_error_without_a_code_has_no_such_line(work: Path, run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr("model_archiver.cli.outcomes.verify", broken)
    result = run("verify", "m.mar", "--json")
    assert result.status == 1
    assert "explain" not in result.err
    [problem] = json.loads(result.out)["problems"]
    assert (problem["level"], problem["code"]) == ("error", None)
    assert problem["message"].startswith("internal error: ZeroDivisionError")
