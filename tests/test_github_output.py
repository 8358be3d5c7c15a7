"""Problems as workflow commands of GitHub Actions."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from model_archiver import ModelArchiver, ModelArchiverConfig, ModelArchiverError, try_archive, verify
from model_archiver.cli.github_output import workflow_command
from model_archiver.core.problems import Problem, printable
from tests.archives import MANIFEST, SUMS
from tests.conftest import Command
from tests.foreign import HANDLER, HONEST, Raw, mar

BROKEN_HANDLER = "def handle(data):\n    return data\n"


@pytest.fixture(autouse=True)
def _outside_a_workspace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)


def parsed(output: str) -> list[tuple[str, dict[str, str], str]]:
    """The level, the properties and the message of each command, read as GitHub's runner reads them."""
    found = []
    for line in output.split("\n") if output else ():
        head, _, data = line[2:].partition("::")
        level, _, rest = head.partition(" ")
        properties = dict(pair.split("=", 1) for pair in rest.split(","))
        assert list(properties) == [name for name in ("file", "line", "title") if name in properties]
        found.append((level, {name: _unescaped(value) for name, value in properties.items()}, _unescaped(data)))
    return found


def _unescaped(text: str) -> str:
    for escape, character in {"%0D": "\r", "%0A": "\n", "%3A": ":", "%2C": ",", "%25": "%"}.items():
        text = text.replace(escape, character)
    return text


def packaging(**fields: object) -> Sequence[Problem]:
    """The problems of a build that is refused."""
    with pytest.raises(ModelArchiverError) as failed:
        ModelArchiver.generate_model_archive(
            ModelArchiverConfig(**{"model_name": "m", "handler": "handler.py", **fields})
        )
    return failed.value.problems


def problems_of(command: Callable[..., Any], archive: Path, **words: object) -> Sequence[Problem]:
    """What a command says of an archive, whether it can be read or not."""
    try:
        return command(archive, **words).problems
    except ModelArchiverError as failure:
        return failure.problems


def workflow_commands(problems: Sequence[Problem], archive: Path | None = None, own_files: Sequence[str] = ()) -> str:
    return "\n".join(workflow_command(problem, archive, own_files) for problem in problems)


def places(problems: Sequence[Problem], **words: object) -> list[tuple[str | None, str | None, str]]:
    """The file and the line of each problem, and what its message begins with."""
    commands = parsed(workflow_commands(problems, **words))
    return [(head.get("file"), head.get("line"), text.partition(": ")[0]) for _, head, text in commands]


# Of packaging


def test_a_command_prints_its_problems_and_nothing_else_on_stdout(model: Path, run: Command) -> None:
    Path("bad.py").write_text(BROKEN_HANDLER)
    words = ["--model-name", "1m", "--handler", "bad.py", "--extra-files", "*.nothing"]
    plain = run(*words)
    result = run(*words, "--output-format", "github")
    assert (result.status, result.err) == (plain.status, plain.err)
    commands = parsed(result.out.removesuffix("\n"))
    assert [head["title"] for _, head, _ in commands] == [
        line.split("[")[-1][:-1] for line in plain.err.splitlines()[:-1]
    ]
    assert [level for level, _, _ in commands] == ["warning", "warning", "error"]
    assert {"file": "bad.py", "line": "1", "title": "handler-entry"} in [head for _, head, _ in commands]


@pytest.mark.parametrize("words", [["--dry-run"], [], ["-f", "--archive-format", "tgz"]])
def test_without_problems_nothing_is_printed(model: Path, run: Command, words: list[str]) -> None:
    result = run("--model-name", "m", "--handler", "handler.py", *words, "--output-format=github")
    assert (result.status, result.out) == (0, "")
    if "--dry-run" not in words:
        verified = run("verify", f"m{'.tar.gz' if words else '.mar'}", "--output-format", "github")
        assert (verified.status, verified.out, verified.err) == (0, "", "")


