"""Values that are valid words, and probably not what was meant: URLs, archives and flags as folders, and lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from model_archiver import ModelArchiver, ModelArchiverConfig, ModelArchiverError
from tests.archives import tree
from tests.conftest import Command
from tests.packing import MODEL, build, refused

# --export-path, and --to of `extract`

NOT_FOLDERS = {
    **dict.fromkeys(("s3://bucket/x", "s3:/bucket/x", "gs://b", "https://host/x", "dbfs:/x", "abfss://c@a/x"), "URL"),
    **dict.fromkeys(("file:/x", "file://host/x", "runs:/0123/model", "S3://bucket/x"), "URL"),
    **dict.fromkeys(("x.mar", "store/m.tar.gz", "m.war", "M.MAR"), "is the name of an archive, not of a folder"),
    "out --version 1": "contains the flag --version",
    "out --force": "contains the flag --force",
    "out \n  --extra-files a,b": "contains the flag --extra-files",
    "~/store": "begins with a ~",
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


@pytest.mark.parametrize("value", ["file://{}/a b", "file://{}/a%20b", "file://localhost{}/a%20b"])
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


@pytest.mark.parametrize("value", ["s3://bucket/x", "x.tar.gz", "out --force"])
def test_extract_refuses_such_a_folder_too(model, run: Command, value: str) -> None:
    build(run)
    before = tree(Path())
    result = run("extract", "m.mar", "--to", value)
    assert result.status == 1
    assert NOT_FOLDERS.get(value, "archive") in result.errors[0]
    assert result.errors[0].endswith("[export-path-invalid]")
    assert tree(Path()) == before
