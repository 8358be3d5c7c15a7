"""Model names and versions: what the servers and file systems take."""

from __future__ import annotations

import pytest

from model_archiver import ModelArchiverConfig, ModelArchiverError
from model_archiver.model_packaging import generate_model_archive
from tests.archives import FORMATS, manifest, output
from tests.conftest import Command
from tests.packing import MODEL, build, refused


@pytest.mark.parametrize("name", ["m", "M", "densenet161", "densenet_161", "my-model", "a.b", "m1.0-rc_2", "x" * 200])
def test_a_good_name_gives_the_output_its_name(work, run: Command, name: str) -> None:
    result = run("--model-name", name, "--handler", "vllm_handler")
    assert (result.status, result.warnings) == (0, [])
    assert manifest(output(name))["model"]["modelName"] == name
    assert [path.name for path in work.iterdir()] == [f"{name}.mar"]


@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_name_with_dots_keeps_them_in_every_format(work, run: Command, archive_format: str) -> None:
    assert build(run, name="m.v1.2", archive_format=archive_format).exists()


BAD_NAMES = [
    *("a..b", "..", ".", "m.", ".m", "a b", "a/b", "../m", "/m", "a\\b", "a:b", "é", "m\u0660", "_m", "-m", "m*"),
    *("$HOME", "a,b", "", " ", "m\n", "\nm", "m\r", "m\x00"),
]


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_is_refused_by_command_and_api(work, run: Command, name: str) -> None:
    result = run(f"--model-name={name}", "--handler", "vllm_handler")
    assert (result.status, result.out) == (1, "")
    assert len(result.lines) == 1
    assert result.lines[-1].endswith("[name-invalid]")
    with pytest.raises(ModelArchiverError, match="name-invalid"):
        generate_model_archive(ModelArchiverConfig(model_name=name, handler="vllm_handler"))
    assert list(work.iterdir()) == []


def test_a_bad_name_is_shown_with_its_control_characters_escaped(work, run: Command) -> None:
    [error] = refused(run, name="m\n\x1b[31m")
    assert r"'m\n\x1b[31m'" in error


def test_a_leading_digit_is_a_warning_and_an_error_under_strict(work, run: Command) -> None:
    result = run("--model-name", "1m", "--handler", "vllm_handler")
    assert result.status == 0
    assert "name-leading-digit" in result.warnings[0]
    assert output("1m").exists()
    [error] = refused(run, "-f", "--strict", name="1m")
    assert "name-leading-digit" in error


@pytest.mark.parametrize(
    ("name", "words", "path", "named", "suffix"),
    [
        ("cnn.mar", "", "cnn.mar.mar", "cnn.mar.mar", ".mar"),
        ("cnn.mar", "--archive-format zip-store", "cnn.mar.mar", "cnn.mar.mar", ".mar"),
        ("CNN.MAR", "--no-checks", "CNN.MAR.mar", "CNN.MAR.mar", ".MAR"),
        ("cnn.mar", "--archive-format tgz", "cnn.mar.tar.gz", "cnn.mar.tar.gz", ".mar"),
        ("cnn.tar.gz", "--archive-format tgz", "cnn.tar.gz.tar.gz", "cnn.tar.gz.tar.gz", ".tar.gz"),
        ("cnn.v1.tgz", "", "cnn.v1.tgz.mar", "cnn.v1.tgz.mar", ".tgz"),
        ("cnn.zip", "", "cnn.zip.mar", "cnn.zip.mar", ".zip"),
        ("cnn.mar", "--archive-format no-archive", "cnn.mar/MAR-INF", "the folder cnn.mar", ".mar"),
    ],
)
def test_a_name_that_ends_like_an_archive_is_a_warning(
    work, run: Command, name: str, words: str, path: str, named: str, suffix: str
) -> None:
    result = run("--model-name", name, *MODEL[2:], *words.split())
    warning = f"--model-name {name}: ends with {suffix}, so the output will be {named}; "
    assert (result.status, result.warnings) == (0, [f"{warning}leave out {suffix} [name-suffix]"])
    assert (work / path).exists()


def test_a_name_that_ends_like_an_archive_can_be_ignored_or_refused(work, run: Command) -> None:
    [error] = refused(run, "--strict", name="cnn.mar")
    assert error.endswith("so the output will be cnn.mar.mar; leave out .mar [name-suffix]")
    assert run("--model-name", "cnn.mar", *MODEL[2:], "--ignore", "name-suffix").warnings == []
    assert run("verify", "cnn.mar.mar", "--strict").status == 0


@pytest.mark.parametrize("target", ["vertex", "sagemaker"])
def test_where_the_platform_names_the_output_the_name_may_end_so(work, run: Command, target: str) -> None:
    result = run("--model-name", "cnn.mar", *MODEL[2:], "--target", target)
    assert (result.status, result.warnings) == (0, [])


@pytest.mark.parametrize("name", ["cnn.march", "tar.gzip", "mar", "cnn-mar", "mar.v1"])
def test_a_name_that_only_contains_the_letters_of_a_suffix_is_fine(work, run: Command, name: str) -> None:
    assert run("--model-name", name, *MODEL[2:]).warnings == []


def test_a_name_that_is_too_long_for_a_file_is_refused_in_one_line(work, run: Command) -> None:
    build(run, name="x" * 248, archive_format="tgz")
    [error] = refused(run, name="y" * 249)
    assert "name-invalid" in error


@pytest.mark.parametrize("version", ["1", "1.0", "base", "2.0.1-rc1", "1_0", "1.0+cu118"])
def test_a_good_version_is_written_as_it_is(work, run: Command, version: str) -> None:
    result = run(*MODEL, "--version", version)
    assert (result.status, result.warnings) == (0, [])
    assert manifest(output("m"))["model"]["modelVersion"] == version


@pytest.mark.parametrize("version", ["1 0", "v1,2", "é", "1.0 ", "a:b", "100%", "a?b", "a#b"])
def test_a_version_that_urls_cannot_name_is_a_warning(work, run: Command, version: str) -> None:
    result = run(*MODEL, "--version", version)
    assert result.status == 0
    assert ["version-unservable" in warning for warning in result.warnings] == [True]
    assert manifest(output("m"))["model"]["modelVersion"] == version
    assert "version-unservable" in refused(run, "-f", "--strict", "--version", version)[0]


@pytest.mark.parametrize("version", ["1/0", "..", "1..0", "1\n", "1\x00", "\t1", "a\x7f"])
def test_a_version_that_breaks_urls_is_refused(work, run: Command, version: str) -> None:
    [error] = refused(run, f"--version={version}")
    assert "version-unservable" in error
