"""How the commands are found: flags first mean packaging, a first word means a command."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import pytest

from model_archiver.cli import main
from model_archiver.cli.command_parser import command_parser
from model_archiver.cli.parser import torch_parser
from model_archiver.commands import COMMANDS
from tests.conftest import Command
from tests.foreign import HONEST, Raw, mar


def test_both_programs_have_the_commands(work, run: Command, run_mms: Command) -> None:
    archive = mar()
    assert run_mms("inspect", archive).out == run("inspect", archive).out
    assert run_mms("verify", archive).status == 0
    assert run_mms("verify", "gone.mar").err.startswith("model-archiver: error: ")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["inspct", "m.mar"], "did you mean inspect?"),
        (["m.mar"], "did you mean torch-model-archiver inspect m.mar?"),
        (["store/a b.tar.gz"], "did you mean torch-model-archiver inspect 'store/a b.tar.gz'?"),
        (["folder"], "did you mean torch-model-archiver inspect folder?"),
        (["M.MAR"], "did you mean torch-model-archiver inspect M.MAR?"),
        (["m.mar", "n.mar"], "see torch-model-archiver --help"),
        (["*.mar"], "see torch-model-archiver --help"),
        (["package"], "see torch-model-archiver --help"),
        (["package", "--model-name", "m"], "see torch-model-archiver --help"),
        (["model.pt"], "see torch-model-archiver --help"),
        (["xyzzy"], "see torch-model-archiver --help"),
    ],
)
def test_a_mistyped_command_is_answered_with_what_was_likely_meant(work, run: Command, words, hint: str) -> None:
    Path("folder/MAR-INF").mkdir(parents=True)
    Path("model.pt").write_bytes(b"x")
    result = run(*words)
    assert (result.status, result.out) == (2, "")
    assert result.errors == [f"unknown command {words[0]}; {hint} [command-unknown]"]
    assert result.err.splitlines()[1:] == ["usage: torch-model-archiver COMMAND [flags]"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["inspect"], "the following arguments are required: ARCHIVE"),
        (["diff", "a"], "the following arguments are required: B"),
        (["inspect", "a", "b"], "unrecognized arguments: b"),
        (["verify"], "the following arguments are required: ARCHIVE"),
        (["completion", "tcsh"], "argument SHELL: 'tcsh' is not a shell; choose bash, zsh or fish"),
        (["completion", ""], "argument SHELL: '' is not a shell; choose bash, zsh or fish"),
        (["verify", "a", "--strikt"], "unknown flag --strikt; did you mean --strict?"),
        (["inspect", ""], "argument ARCHIVE: '' is not an archive; name a .mar"),
        (["inspect", "a", "--max-size", ""], "argument --max-size: '' is not a size"),
        (["inspect", "a", "-f"], "unrecognized arguments: -f"),
    ],
)
def test_an_invalid_command_line_is_an_error(run: Command, words: list[str], said: str) -> None:
    result = run(*words)
    assert (result.status, result.out) == (2, "")
    assert result.errors[0].startswith(said)
    assert len(result.errors) == 1
    assert result.err.splitlines()[1].startswith(f"usage: torch-model-archiver {words[0]} ")


@pytest.mark.parametrize("word", ["", " "])
def test_an_empty_command_is_quoted(run: Command, word: str) -> None:
    assert run(word).errors == [f"unknown command {word!r}; see torch-model-archiver --help [command-unknown]"]


@pytest.mark.parametrize("flag", ["--j", "--js", "--jso", "--json", "--output-format=json", "--out=json", "--o=json"])
def test_a_usage_error_is_printed_as_json_though_the_flag_is_abbreviated(run: Command, flag: str) -> None:
    result = run("verify", flag)
    assert (result.status, json.loads(result.out)["status"]) == (2, 2)
    if flag != "--j":  # with packaging, it may be --jobs
        assert json.loads(run(flag, "--bogus").out)["status"] == 2


def test_flags_first_mean_packaging_though_a_value_is_a_command(model, run: Command) -> None:
    assert run("--model-name", "inspect", "--handler", "handler.py").status == 0
    assert run("inspect", "inspect.mar").status == 0


def test_the_commands_have_the_flags_that_are_promised() -> None:
    shared = {"--help", "--json", "--quiet", "--debug"}
    packaging = {flag for action in torch_parser()._actions for flag in action.option_strings}
    reading, checking = shared | {"--max-size"}, {"--ignore", "--output-format"}
    flags = {
        name: {
            flag for action in command_parser("torch-model-archiver", name)._actions for flag in action.option_strings
        }
        - {"-h"}
        for name in COMMANDS
    }
    assert flags == {
        "inspect": reading,
        "verify": reading | checking | {"--strict"},
        "extract": reading | {"--to", "-f", "--force"},
        "diff": reading,
        "test": reading
        | checking
        | {"--input", "--form", "--content-type", "--expect", "--tolerance", "--cases", "--python", "--batch-size"}
        | {"--timeout", "--device", "--envelope", "--install-requirements", "--log"},
        "build": packaging - {"-h", "--tool-version"}
        | {"--root", "--if-changed", "--keep-going", "--dask", "--example"},
        "explain": shared,
        "completion": shared,
        "help": shared | {"--all"},
        "version": shared,
    }


def test_an_internal_error_is_one_line_and_shown_by_debug(work, run: Command, monkeypatch) -> None:
    def broken(*_: object) -> int:
        raise ZeroDivisionError("by nought")

    monkeypatch.setattr("model_archiver.cli.outcomes.verify", broken)
    result = run("verify", "m.mar")
    assert result.status == 1
    assert result.errors == [
        "internal error: ZeroDivisionError: by nought; run it again with --debug to see where; please report it"
    ]
    assert "Traceback" in run("verify", "m.mar", "--debug").err


@pytest.mark.parametrize(
    ("failure", "status", "said"),
    [(ZeroDivisionError, 1, "internal error: ZeroDivisionError"), (KeyboardInterrupt, 130, "interrupted")],
)
def test_json_is_a_document_even_after_an_internal_error_or_a_signal(
    work, run: Command, monkeypatch, failure, status, said
):
    def broken(*_: object) -> int:
        raise failure

    monkeypatch.setattr("model_archiver.cli.outcomes.verify", broken)
    result = run("verify", "m.mar", "--json")
    document = json.loads(result.out)
    [problem] = document["problems"]
    assert (result.status, document["status"], problem["level"], problem["code"]) == (status, status, "error", None)
    assert problem["message"].startswith(said)


def test_a_command_leaves_the_garbage_collector_as_it_was(monkeypatch) -> None:
    monkeypatch.setattr("sys.argv", ["torch-model-archiver", "--tool-version"])
    assert main() == 0
    assert gc.isenabled()


def test_quiet_leaves_what_is_wrong_and_no_verdict(work, run: Command) -> None:
    assert run("verify", mar(), "--quiet").out == ""
    result = run("verify", mar(tail=b"x"), "--quiet")
    assert (result.status, result.out) == (1, "")
    assert [error.rpartition(" ")[2] for error in result.errors] == ["[archive-trailing]"]


def test_characters_that_reorder_a_line_are_shown_as_escapes(work, run: Command) -> None:
    archive = mar(Raw("a\u202egnp.py".encode(), b"x"), Raw("b\u200b".encode(), b"x"), *HONEST)
    shown = run("inspect", archive).out
    assert "a\\u202egnp.py" in shown
    assert "b\\u200b" in shown


@pytest.mark.parametrize("command", ["inspect", "verify", "extract"])
def test_a_failed_command_prints_its_json_document_too(work, run: Command, command: str) -> None:
    Path("m.mar").write_text("not an archive")
    result = run(command, "m.mar", "--json")
    document = json.loads(result.out)
    assert [problem.pop("code") for problem in document["problems"]] == ["archive-unknown"]
    assert list(document["problems"][0]) == ["level", "message", "hint", "path", "line"]
    assert {**document, "problems": []} == {"schema": 2, "command": command, "status": 1, "problems": []}
    assert [error.rpartition(" ")[2] for error in result.errors] == ["[archive-unknown]"]


def test_diff_shows_warnings_too(work, run: Command) -> None:
    twice = mar(Raw(b"x", b"one"), Raw(b"x", b"two"), *HONEST)
    result = run("diff", twice, twice)
    assert result.status == 0
    assert {warning.partition(";")[0] for warning in result.warnings} == {
        "x: appears twice, and servers use the last one"
    }