@pytest.mark.parametrize("flag", [["--output-format", "github"], ["--output-format=github"], ["--output-f", "github"]])
def test_a_usage_error_is_an_annotation_too(work: Path, run: Command, flag: list[str]) -> None:
    result = run("--handler", "h.py", *flag)
    [(level, head, text)] = parsed(result.out.removesuffix("\n"))
    assert (result.status, level, head) == (2, "error", {"title": "usage-invalid"})
    assert text.startswith("the following arguments are required: --model-name; ")
    assert parsed(run("verify", *flag).out.removesuffix("\n"))[0][1] == {"title": "usage-invalid"}


def test_an_error_without_a_code_is_an_annotation_too(work: Path, run: Command, monkeypatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("model_archiver.cli.outcomes.verify", broken)
    result = run("verify", "m.mar", "--output-format", "github")
    [(level, head, text)] = parsed(result.out.removesuffix("\n"))
    assert (result.status, level, head) == (1, "error", {"title": "error"})
    assert text.startswith("internal error: ZeroDivisionError")


def test_of_several_archives_each_problem_names_its_own(model: Path, run: Command) -> None:
    Path("handler.py").write_text(BROKEN_HANDLER)
    for name in ("one", "two"):
        assert run("--model-name", name, "--handler", "handler.py", "--no-checks").status == 0
    result = run("verify", "one.mar", "two.mar", "gone.mar", "--output-format", "github")
    commands = parsed(result.out.removesuffix("\n"))
    assert [head["file"] for _, head, _ in commands] == ["one.mar", "two.mar", "gone.mar"]
    assert [text.partition(": ")[0] for _, _, text in commands[:2]] == ["handler.py:1"] * 2


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--json", "--output-format", "json"], 0),
        (["--output-format", ""], 0),
        (["--json", "--output-format", "github"], 2),
        (["--output-format", "text", "--json"], 2),
        (["--output-format", "xml"], 2),
    ],
)
def test_json_and_another_output_format_exclude_each_other(work: Path, run: Command, words, status: int) -> None:
    result = run("verify", mar(*HONEST), *words)
    assert result.status == status
    assert ("{" in result.out) == ("--json" in words)
    assert status == 0 or "output-format" in result.errors[0]


def test_a_problem_of_a_source_is_shown_at_its_line(model: Path) -> None:
    Path("handler.py").write_text(BROKEN_HANDLER)
    [problem] = packaging()
    expected = f"::error file=handler.py,line=1,title=handler-entry::{problem.message}; {problem.hint} [handler-entry]"
    assert workflow_commands([problem]) == expected


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        (
            {"serialized_file": "absent.pt"},
            ("absent.pt", None, "no such file or folder (--serialized-file); paths are"),
        ),
        ({"handler": "handler.py:"}, ("handler.py", None, "handler.py:")),
        ({"handler": "model.pt:f"}, ("model.pt", None, "model.pt:f")),
        ({"serialized_file": "model"}, ("model", None, "is a folder, not a file (--serialized-file); ")),
        ({"version": "1/2"}, (None, None, "--version 1/2")),
        ({"model_name": "a b"}, (None, None, "--model-name 'a b'")),
        ({"archive_format": "zip"}, (None, None, "--archive-format")),
        ({"extra_files": "*.nothing", "strict": True}, (None, None, "*.nothing")),
        ({"handler": "own.module", "strict": True}, (None, None, "own.module")),
        ({"samples": "cases.json"}, ("cases.json", None, "cases.json")),
        ({"ignore": "nothing-known"}, (None, None, "--ignore")),
    ],
)
def test_the_file_is_what_the_path_names(model: Path, fields: dict[str, object], place: tuple[str | None, ...]) -> None:
    Path("model").mkdir()
    Path("cases.json").write_text('[{"body": 1}, {}]')
    found = places(packaging(**fields))
    assert any(each[:2] == place[:2] and each[2].startswith(str(place[2])) for each in found), found


def test_two_sources_for_one_path_name_both(model: Path) -> None:
    Path("d").mkdir()
    Path("d/model.pt").write_text("another")
    found = packaging(serialized_file="model.pt", model_file="model.py", extra_files="d/model.pt")
    assert places(found) == [("model.pt", None, "model.pt (--serialized-file)")]


