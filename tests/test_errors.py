"""How mistakes are reported: all of them, a line each, before a byte is written."""

from __future__ import annotations

import json
import logging
from collections import Counter
from pathlib import Path

import pytest

from model_archiver import ModelArchiverError
from model_archiver.core.problems import MissingInputError, Problem, error_of, printable
from model_archiver.core.text import did_you_mean, human_size
from tests.conftest import Command
from tests.packing import MODEL, make, refused


def test_all_mistakes_are_reported_at_once(model, run: Command) -> None:
    Path("store").write_text("a file")
    Path("gone.txt").symlink_to("nowhere")
    words = [
        *("--export-path", "store", "--model-file", "modl.py", "--serialized-file", ".", "--version", "a/b"),
        *("--handler", "image_clasifier", "--extra-files", "gone.txt,none.json", "-r", "requirements.txt"),
        *("--include", "helpers", "--link"),
    ]
    errors = refused(run, *words, name="m..")
    assert all("; " in error for error in errors)  # each says what to do
    codes = Counter(error.rpartition("[")[2].rstrip("]") for error in errors)
    once = ("name-invalid", "export-path-invalid", "file-is-folder", "version-unservable", "link-dangling")
    assert codes == {**dict.fromkeys(once, 1), "link-impossible": 1, "file-missing": 5}


def test_warnings_are_reported_with_the_errors(model, run: Command) -> None:
    result = run(
        "--model-name", "1m", "--handler", "vllm_handler", "--model-file", "none.py", "--extra-files", "*.nothing"
    )
    assert result.status == 1
    assert len(result.errors) == 1
    assert len(result.warnings) == 2


def test_one_mistake_is_reported_once(work, run: Command) -> None:
    assert len(refused(run, "--extra-files", "none.txt,none.txt", "--extra-files", "none.txt")) == 1


def test_a_missing_file_that_several_flags_name_is_reported_for_each(work, run: Command) -> None:
    errors = refused(run, "--model-file", "none.py", "--config-file", "none.py")
    assert [error.partition(";")[0] for error in errors] == [
        "none.py: no such file or folder (--model-file)",
        "none.py: no such file or folder (--config-file)",
    ]


def test_a_mistake_in_the_middle_of_a_large_tree_does_not_hide_others(work, run: Command) -> None:
    for name in ("a", "b", "c"):
        make(f"d/{name}/bad\\name")
        Path("d", name, "gone").symlink_to("nowhere")
    assert len(refused(run, "--extra-files", "d")) == 6


def test_control_characters_never_reach_the_terminal(work, run: Command) -> None:
    words = ["--model-file", "\x1b[31mred.py", "--extra-files", "a\nb\rc", "--version=\x1b]0;x\x07"]
    result = run("--model-name", "m\x1b", "--handler", "vllm_handler", *words)
    assert result.status == 1
    assert len(result.lines) == len(result.errors) == 4
    assert not any(character in result.err for character in "\x1b\x07\r")


def test_the_log_is_left_as_it_was(model, run: Command) -> None:
    log = logging.getLogger("model_archiver")
    before = (log.level, log.propagate, list(log.handlers))
    run("--model-name", "1m", "--handler", "vllm_handler")
    run(*MODEL, "--model-file", "none.py")
    assert (log.level, log.propagate, list(log.handlers)) == before


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is still there, where the working directory is not."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    return tmp_path


def test_a_build_needs_no_working_directory_where_all_paths_are_absolute(nowhere: Path, run: Command) -> None:
    result = run(*MODEL, "--export-path", nowhere)
    assert (result.status, result.errors) == (0, [])
    assert f"wrote {nowhere / 'm.mar'} (0 files, " in result.err
    assert run("--model-name", "n", "--handler", "vllm_handler", "--export-path", nowhere, "--dry-run").status == 0


def test_a_working_directory_that_is_gone_is_one_line(nowhere: Path, run: Command) -> None:
    result = run(*MODEL)
    assert result.status == 1
    [error] = result.errors
    assert error.startswith("the current folder: no longer exists; ")


@pytest.mark.parametrize("more", [[], ["--no-checks"]])
def test_a_flag_that_is_not_utf_8_is_one_line(model, run: Command, more) -> None:
    for error in (*refused(run, "--version", "\udcff", *more), *refused(run, "--handler", "base\udcff", *more)):
        assert "\\udcff" in error


@pytest.mark.parametrize(
    ("issue", "line"),
    [
        (Problem("error", "code", "it is wrong"), "it is wrong [code]"),
        (Problem("error", "code", "it is wrong", "mend it"), "it is wrong; mend it [code]"),
        (Problem("error", "code", "is wrong", path="a.py"), "a.py: is wrong [code]"),
        (Problem("error", "code", "is wrong", "mend it", "a.py", 3), "a.py:3: is wrong; mend it [code]"),
        (Problem("warning", "code", "two\nlines", path="a\x00"), r"a\x00: two\nlines [code]"),
    ],
)
def test_an_issue_is_one_line(issue: Problem, line: str) -> None:
    assert str(issue) == line


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain ü 日", "plain ü 日"), ("a\tb\x1b", r"a\tb\x1b"), ("\udce9", r"\udce9"), ("\x85\u2029", r"\x85\u2029")],
)
def test_printable_shows_what_no_line_may_hold_as_escapes(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_the_class_of_an_error_says_whether_an_input_is_missing() -> None:
    missing, other = Problem("error", "file-missing", "x"), Problem("error", "name-invalid", "y")
    assert isinstance(error_of([other, missing]), MissingInputError)
    assert type(error_of([other])) is ModelArchiverError
    assert str(ModelArchiverError("only a message")) == "only a message"


def test_suggestions_are_close_words_or_the_other_advice() -> None:
    assert did_you_mean("hadnler", ["handler", "model"], "look") == "did you mean handler?"
    assert did_you_mean("zzz", ["handler", "model"], "look") == "look"


@pytest.mark.parametrize(
    ("size", "said"),
    [
        *((0, "0 bytes"), (1, "1 byte"), (1023, "1023 bytes")),
        *((1024, "1.0 KiB"), (5 << 20, "5.0 MiB"), (3 << 40, "3.0 TiB")),
    ],
)
def test_sizes_are_written_with_units(size: int, said: str) -> None:
    assert human_size(size) == said


def test_json_has_the_parts_of_each_warning(work, run: Command) -> None:
    [issue] = json.loads(run(*MODEL, "--extra-files", "*.nothing", "--json").out)["problems"]
    assert issue == {
        "level": "warning",
        "code": "pattern-unmatched",
        "message": "matches nothing to pack (--extra-files)",
        "hint": "check the pattern and the folder",
        "path": "*.nothing",
        "line": None,
    }
