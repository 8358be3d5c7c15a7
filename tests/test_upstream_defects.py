"""What torch-model-archiver 0.12.0 and model-archiver 1.0 get wrong, one test each."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from model_archiver import ModelArchiverConfig
from model_archiver.commands.package import package
from tests.archives import FORMATS, SUMS, contents, manifest, members, output, tree
from tests.conftest import Command
from tests.packing import packed, refused

COMMAND = [sys.executable, "-m", "model_archiver"]
CODE = "class Net:\n    pass\n\n\ndef handle(data, context):\n    return data\n\n\nentry = handle\n"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that TMPDIR names."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def _make(*paths: str) -> None:
    for path in paths:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(f"# {path}\n{CODE}" if path.endswith(".py") else path)


@pytest.mark.parametrize("archive_format", FORMATS)
def test_what_lies_in_tmpdir_under_the_models_name_stays(model, temporary, run: Command, archive_format: str) -> None:
    (temporary / "m").mkdir()
    (temporary / "m/thesis.txt").write_text("years of work")
    before = tree(temporary)
    words = ["--model-name", "m", "--handler", "vllm_handler", "--extra-files", ".", "--archive-format", archive_format]
    assert run(*words).status == 0
    assert run(*words, "-f").status == 0
    assert run("--model-name", "m", "--handler", "vllm_handler", "--model-file", "none.py").status == 1
    assert tree(temporary) == before


def test_no_archive_into_tmpdir_keeps_its_result(model, temporary, run: Command) -> None:
    words = [
        "--model-name",
        "m",
        "--handler",
        "vllm_handler",
        "--model-file",
        "model.py",
        "--archive-format",
        "no-archive",
    ]
    assert run(*words, "--export-path", temporary).status == 0
    assert members(temporary / "m") == {"model.py"}


def test_builds_of_one_name_at_a_time_do_not_mix(work, temporary) -> None:
    builds = []
    for number in range(4):
        _make(f"{number}/only{number}.txt")
        words = [
            "--model-name",
            "m",
            "--handler",
            "vllm_handler",
            "--extra-files",
            str(number),
            "--export-path",
            f"out{number}",
        ]
        builds.append(subprocess.Popen([*COMMAND, *words], stderr=subprocess.PIPE))
    assert [build.wait() for build in builds if build.communicate()] == [0] * 4
    assert [members(Path(f"out{number}/m.mar")) for number in range(4)] == [
        {f"only{number}.txt"} for number in range(4)
    ]


@pytest.mark.parametrize("flag", ["--extra-files", "--handler", "--model-file"])
def test_files_of_one_base_name_do_not_overwrite_each_other(work, run: Command, flag: str) -> None:
    _make("src/handler.py", "lib/handler.py")
    [error] = refused(run, flag, "src/handler.py", "--extra-files", "lib/handler.py")
    assert "src/handler.py" in error
    assert "lib/handler.py" in error


def test_extra_folders_with_a_common_sub_folder_are_merged(work, run: Command) -> None:
    _make("one/common/a.txt", "two/common/b.txt")
    assert packed(run, "--extra-files", "one,two") == {"common/a.txt", "common/b.txt"}


def test_a_pattern_keeps_sub_folders(work, run: Command) -> None:
    _make("dir/top.txt", "dir/sub/a.txt")
    assert packed(run, "--extra-files", "dir/*") == {"top.txt", "sub/a.txt"}


def test_a_file_whose_name_looks_like_a_pattern_is_packed(work, run: Command) -> None:
    _make("vocab[1].txt")
    assert packed(run, "--extra-files", "vocab[1].txt") == {"vocab[1].txt"}


def test_blanks_after_commas_are_no_part_of_names(work, run: Command) -> None:
    _make("a", "b")
    assert packed(run, "--extra-files", "a, b") == {"a", "b"}


@pytest.mark.parametrize("handler", ["handler.py:entry", "my.python/handler.py", "my.py/handler.py:entry", "my.py/h"])
def test_a_handler_may_name_its_function_and_lie_in_any_folder(work, run: Command, handler: str) -> None:
    _make("handler.py", "my.python/handler.py", "my.py/handler.py", "my.py/h.py")
    assert len(packed(run, "--handler", handler)) == 1
    assert manifest(output("m"))["model"]["handler"] == handler.rpartition("/")[2]


@pytest.mark.parametrize("archive_format", FORMATS)
@pytest.mark.parametrize("seconds", [0, -86400, 4_500_000_000])
def test_file_times_do_not_matter(model, run: Command, archive_format: str, seconds: int) -> None:
    try:
        os.utime("model.py", (seconds, seconds))
    except (OSError, OverflowError):
        pytest.skip("this file system has no such time")
    words = [
        "--model-name",
        "m",
        "--handler",
        "vllm_handler",
        "--model-file",
        "model.py",
        "--archive-format",
        archive_format,
    ]
    assert run(*words).status == 0
    assert members(output("m", archive_format)) == {"model.py"}


def _fails_while_writing(*words: str) -> None:
    """A build whose output may not grow beyond 64 KiB, as on a disk with a quota."""
    done = subprocess.run(
        [*COMMAND, "--model-name", "m", "--serialized-file", "large.pt", *words],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16)),
    )
    assert done.returncode == 1
    assert "write-failed" in done.stderr
    assert "bug" not in done.stderr


@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_build_that_fails_leaves_nothing_behind(work, temporary, run: Command, archive_format: str) -> None:
    Path("large.pt").write_bytes(os.urandom(1 << 20))
    before = tree(work)
    _fails_while_writing("--archive-format", archive_format, "--export-path", "new/store")
    assert tree(work) == before
    assert tree(temporary) == {}


@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_build_that_fails_leaves_the_good_archive_in_its_place(work, run: Command, archive_format: str) -> None:
    Path("large.pt").write_bytes(os.urandom(1 << 20))
    _make("small.txt")
    words = [
        "--model-name",
        "m",
        "--handler",
        "vllm_handler",
        "--extra-files",
        "small.txt",
        "--archive-format",
        archive_format,
    ]
    assert run(*words).status == 0
    before = tree(work)
    _fails_while_writing("--archive-format", archive_format, "-f")
    assert run(*words, "-f", "--model-file", "none.py").status == 1
    assert tree(work) == before


def test_force_leaves_no_stale_files_in_a_folder(work, run: Command) -> None:
    _make("old/sub/stale.txt", "old/kept.txt", "new/kept.txt")
    words = ["--model-name", "m", "--handler", "vllm_handler", "--archive-format", "no-archive"]
    assert run(*words, "--extra-files", "old").status == 0
    assert run(*words, "--extra-files", "new", "-f").status == 0
    assert members(Path("m")) == {"kept.txt"}
    assert not Path("m/sub").exists()


@pytest.mark.parametrize("archive_format", FORMATS)
def test_the_former_output_is_not_packed(model, run: Command, archive_format: str) -> None:
    words = [
        "--model-name",
        "m",
        "--handler",
        "vllm_handler",
        "--extra-files",
        ".",
        "--archive-format",
        archive_format,
        "-f",
    ]
    assert run(*words).status == 0
    first = members(output("m", archive_format))
    assert run(*words).status == 0
    assert members(output("m", archive_format)) == first == {"model.py", "model.pt", "handler.py", "index_to_name.json"}


@pytest.mark.parametrize("flag", ["--extra-files", "--model-path"])
def test_the_manifest_of_an_unpacked_archive_is_not_packed_again(model, run: Command, flag: str) -> None:
    assert (
        run(
            "--model-name",
            "former",
            "--handler",
            "vllm_handler",
            "--model-file",
            "model.py",
            "--archive-format",
            "no-archive",
        ).status
        == 0
    )
    assert packed(run, flag, "former") == {"model.py"}
    assert list(contents(output("m"))) == ["model.py", SUMS, "MAR-INF/MANIFEST.json"]
    assert manifest(output("m"))["model"]["modelName"] == "m"


def test_what_the_documents_call_excluded_is_excluded(work, run: Command) -> None:
    _make("d/a.txt", "d/.hidden", "d/.git/config", "d/a.pyc", "d/__pycache__/a.pyc", "d/.DS_Store", "d/__MACOSX/x")
    assert packed(run, "--extra-files", "d") == {"a.txt"}


@pytest.mark.parametrize("name", ["a..b", "m\n"])
def test_names_that_no_url_or_file_can_have_are_refused(work, run: Command, name: str) -> None:
    assert "name-invalid" in refused(run, name=name)[0]


@pytest.mark.parametrize(
    "words",
    [["--model-name", "m", "--handler", "vllm_handler", "--model-flie", "x"], ["--runtime", "x"], ["--model-name"]],
)
def test_a_usage_mistake_is_one_line_and_no_traceback(work, words: list[str]) -> None:
    done = subprocess.run([*COMMAND, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("archive_format", ["default", "zip-store", "tgz"])
def test_the_same_input_gives_the_same_bytes(model, run: Command, monkeypatch, archive_format: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    words = [
        "--model-name",
        "m",
        "--handler",
        "vllm_handler",
        "--extra-files",
        ".",
        "--archive-format",
        archive_format,
        "--export-path",
    ]
    assert run(*words, "../one").status == 0
    for path in model.iterdir():
        os.utime(path, (1, 1))
    assert run(*words, "../two").status == 0
    one, two = (output("m", archive_format, Path("..", folder)).read_bytes() for folder in ("one", "two"))
    assert one == two


def test_there_is_progress(model) -> None:
    told: list[int] = []
    config = ModelArchiverConfig(model_name="m", handler="vllm_handler", extra_files=".")
    size = sum(path.stat().st_size for path in model.iterdir())
    package(config, progress=told.append)
    assert sum(told) == size


def test_there_is_a_summary(model, run: Command) -> None:
    assert (
        "wrote m.mar (1 file, " in run("--model-name", "m", "--handler", "vllm_handler", "--model-file", "model.py").err
    )


def test_an_archive_can_be_checked_with_its_sums(model, run: Command) -> None:
    assert run("--model-name", "m", "--handler", "vllm_handler", "--extra-files", ".").status == 0
    packed_files = contents(output("m"))
    sums = dict(reversed(line.split("  ")) for line in packed_files.pop(SUMS).decode().splitlines())
    assert sums == {path: hashlib.sha256(data).hexdigest() for path, data in packed_files.items()}