@pytest.mark.parametrize("path", ["", "stdout", "-", "--handler", "--model-name 'a\nb'", "the current folder"])
def test_what_is_not_a_file_stands_in_the_message(work: Path, path: str) -> None:
    named = f"{path}: " if path else ""
    [(_, head, text)] = parsed(workflow_commands([Problem("error", "a-b", "is wrong", path=path)]))
    assert (head, text) == ({"title": "a-b"}, f"{printable(named)}is wrong [a-b]")


# What a text holds


@pytest.mark.parametrize(
    "text", ["100% of it\r\nand %0A", "a::b,c:d", "::error::x", "\u00e9\u4e00" * 50_000, "x\n" * 9]
)
def test_any_text_is_one_command_and_is_read_back_whole(work: Path, text: str) -> None:
    problem = Problem("error", "a-b", text, text, path=f"{text}.py", line=3)
    output = workflow_commands([problem.replace(code="file-missing")])
    assert not re.search("[\r\n]", output)
    [(_, head, message)] = parsed(output)
    assert head == {"file": f"{text}.py", "line": "3", "title": "file-missing"}
    whole = text if len(text) < 1000 else f"{text[:500]} ... {text[-500:]}"  # as on stderr
    assert message == f"{printable(whole)}; {printable(whole)} [file-missing]"


def test_what_is_not_utf8_or_controls_a_terminal_becomes_escapes(work: Path) -> None:
    problem = Problem("error", "file-missing", "is \udcff and \x1b[2J", path="\udcff.py")
    output = workflow_commands([problem])
    assert output == r"::error file=\udcff.py,title=file-missing::is \udcff and \x1b[2J [file-missing]"
    assert output.isascii()


# The workspace


def test_files_are_relative_to_the_workspace(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(model.parent))
    for path in ("handler.py", str(model / "handler.py"), f"../{model.name}/handler.py", "./handler.py"):
        assert places([Problem("error", "a-b", "x", path=path, line=1)])[0][:2] == ("here/handler.py", "1")
    outside = Problem("error", "file-missing", "x", path=str(model.parents[1] / "x.py"))
    assert places([outside])[0][0] == (model.parents[1] / "x.py").as_posix()


