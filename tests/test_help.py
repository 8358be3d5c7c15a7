"""What helps a new user: the help of everything on one screen, and the commands that only print a text."""

from __future__ import annotations

import json
import re
import shlex
from contextlib import suppress
from pathlib import Path

import pytest

from model_archiver.cli.command_parser import command_parser
from model_archiver.cli.parser import mms_parser, torch_parser
from model_archiver.commands import COMMANDS
from tests.conftest import Command

PROGRAMS = {"torch-model-archiver": torch_parser, "model-archiver": mms_parser}
FLAG = re.compile(r"(?<![\w-])--?[a-z][a-z-]*")


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")


def assert_fits_a_screen(text: str) -> None:
    lines = text.splitlines()
    assert len(lines) <= 40, len(lines)
    assert max(map(len, lines)) <= 80, max(lines, key=len)


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_the_help_is_one_screen(request, run: Command, run_mms: Command, name: str, words: list[str]) -> None:
    result = (run if name == "torch-model-archiver" else run_mms)(*words)
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"usage: {name} --model-name NAME ")
    assert_fits_a_screen(result.out)
    assert result.out.count(f"\n  {name} ") == 3  # examples
    assert result.out.splitlines()[-1] == f"All flags: {name} help --all"


@pytest.mark.parametrize("name", PROGRAMS)
def test_no_arguments_print_the_help_on_stderr(run: Command, run_mms: Command, name: str) -> None:
    command = run if name == "torch-model-archiver" else run_mms
    result = command()
    assert (result.status, result.out) == (2, "")
    assert result.err == command("--help").out


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_short_help_says_nothing_that_the_parser_does_not_know(name: str) -> None:
    parser = PROGRAMS[name]()
    flags = {flag: action for action in parser._actions for flag in action.option_strings}
    table = parser.format_help().partition("\n\nexamples:")[0]
    named = [line.split("  ")[1] for line in table.splitlines() if line.startswith("  -")]
    assert len(named) >= 10
    for text in named:
        *short, (long, *metavar) = [piece.split() for piece in text.split(", ")]
        assert flags[long].metavar == (metavar[0] if metavar else None) or metavar == ["HANDLER"]
        assert all(flags[piece[0]] is flags[long] for piece in short)
    required = {action.option_strings[-1] for action in parser._actions if action.required}
    assert all(f"{flag} " in parser.format_usage() for flag in required)
    assert set(re.findall(r"^  ([a-z]+)(?=  | ?,)", table, re.MULTILINE)) | {"help", "version"} == set(COMMANDS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_whole_help_has_every_flag_and_no_retired_one(run: Command, run_mms: Command, name: str) -> None:
    shown = (run if name == "torch-model-archiver" else run_mms)("help", "--all").out
    flags = {flag for action in PROGRAMS[name]()._actions for flag in action.option_strings}
    assert set(FLAG.findall(shown)) >= flags - {"--convert", "-c"}
    assert "--convert" not in shown
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(
    ("flag", "choices"),
    [
        ("--archive-format", ["default", "zip-store", "tgz", "no-archive"]),
        ("--runtime", ["python2", "python3", "LSP"]),
        ("--target", ["torchserve", "kserve", "vertex", "sagemaker"]),
    ],
)
def test_the_help_of_a_flag_lists_its_choices_once(run: Command, flag: str, choices: list[str]) -> None:
    shown = run("help", "--all").out
    [text] = re.findall(rf"^  {flag} .*?(?=^  -|^\w|\Z)", shown, re.MULTILINE | re.DOTALL)
    text = re.sub(r"\(default: \w+\)", "", text)
    assert [len(re.findall(rf"\b{choice}(?=[:,;. \n(])", text)) for choice in choices] == [1] * len(choices)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_on_one_screen_with_an_example(run: Command, run_mms: Command, command: str) -> None:
    result = run(command, "--help")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith(f"usage: torch-model-archiver {command} ")
    assert_fits_a_screen(result.out)
    assert f"torch-model-archiver {command}" in result.out.partition("\nexample")[2]
    assert run("help", command).out == result.out
    assert f" model-archiver {command}" in run_mms("help", command).out.replace('"$(', " ")


def test_the_help_of_an_unknown_command_is_a_usage_error(run: Command) -> None:
    result = run("help", "inspct")
    assert (result.status, result.out) == (2, "")
    assert result.errors == ["unknown command inspct; did you mean inspect? [command-unknown]"]


@pytest.mark.parametrize("words", [["version"], ["--version"], ["-v"], ["--tool-version"]])
def test_the_version_of_the_tool(run: Command, run_mms: Command, words: list[str]) -> None:
    for command, name in ((run, "torch-model-archiver"), (run_mms, "model-archiver")):
        result = command(*words)
        assert (result.status, result.err) == (0, "")
        assert re.fullmatch(rf"{name} \d+\.\d+\.\d+\n", result.out)


@pytest.mark.parametrize("words", [["--version", "--model-name", "m"], ["--model-name", "m", "-v"]])
def test_version_beside_other_flags_needs_a_value(work: Path, run: Command, words: list[str]) -> None:
    result = run(*words)
    assert (result.status, result.out) == (2, "")
    assert "--version: expected one argument" in result.errors[0]


def test_both_programs_take_v_as_the_models_version(model: Path, run_mms: Command) -> None:
    Path("d").mkdir()
    Path("handler.py").rename("d/service.py")
    words = ["--model-name", "m", "--model-path", "d", "--handler", "service:handle", "-v", "2.5", "--json"]
    assert json.loads(run_mms(*words).out)["manifest"]["model"]["modelVersion"] == "2.5"


@pytest.mark.parametrize("words", [["version"], ["help"], ["help", "diff"], ["help", "--all"]])
def test_texts_are_there_as_json_too(run: Command, words: list[str]) -> None:
    document = json.loads(run(*words, "--json").out)
    assert (document["schema"], document["command"], document["status"]) == (2, words[0], 0)
    text = run(*words).out
    assert document.get("text", document.get("version")) in text


EXAMPLES = {
    f"{name} {command}".strip(): text.partition("\nexample")[2].partition("\n\n")[0].partition(":\n")[2]
    for name, parser in PROGRAMS.items()
    for command, text in {
        "": parser().format_help(),
        **{command: command_parser(name, command).format_help() for command in COMMANDS},
    }.items()
}


@pytest.mark.parametrize("call", EXAMPLES)
def test_the_examples_of_the_help_are_command_lines_that_the_parser_takes(call: str) -> None:
    lines = EXAMPLES[call].replace("\\\n", "").splitlines()
    assert lines
    for line in lines:
        name, *words = shlex.split(re.sub(r".*\$\((.*)\)\"|^(.*) \| source", r"\1\2", line))
        parser = PROGRAMS[name]() if words[0].startswith("-") else command_parser(name, words.pop(0))
        with suppress(SystemExit):  # --example prints a file
            parser.parse_args(words)
