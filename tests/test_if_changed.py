"""Builds that leave an existing archive if it is what they would give."""

from __future__ import annotations

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from model_archiver import ModelArchiverConfig, verify
from model_archiver.commands.build_many import BuildResult, build_one
from model_archiver.core.problems import ModelArchiverError
from tests.archives import FORMATS, ONE_FILE_FORMATS, output, tree
from tests.packing import HANDLER, make

TARGETS = [
    *(("torchserve", each) for each in FORMATS),
    ("kserve", "default"),
    ("vertex", "default"),
    ("sagemaker", "tgz"),
]


@pytest.fixture
def request_(model: Path) -> ModelArchiverConfig:
    """A request with samples, without -f."""
    make("cases.json", text='[{"file": "sample.json", "expected": [1]}]')
    make("sample.json", text="[1]")
    return ModelArchiverConfig(
        "m", "handler.py", model_file="model.py", extra_files="index_to_name.json", samples="cases.json"
    )


def built(request: ModelArchiverConfig) -> BuildResult:
    """Build it, and return what came of it; it must not fail."""
    result = build_one(request, if_changed=True)
    assert result.exception is None, str(result.exception)
    return result


def codes(result: BuildResult) -> list[str]:
    """Return the codes of what is wrong."""
    assert isinstance(result.exception, ModelArchiverError)
    return [problem.code for problem in result.exception.problems]


@pytest.mark.parametrize(("target", "archive_format"), TARGETS)
def test_what_the_build_would_give_is_left_without_f(request_, target: str, archive_format: str) -> None:
    request = request_.replace(target=target, archive_format=archive_format, export_path="out")
    first = built(request)
    before = {path: path.stat() for path in Path("out").rglob("*")}
    second = built(request.replace(deflate="always" if archive_format == "default" else "auto", jobs=1))
    assert (first.unchanged, second.unchanged) == (False, True)
    assert {path: path.stat() for path in Path("out").rglob("*")}.keys() == before.keys()
    assert all(path.stat().st_mtime_ns == status.st_mtime_ns for path, status in before.items() if path.is_file())
    assert second.report.digest == first.report.digest
    assert second.report.path == first.report.path
    assert {entry.path for entry in second.report.files} == {entry.path for entry in first.report.files}
    assert second.report.problems == first.report.problems
    assert second.report.sidecars == first.report.sidecars
    assert second.notes == first.notes


@pytest.mark.parametrize("archive_format", FORMATS)
@pytest.mark.parametrize("changed", ["model.py", "cases.json", "sample.json", "version", "more", "less"])
def test_a_changed_one_needs_f(request_, archive_format: str, changed: str) -> None:
    request = request_.replace(archive_format=archive_format)
    built(request)
    make("extra.txt")
    changes = {"version": {"version": "2"}, "more": {"include": "extra.txt"}, "less": {"extra_files": None}}
    if changed == "model.py":
        make("model.py", text="class Net:\n    changed = True\n")
    elif changed == "cases.json":
        make("cases.json", text='[{"file": "sample.json", "expected": [2]}]')
    elif changed == "sample.json":
        make("sample.json", text="[2]")
    request = request.replace(**changes.get(changed, {}))
    before = tree(Path())
    result = build_one(request, if_changed=True)
    assert codes(result) == ["target-exists"]
    assert "differs from what the build would give; use -f to replace it [" in str(result.exception)
    assert tree(Path()) == before
    assert not built(request.replace(force=True)).unchanged
    assert built(request).unchanged