def test_a_workspace_behind_a_link_is_the_same_one(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    link = model.parent / "link"
    link.symlink_to(model, target_is_directory=True)
    (model / "own.py").symlink_to(model.parent / "elsewhere.py")
    for workspace, folder in ((link, model), (model, link)):
        monkeypatch.setenv("GITHUB_WORKSPACE", str(workspace))
        monkeypatch.chdir(folder)
        for path in ("handler.py", str(folder / "handler.py"), "own.py"):
            assert places([Problem("error", "a-b", "x", path=path)])[0][0] == Path(path).name


def test_a_current_folder_that_was_removed_is_no_obstacle(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_WORKSPACE", str(work))
    work.rmdir()
    assert places([Problem("error", "file-missing", "x", path="handler.py")])[0][0] == "handler.py"


# Of an archive


def test_a_problem_inside_an_archive_is_shown_at_the_archive(model: Path, run: Command) -> None:
    Path("handler.py").write_text(BROKEN_HANDLER)
    assert run("--model-name", "m", "--handler", "handler.py", "--no-checks", "--export-path", "out").status == 0
    archive = Path("out/m.mar")
    [(level, head, text)] = parsed(workflow_commands(verify(archive).problems, archive=archive))
    assert (level, head) == ("error", {"file": "out/m.mar", "title": "handler-entry"})
    assert text.startswith("handler.py:1: the server calls ")


@pytest.mark.parametrize(
    "name", [b"bad\xff.py", b"../up.py", b"/etc/passwd", b"a::b,c%0A.py", b"new\nline", b"m.mar:f", b"--x.py"]
)
def test_whatever_a_member_is_called_the_file_is_the_archive(work: Path, name: bytes) -> None:
    archive = mar(*HONEST, Raw(name, b"x", crc32=0))
    found = verify(archive).problems
    assert found
    commands = parsed(workflow_commands(found, archive=archive))
    assert [head["file"] for _, head, _ in commands] == ["m.mar"] * len(found)
    assert not any("line" in head for _, head, _ in commands)


def test_a_problem_of_the_archive_itself_needs_no_member(work: Path) -> None:
    Path("m.mar").write_bytes(mar().read_bytes()[:-30])
    Path("text.mar").write_text("text")
    for archive in (Path("m.mar"), Path("text.mar"), Path("absent.mar")):
        commands = parsed(workflow_commands(problems_of(verify, archive), archive=archive))
        assert {head["file"] for _, head, _ in commands} == {str(archive)}
        assert not any(text.startswith(str(archive)) for _, _, text in commands)


@pytest.fixture
def folder(model: Path, run: Command) -> Path:
    Path("handler.py").write_text(BROKEN_HANDLER)
    words = ("--model-name", "m", "--handler", "handler.py", "--archive-format", "no-archive", "--no-checks")
    assert run(*words, "--export-path", "out").status == 0
    return Path("out/m")


@pytest.mark.parametrize(("given", "top"), [("out/m", "out/m"), ("out", "out/m"), ("out/m/", "out/m")])
def test_a_problem_in_a_folder_is_shown_at_its_file_and_line(folder: Path, given: str, top: str) -> None:
    with (folder / "handler.py").open("a") as file:
        file.write("# changed\n")
    (folder / "dangling").symlink_to("absent")
    found = places(verify(given).problems, archive=Path(given))
    assert {(file, line) for file, line, _ in found} == {
        *((f"{top}/handler.py", None), (f"{top}/handler.py", "1")),  # the checksum, and the function
        (f"{top}/dangling", None),
    }


def test_a_file_that_a_folder_lacks_is_named(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    assert f"out/m/{MANIFEST}" in [file for file, _, _ in places(verify(folder).problems, archive=folder)]
    problem = Problem("error", "vocabulary-missing", "needs it", path="text_classifier")
    assert places([problem], archive=folder) == [("out/m", None, "text_classifier")]


def test_a_folder_that_is_the_current_one_has_its_files_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    [found] = places(verify(".").problems, archive=Path())
    assert found[:2] == ("handler.py", "1")


# Of a trial


@pytest.mark.parametrize("make", [mar, lambda: Path("out/m")])
def test_files_beside_the_archive_are_the_users_own(folder: Path, make: Callable[[], Path]) -> None:
    (folder / "handler.py").write_bytes(HANDLER)
    (folder / SUMS).unlink()
    archive = make()
    Path("cases.json").write_text(json.dumps([{"file": "absent"}, {}]))
    Path("text.json").write_text("not JSON")
    for words, own, expected in (
        ({"cases": "cases.json"}, ["cases.json"], ("cases.json", "cases.json")),
        ({"inputs": ["absent.json"]}, [], ("absent.json", "no such file or folder (--input); paths are relative")),
        ({"inputs": ["model.pt"], "expect": ["text.json"]}, ["model.pt", "text.json"], ("text.json", "is not JSON")),
        ({"python": "no-such-python"}, [], ("no-such-python", "no such interpreter; name a Python, or")),
        ({"cases": "absent.json"}, [], ("absent.json", "no such file or folder (--cases); paths are")),
    ):
        found = places(problems_of(try_archive, archive, **words), archive=archive, own_files=own)
        assert found
        assert all(file == expected[0] and text.startswith(expected[1]) for file, _, text in found), found


def test_the_archives_own_samples_and_flags_are_told_apart(folder: Path) -> None:
    samples = Problem("error", "trial-expect", "differs", path="MAR-INF/samples.json: case 2")
    device = Problem("error", "trial-device", "torch finds no GPU here", path="--device cuda:9")
    interpreter = Problem("error", "trial-worker-missing", "has no server", path=str(Path("python").absolute()))
    (folder / "MAR-INF/samples.json").write_text("[]")
    found = [places([each], archive=folder)[0][0] for each in (samples, device, interpreter)]
    assert found == ["out/m/MAR-INF/samples.json", None, Path("python").absolute().as_posix()]
    found = [places([each], archive=mar())[0][0] for each in (samples, device, interpreter)]
    assert found == ["m.mar", None, Path("python").absolute().as_posix()]
