"""Values that are valid words, and probably not what was meant: URLs, archives and flags as folders, and lists."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_archiver import ModelArchiver, ModelArchiverConfig, ModelArchiverError
from tests.archives import manifest
from tests.conftest import Command
from tests.packing import MODEL, build, make, packed, refused

# --export-path

NOT_FOLDERS = {
    **dict.fromkeys(("s3://bucket/x", "s3:/bucket/x", "gs://b", "https://host/x", "dbfs:/x", "abfss://c@a/x"), "URL"),
    **dict.fromkeys(("file:/x", "file://host/x", "runs:/0123/model", "S3://bucket/x"), "URL"),
    **dict.fromkeys(("x.mar", "store/m.tar.gz", "m.war", "M.MAR"), "is the name of an archive, not of a folder"),
    **dict.fromkeys(("out --version 1", "out --force", "out \n  --extra-files a,b"), "contains a flag"),
    "~no-such-user/store": "begins with a ~",
}


@pytest.mark.parametrize("value", NOT_FOLDERS)
def test_an_export_path_that_names_no_local_folder_is_refused(model, run: Command, value: str) -> None:
    for words in (["--export-path", value], [f"--export-path={value}", "--target", "kserve"], ["--dry-run"]):
        [error] = refused(run, "--export-path", value, *words)
        assert NOT_FOLDERS[value] in error
        assert "(--export-path)" in error
        assert error.endswith("[export-path-invalid]")


def test_an_export_path_that_is_a_url_in_python(model) -> None:
    config = ModelArchiverConfig("m", "vllm_handler", export_path=Path("s3://bucket/x"))
    with pytest.raises(ModelArchiverError, match=r"s3:/bucket/x: is a URL.*\[export-path-invalid\]"):
        ModelArchiver.generate_model_archive(config)


@pytest.mark.parametrize("value", ["file://{}/a b", "file://{}/a%20b"])
def test_a_file_url_is_a_local_folder(model, run: Command, value: str) -> None:
    assert run(*MODEL, "--export-path", value.format(model)).status == 0
    assert Path("a b/m.mar").is_file()
    assert run(*MODEL, "--export-path", value.format(model), "--target", "kserve").status == 0
    assert Path("a b/config/config.properties").is_file()


@pytest.mark.parametrize(
    "value", ["a:b/c", "C:/x", "./s3:/x", "my.mars", "out -- old", "out--force", "a -b", "x.mar/y"]
)
def test_folders_with_odd_names_are_created(model, run: Command, value: str) -> None:
    build(run, to=value)


@pytest.mark.parametrize("value", ["x.mar", "s3:/bucket", "out --force"])
def test_a_folder_that_exists_is_what_is_meant(model, run: Command, value: str) -> None:
    Path(value).mkdir(parents=True)
    build(run, to=value)


# Flags that are repeated


def test_two_values_of_a_flag_that_takes_one_are_a_warning_and_the_last_one_counts(model, run: Command) -> None:
    result = run(*MODEL, "--version", "1.0", "--version", "2.0")
    assert (result.status, manifest(Path("m.mar"))["model"]["modelVersion"]) == (0, "2.0")
    line = "--version: is given as '1.0' and as '2.0', and only the last value counts; remove the other"
    assert result.warnings == [f"{line} [flag-repeated]"]
    assert json.loads(run(*MODEL, "-f", "-v1", "--ver=2", "--json").out)["problems"][0]["code"] == "flag-repeated"
    assert refused(run, "--version", "1.0", "--version", "2.0", "-f", "--strict") == result.warnings
    assert run(*MODEL, "-f", "--version", "1.0", "--version", "2.0", "--no-checks").warnings == result.warnings


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("-v 1 --version 1 -v=3", "--version: is given as '1' and as '3', and"),
        ("--serialized-file model.pt --serial model.py", "--serialized-file: is given as 'model.pt' and as 'model.py'"),
        ("--handler handler.py", "--handler: is given as 'vllm_handler' and as 'handler.py', and"),
        ("--export-path out --export-path .", "--export-path: is given as 'out' and as '.', and"),
        ("--archive-format tgz --archive-format default", "--archive-format: is given as 'tgz' and as 'default', and"),
        ("-r model.py -r=", "--requirements-file: is given as 'model.py' and as '', and"),
        ("-j2 --jobs 1", "--jobs: is given as '2' and as '1', and"),
    ],
)
def test_each_flag_in_each_form_is_known_as_repeated(model, run: Command, words: str, line: str) -> None:
    given = [word.removesuffix("=") if word.startswith("-r") else word for word in words.split()]
    given += [""] if words.endswith("-r=") else []
    [warning] = run(*MODEL, *given).warnings
    assert warning.startswith(line)


@pytest.mark.parametrize(
    "words",
    [
        ["--version", "1", "-v", "1"],
        ["--archive-format", "", "--archive-format", "tgz"],
        ["-r", "", "-r", " ", "--requirements-file", "req.txt"],
        ["--extra-files", "model.py", "--extra-files", "model.pt"],
        ["--include", "model.py", "--include", "model.pt", "--exclude", "a", "--exclude", "b"],
        ["-f", "--force", "--quiet", "--quiet"],
        ["--jobs", "2", "-j02"],
        ["-r", "req.txt", "-r", "./req.txt", "--export-path", "out", "--export-path", "out/"],
    ],
)
def test_repeated_flags_that_lose_nothing_are_silent(model, run: Command, words: list[str]) -> None:
    make("req.txt", text="numpy\n")
    result = run(*MODEL, *words)
    assert (result.status, result.warnings) == (0, [])


def test_a_repeated_flag_of_a_command_is_a_warning_too(model, run: Command) -> None:
    build(run)
    words = ("verify", "m.mar", "--max-size", "1G", "--max-size", "2G")
    result = run(*words)
    assert (result.status, len(result.warnings)) == (0, 1)
    assert "[flag-repeated]" in result.warnings[0]
    assert [problem["code"] for problem in json.loads(run(*words, "--json").out)["problems"]] == ["flag-repeated"]
    strict = run(*words, "--strict")
    assert (strict.status, strict.out, strict.errors) == (1, "", result.warnings)
    assert run("verify", "m.mar", "--max-size", "1G", "--max-size", "1024M").err == ""
    assert run("extract", "m.mar", "--to", "a", "--to", "b").warnings[0].startswith("--to: is given as 'a' and as 'b'")


# Several values where one is taken


@pytest.mark.parametrize(
    ("flag", "value", "hint"),
    [
        ("--serialized-file", "a.pt,b.pt", "--serialized-file takes one file; more weights go to --extra-files"),
        ("--serialized-file", "a.pt, none.pt", "--serialized-file takes one file; more weights go to --extra-files"),
        ("--model-file", "net.py,model.py", "--model-file takes one file; more files go to --extra-files"),
        ("--handler", "handler.py,model.py", "--handler takes one file; more files go to --extra-files"),
        ("-c", "a.yaml,b.yaml", "--config-file takes one file; more files go to --extra-files"),
        ("--model-path", "d,e", "--model-path takes one path; repeat --include"),
        ("--include", "model.py,d", "--include takes one path; repeat --include"),
    ],
)
def test_a_list_for_a_flag_that_takes_one_file(model, run: Command, flag: str, value: str, hint: str) -> None:
    make("a.pt", "b.pt", "net.py", "a.yaml", "b.yaml", "d/e.txt", text="")
    [error] = refused(run, flag, value)
    assert error.startswith(f"{value}: no such file or folder (")
    assert error.endswith(f"; {hint} [file-missing]")


@pytest.mark.parametrize("value", ["a,b.pt", "a, b.pt"])
def test_a_file_whose_name_has_a_comma_is_packed(model, run: Command, value: str) -> None:
    make(value, "b.pt")
    assert packed(run, "--serialized-file", value) == {value}


@pytest.mark.parametrize("value", ["none.pt,other.pt", "none/a,b.pt"])
def test_a_comma_in_the_name_of_a_missing_file_means_nothing(model, run: Command, value: str) -> None:
    assert "takes one" not in refused(run, "--serialized-file", value)[0]


# Patterns that the shell expands

QUOTES = "put a pattern, or a value with spaces, into quotes; separate --extra-files with commas"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--extra-files", *"abc"], QUOTES),
        (["--extra=a", "b"], QUOTES),
        (["--extra-files", "a,", "b", "--force"], QUOTES),
        (["--exclude", "a", "b"], QUOTES),
        (["--serialized-file", "a", "b"], QUOTES),
        (["-x"], "see torch-model-archiver --help"),
        (["--extra-files", "a", "b", "-x"], QUOTES),
    ],
)
def test_words_after_the_value_of_a_flag(model, run: Command, words: list[str], hint: str) -> None:
    result = run("--model-name", "m", *words)
    assert result.status == 2
    [error] = result.errors
    assert error.startswith("unrecognized arguments: ")
    assert f"; {hint}" in error
    assert error.endswith("[usage-invalid]")


def test_words_after_the_value_of_a_flag_of_a_command(model, run: Command) -> None:
    [error] = run("test", "m.mar", "--input", "a.json", "b.json").errors
    assert error.startswith("unrecognized arguments: b.json; see torch-model-archiver test --help")