@pytest.mark.parametrize("archive_format", ONE_FILE_FORMATS)
@pytest.mark.parametrize("damage", ["truncated", "a byte", "empty"])
def test_a_damaged_one_is_rebuilt_without_f(request_, archive_format: str, damage: str) -> None:
    request = request_.replace(archive_format=archive_format, serialized_file=None)
    Path("random.bin").write_bytes(os.urandom(3000))
    request = request.replace(include="random.bin")
    built(request)
    archive = output("m", archive_format)
    data = bytearray(archive.read_bytes())
    data[len(data) // 2] ^= 1
    archive.write_bytes({"truncated": data[: len(data) // 2], "a byte": data, "empty": b""}[damage])
    assert not built(request).unchanged
    assert not [problem for problem in verify(archive).problems if problem.level == "error"]
    assert built(request).unchanged


@pytest.mark.parametrize("cut", [1, 22, 200, 600])
def test_a_truncated_one_is_not_taken_for_the_zip_that_is_stored_in_it(request_, cut: int) -> None:
    with zipfile.ZipFile("saved.pt", "w") as weights:
        weights.writestr("saved/data.pkl", os.urandom(500))
        weights.writestr("saved/version", "3")
    request = request_.replace(include="saved.pt")
    built(request)
    os.truncate("m.mar", Path("m.mar").stat().st_size - cut)
    assert "archive-cut" in [problem.code for problem in verify("m.mar").problems]
    assert not built(request).unchanged
    assert built(request).unchanged


def test_a_file_that_is_not_an_archive_is_not_replaced_without_f(request_) -> None:
    for content in (b"notes of the user", Path("model.pt").read_bytes()):
        Path("m.mar").write_bytes(content)
        assert codes(build_one(request_, if_changed=True)) == ["target-exists"]
        assert Path("m.mar").read_bytes() == content


def test_a_folder_in_which_only_files_are_missing_is_rebuilt_without_f(request_) -> None:
    request = request_.replace(archive_format="no-archive")
    built(request)
    for missing in ("m/handler.py", "m/model.py"):
        Path(missing).unlink()
    assert not built(request).unchanged
    assert built(request).unchanged
    for of_the_user in ("m/notes.txt", "m/model.py"):
        Path("m/handler.py").unlink()
        make(of_the_user, text="class Mine:\n    pass\n")
        assert codes(build_one(request, if_changed=True)) == ["target-exists"]
        assert not Path("m/handler.py").exists()
        shutil.rmtree("m")
        built(request)


def test_a_changed_file_in_a_folder_is_the_users_and_is_not_replaced_without_f(request_) -> None:
    request = request_.replace(archive_format="no-archive")
    built(request)
    make("m/handler.py", text=f"{HANDLER}# mine\n")
    assert codes(build_one(request, if_changed=True)) == ["target-exists"]


def test_zip_store_asks_for_stored_entries_and_deflate_does_not_count(request_) -> None:
    built(request_)
    stored = request_.replace(archive_format="zip-store")
    assert codes(build_one(stored, if_changed=True)) == ["target-exists"]
    built(stored.replace(force=True))
    for request in (stored, request_, request_.replace(deflate="never"), request_.replace(deflate="always")):
        assert built(request).unchanged


def test_in_place_only_the_manifest_counts(work: Path) -> None:
    make("m/handler.py", text=HANDLER)
    request = ModelArchiverConfig("m", "handler.py", model_path="m", export_path=".", archive_format="no-archive")
    built(request)
    before = tree(Path())
    assert built(request).unchanged
    make("m/more.txt")
    assert built(request).unchanged
    assert codes(build_one(request.replace(version="2"), if_changed=True)) == ["target-exists"]
    (work / "m" / "more.txt").unlink()
    assert tree(Path()) == before


def test_a_model_that_is_missing_in_kserves_config_is_not_unchanged(request_) -> None:
    request = request_.replace(target="kserve", export_path="out")
    [config] = built(request).report.sidecars
    config.unlink()
    assert codes(build_one(request, if_changed=True)) == ["target-exists"]
    built(request.replace(force=True))
    assert built(request).unchanged


def test_a_dry_run_says_that_it_is_unchanged(request_) -> None:
    built(request_)
    result = build_one(request_, if_changed=True, dry_run=True)
    assert (result.unchanged, result.plan) == (True, None)
    make("handler.py", text=f"{HANDLER}# changed\n")
    result = build_one(request_, if_changed=True, dry_run=True)
    assert (result.unchanged, result.plan.name) == (False, "m")


def test_an_unchanged_one_needs_no_server_for_its_test_and_a_note_says_so(request_) -> None:
    first = built(request_)
    second = built(request_.replace(test=True, test_python="no/such/python"))
    assert second.unchanged
    assert second.notes == (*first.notes, "the archive is unchanged, so --test was not run")


def test_another_model_of_that_name_is_changed(request_) -> None:
    built(request_)
    shutil.move("m.mar", "n.mar")
    assert codes(build_one(request_.replace(model_name="n"), if_changed=True)) == ["target-exists"]
