"""``build``: many models in one run, what is printed of each, and what the whole says."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest

from tests.archives import manifest, members
from tests.conftest import Command, Result
from tests.documents import document

HANDLER = "def handle(data, context):\n    return data\n"
ROOT = Path(__file__).parent.parent


@pytest.fixture
def models(work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with a file of three models, of which the second has no handler."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    for name in ("first.py", "third.py"):
        (work / name).write_text(HANDLER)
    names = ("first", "second", "third")
    (work / "models.yaml").write_text("".join(f"- {{model-name: {name}, handler: {name}.py}}\n" for name in names))
    return work


def lines(result: Result) -> list[str]:
    """Return what is on stderr, without the name of the program and the sizes, which the deflate engine decides."""
    return [re.sub(r" \(1 file, \d+ bytes\)", "", line.partition(": ")[2]) for line in result.err.splitlines()]


NO_FILE = "no such file or folder (--handler); paths are relative to the current folder [file-missing]"
MISSING = f"error: second: second.py: {NO_FILE}"


def test_a_model_that_fails_ends_the_run_and_later_ones_are_not_begun(models: Path, run: Command) -> None:
    result = run("build", "models.yaml", "--jobs", 1)
    assert (result.status, result.out) == (1, "")
    assert lines(result) == [
        "wrote first.mar",
        MISSING,
        "failed: second (models.yaml:2)",
        "3 models: 1 written, 1 failed, 1 not built (use --keep-going to build them too)",
        "note: to learn more, run torch-model-archiver explain file-missing",
    ]
    assert sorted(path.name for path in Path().glob("*.mar")) == ["first.mar"]


def test_a_file_of_models_that_is_not_there_is_a_missing_file(models: Path, run: Command) -> None:
    result = run("build", "modles.yaml")
    assert result.status == 1
    assert result.errors == [
        "modles.yaml: no such file or folder (the file of models); did you mean models.yaml? [file-missing]"
    ]


def test_keep_going_builds_the_others(models: Path, run: Command) -> None:
    result = run("build", "models.yaml", "--keep-going", "--jobs", 2)
    assert (result.status, result.out) == (1, "")
    assert result.errors == [MISSING.removeprefix("error: ")]
    assert "failed: second (models.yaml:2)" in lines(result)
    assert "3 models: 2 written, 1 failed" in lines(result)
    assert sorted(path.name for path in Path().glob("*.mar")) == ["first.mar", "third.mar"]


def test_names_and_flags_may_be_mixed_and_flags_override_the_file(models: Path, run: Command) -> None:
    result = run("build", "--export", "out", "models.yaml", "first", "--ver", "7", "third")
    assert result.status == 0, result.err
    assert sorted(path.name for path in Path("out").iterdir()) == ["first.mar", "third.mar"]
    assert manifest(Path("out/first.mar"))["model"]["modelVersion"] == "7"


def test_paths_on_the_command_line_start_in_the_current_folder(models: Path, run: Command) -> None:
    Path("below").mkdir()
    Path("below/x.txt").write_text("x")
    Path("y.txt").write_text("y")
    text = "- {model-name: m, handler: x.txt, ext: [x.txt], requirements-file: x.txt}\n"
    Path("below/models.yaml").write_text(text)
    words = ("--handler", "first.py", "--extra-files", "y.txt", "-r", "", "--export-path", "out")
    assert run("build", "below/models.yaml", *words).status == 0
    assert members(Path("out/m.mar")) == {"first.py", "y.txt"}


def test_two_outputs_in_one_place_are_looked_for_after_the_flags(models: Path, run: Command) -> None:
    text = "- {model-name: first, handler: first.py}\n- {model-name: first, handler: first.py, export-path: out}\n"
    Path("models.yaml").write_text(text)
    assert run("build", "models.yaml").status == 0
    [error] = run("build", "models.yaml", "--export-path", "out", "-f").errors
    assert error.startswith("models.yaml:2: first is written to ")
    assert "as is the model in line 1; give one of them a different model-name or export-path [build-file]" in error
    assert run("build", "models.yaml", "--model-name", "x", "-f").status == 0
    assert (Path("x.mar").exists(), Path("out/x.mar").exists()) == (True, True)


@pytest.mark.parametrize(("flag", "warns"), [("--strict", True), ("--no-checks", False)])
def test_a_flag_that_excludes_one_of_the_file_overrides_it(models: Path, run: Command, flag: str, warns: bool) -> None:
    Path("models.yaml").write_text(
        f"- {{model-name: m, handler: first.py, version: a b, {'no-checks' if warns else 'strict'}: true}}\n"
    )
    assert run("build", "models.yaml", flag).status == int(warns)


def test_one_output_in_another_is_an_error_in_either_order(models: Path, run: Command) -> None:
    folder = "- {model-name: a, handler: first.py, archive-format: no-archive, export-path: o}\n"
    below = "- {model-name: b, handler: first.py, export-path: o/a/x}\n"
    for text, one, other in ((folder + below, 2, 1), (below + folder, 1, 2)):
        Path("models.yaml").write_text(text)
        [error] = run("build", "models.yaml").errors
        assert error.startswith(f"models.yaml:{one}: ")
        assert f"which is the output of the model in line {other}; give one of them a different export-path" in error
        assert not Path("o").exists()


def test_targets_with_a_fixed_name_need_different_export_paths(models: Path, run: Command) -> None:
    [error] = run("build", "models.yaml", "first", "third", "--target", "sagemaker").errors
    assert "; give one of them a different export-path [build-file]" in error


@pytest.mark.parametrize("root", ["first.py", "gone"])
def test_a_root_that_is_not_a_folder_is_a_usage_error(models: Path, run: Command, root: str) -> None:
    result = run("build", "models.yaml", "--root", root)
    assert (result.status, len(result.errors)) == (2, 1)
    assert result.errors[0].startswith(f"{root}: is not a folder (--root)")


def test_if_changed_leaves_what_is_as_it_would_be(models: Path, run: Command) -> None:
    words = ("build", "models.yaml", "first", "third")
    assert run(*words).status == 0
    result = run(*words, "--if-changed", "--jobs", 1)
    assert (result.status, result.out) == (0, "")
    assert lines(result) == ["first.mar is unchanged", "third.mar is unchanged", "2 models: 0 written, 2 unchanged"]
    Path("third.py").write_text(HANDLER + "# changed\n")
    result = run(*words, "--if-changed")
    assert [error.rpartition(" ")[2] for error in result.errors] == ["[target-exists]"]
    result = run(*words, "--if-changed", "-f", "--json")
    assert [model.get("unchanged") for model in document(result)["models"]] == [True, None]
    assert "wrote third.mar" in result.err


def test_without_if_changed_an_existing_archive_needs_f(models: Path, run: Command) -> None:
    assert run("build", "models.yaml", "first").status == 0
    [error] = run("build", "models.yaml", "first").errors
    assert error.endswith("[target-exists]")


def test_quiet_hides_the_closing_lines_and_no_problem(models: Path, run: Command) -> None:
    assert lines(run("build", "models.yaml", "--quiet", "--keep-going")) == [MISSING]


def test_a_dry_run_prints_each_plan_and_writes_nothing(models: Path, run: Command) -> None:
    before = set(models.iterdir())
    result = run("build", "models.yaml", "--dry-run", "--jobs", 1)
    assert result.status == 1
    first, third = result.out.split("\n\n")
    assert [text.splitlines()[0].split()[0] for text in (first, third)] == ["first.py", "third.py"]
    assert "would be written to first.mar" in first
    assert lines(result)[:3] == [MISSING, "failed: second (models.yaml:2)", "3 models: 2 planned, 1 failed"]
    assert set(models.iterdir()) == before


def test_json_has_a_report_for_each_model_in_the_order_of_the_file(models: Path, run: Command) -> None:
    result = run("build", "models.yaml", "--json", "--keep-going")
    found = document(result)
    assert (found["command"], found["status"], found["problems"]) == ("build", 1, [])
    assert [(model["model_name"], model["status"]) for model in found["models"]] == [
        ("first", 0),
        ("second", 1),
        ("third", 0),
    ]
    alone = document(run("--model-name", "first", "--handler", "first.py", "-f", "--json"))
    first = {name: value for name, value in found["models"][0].items() if name not in ("model_name", "manifest")}
    assert first == {name: alone[name] for name in first}
    assert [problem["code"] for problem in found["models"][1]["problems"]] == ["file-missing"]


def test_a_model_that_was_not_begun_has_no_status(models: Path, run: Command) -> None:
    found = document(run("build", "models.yaml", "--json", "--jobs", "1"))
    assert [model["status"] for model in found["models"]] == [0, 1, None]
    planned = document(run("build", "models.yaml", "third", "--json", "--dry-run"))
    assert (planned["models"][0]["size"], planned["models"][0]["status"]) == (None, 0)


def test_json_of_a_file_with_errors_has_them_at_the_top(models: Path, run: Command) -> None:
    Path("models.yaml").write_text("- {model-name: a, nope: 1}\n")
    found = document(run("build", "models.yaml", "--json"))
    assert "models" not in found
    assert [(each["code"], each["path"], each["line"]) for each in found["problems"]] == [
        ("build-file", "models.yaml", 1)
    ]


def test_github_gets_a_command_for_each_problem_with_its_model(models: Path, run: Command) -> None:
    result = run("build", "models.yaml", "--output-format", "github", "--keep-going")
    assert result.out == (f"::error file=second.py,title=file-missing::second: {NO_FILE}\n")


def test_warnings_name_their_model_and_strict_holds_for_all(models: Path, run: Command) -> None:
    Path("models.yaml").write_text("- {model-name: 1m, handler: first.py}\n- {model-name: n, handler: first.py}\n")
    result = run("build", "models.yaml", "--jobs", 1)
    assert result.status == 0
    [warning] = result.warnings
    assert warning.startswith("1m: ")
    assert "note: 1 warning ignored" in lines(run("build", "models.yaml", "--ignore", "name-leading-digit", "-f"))
    strict = run("build", "models.yaml", "--strict", "-f", "--keep-going")
    assert [error.split(": ")[0] for error in strict.errors] == ["1m"]


def test_an_unknown_code_to_ignore_is_one_usage_error(models: Path, run: Command) -> None:
    result = run("build", "models.yaml", "first", "third", "--ignore", "nothing-like-it")
    assert (result.status, len(result.errors)) == (2, 1)


@pytest.mark.parametrize(("program", "folder", "name"), [("run", "digits", "digits"), ("run_mms", "mms_numpy", "iris")])
def test_the_example_is_a_file_that_builds(
    work: Path, request: pytest.FixtureRequest, program: str, folder: str, name: str
) -> None:
    run = request.getfixturevalue(program)
    result = run("build", "--example")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("# ")
    shutil.copytree(ROOT / "examples" / folder, "example")
    Path("example/models.yaml").write_text(result.out)
    built = run("build", "example/models.yaml")
    assert (built.status, built.out, built.errors, built.warnings) == (0, "", [], []), built.err
    assert {path.name for path in Path("example/model_store").iterdir()} == {f"{name}.mar", f"{name}-tgz.tar.gz"}
    assert manifest(Path(f"example/model_store/{name}.mar"))["model"]["modelVersion"] == "1.10"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ([], "the following arguments are required: FILE; see torch-model-archiver build --help [usage-invalid]"),
        (["models.yaml", "--keep"], None),
        (["models.yaml", "--jobs", "0"], "argument -j/--jobs: '0' is not a number of cores; give 1 or more"),
        (["models.yaml", "--if-change", "--strickt"], "unknown flag --strickt; did you mean --strict?"),
        (["models.yaml", "--strict", "--no-checks"], "argument --no-checks: not allowed with argument --strict"),
        (["models.yaml", "--serve"], "unknown flag --serve"),
    ],
)
def test_an_invalid_command_line_is_a_usage_error(
    models: Path, run: Command, words: list[str], error: str | None
) -> None:
    result = run("build", *words)
    assert result.out == ""
    if error is None:
        assert result.status == 1  # it is a prefix of --keep-going
        return
    assert result.status == 2
    assert result.errors[0].startswith(error)


def test_mms_builds_with_its_own_flags(models: Path, run_mms: Command, run: Command) -> None:
    Path("d").mkdir()
    Path("first.py").rename("d/service.py")
    Path("models.yaml").write_text("defaults: {model-path: d}\nmodels:\n- {model-name: m, hand: 'service:handle'}\n")
    assert run_mms("build", "models.yaml").status == 0
    assert manifest(Path("m.mar"))["model"]["handler"] == "service:handle"
    Path("models.yaml").write_text("- {model-name: m, serialized-file: x}\n")
    result = run_mms("build", "models.yaml")
    assert [error.partition(";")[0] for error in result.errors] == [
        "models.yaml:1: unknown flag --serialized-file",
        "models.yaml:1: the following arguments are required: --model-path, --handler",
    ]
    result = run_mms("build", "models.yaml", "--model-path", "d", "--handler", "service")
    assert [error.partition(";")[0] for error in result.errors] == ["models.yaml:1: unknown flag --serialized-file"]


def test_a_trial_is_part_of_each_build(models: Path, run: Command) -> None:
    Path("python").write_text("#!/bin/sh\nexit 1\n")
    Path("python").chmod(0o755)
    result = run("build", "models.yaml", "first", "third", "--test", "--test-python", "./python", "--keep-going")
    assert result.status == 1
    assert {error.split(": ")[0] for error in result.errors} == {"first", "third"}
    assert not list(Path().glob("*.mar"))


def test_dask_without_its_extra_is_one_line(models: Path, run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = run("build", "models.yaml", "first", "--dask", "127.0.0.1:8786")
    assert (result.status, result.errors) == (1, ["Dask needs the extra [dask]: pip install distributed"])
    assert not Path("first.mar").exists()


def test_dask_without_a_scheduler_is_one_line(models: Path, run: Command) -> None:
    pytest.importorskip("distributed")
    result = run("build", "models.yaml", "first", "--dask", "127.0.0.1:1")
    assert (result.status, len(result.err.splitlines())) == (1, 1)
    assert result.errors[0].startswith("no Dask scheduler answers at 127.0.0.1:1")
    assert not Path("first.mar").exists()


def test_a_short_flag_for_jobs_is_not_one_for_json(models: Path, run: Command) -> None:
    result = run("build", "models.yaml", "--j", "4")
    assert (result.status, result.out) == (2, "")
    assert "ambiguous option: --j could match" in result.err


def test_the_home_folder_can_be_written_as_a_tilde(models: Path, run: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(models))
    assert run("build", "~/models.yaml", "first", "--root", "~").status == 0
