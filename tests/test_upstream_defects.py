"""What torch-model-archiver 0.12.0 and model-archiver 1.0 get wrong and no other file tests."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import pytest

from model_archiver import ModelArchiverConfig
from model_archiver.commands.package import package
from tests.archives import FORMATS, SUMS, contents, members, tree
from tests.conftest import Command
from tests.forks import fork, on_rename_to, stop
from tests.packing import MODEL, build, make


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that TMPDIR names."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_folder_in_tmpdir_with_the_models_name_stays(model, temporary, run: Command, archive_format: str) -> None:
    (temporary / "m").mkdir()
    (temporary / "m/thesis.txt").write_text("years of work")
    before = tree(temporary)
    for _ in range(2):
        build(run, "--extra-files", ".", "-f", archive_format=archive_format)
    assert run(*MODEL, "--model-file", "none.py").status == 1
    assert tree(temporary) == before


def test_no_archive_into_tmpdir_keeps_its_result(model, temporary, run: Command) -> None:
    folder = build(run, "--model-file", "model.py", archive_format="no-archive", to=temporary)
    assert members(folder) == {"model.py"}


def test_builds_of_one_name_at_a_time_do_not_mix(work, temporary) -> None:
    """Each has written all its files, and waits to give the archive its name, while the others do the same."""
    builds = []
    for number in range(4):
        make(f"{number}/only{number}.txt", f"{number}/common.txt")
        target = Path(f"out{number}/m.mar")
        words = [*MODEL, "-f", "--extra-files", str(number), "--export-path", f"out{number}"]
        builds.append(fork(words, work / f"err{number}", partial(on_rename_to, target, stop)))
    for each in builds:
        each.wait_until_stopped()
    assert [each.go_on().status for each in builds] == [0] * 4
    for number in range(4):
        archive = contents(Path(f"out{number}/m.mar"))
        assert {path for path in archive if "MAR-INF" not in path} == {f"only{number}.txt", "common.txt"}
        assert archive["common.txt"] == f"{number}/common.txt".encode()


@pytest.mark.parametrize("archive_format", FORMATS)
@pytest.mark.parametrize("seconds", [0, -86400, 4_500_000_000])
def test_file_times_do_not_matter(model, run: Command, archive_format: str, seconds: int) -> None:
    try:
        os.utime("model.py", (seconds, seconds))
    except (OSError, OverflowError):
        pytest.skip("this file system has no such time")
    assert members(build(run, "--model-file", "model.py", archive_format=archive_format)) == {"model.py"}


@pytest.mark.parametrize("archive_format", FORMATS)
@pytest.mark.parametrize("replaces", [False, True])
def test_a_build_that_fails_while_writing_changes_nothing(work, temporary, run, archive_format, replaces: bool) -> None:
    """Its output must not grow beyond 64 KiB, as on a disk with a quota."""
    Path("large.pt").write_bytes(os.urandom(1 << 20))
    if replaces:
        build(run, archive_format=archive_format, to="new/store")
    before = tree(work)
    words = ["--archive-format", archive_format, "--export-path", "new/store", "-f"]
    done = subprocess.run(
        [sys.executable, "-m", "model_archiver", *MODEL, "--serialized-file", "large.pt", *words],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16)),
    )
    assert done.returncode == 1
    assert "write-failed" in done.stderr
    assert "bug" not in done.stderr
    assert tree(work) == before
    assert tree(temporary) == {}


@pytest.mark.parametrize(("archive_format", "link"), [*((each, False) for each in FORMATS), ("no-archive", True)])
def test_there_is_progress_also_within_a_large_file(model, archive_format: str, link: bool) -> None:
    (model / "large.bin").write_bytes(bytes(40 << 20))
    counts: list[int] = []
    config = ModelArchiverConfig("m", "vllm_handler", extra_files=".", archive_format=archive_format, link=link)
    size = sum(path.stat().st_size for path in model.iterdir())
    package(config, progress=counts.append)
    assert sum(counts) == size
    assert max(counts) <= size / 2


def test_an_archive_can_be_checked_with_its_sums(model, run: Command) -> None:
    packed_files = contents(build(run, "--extra-files", "."))
    sums = dict(reversed(line.split("  ")) for line in packed_files.pop(SUMS).decode().splitlines())
    assert sums == {path: hashlib.sha256(data).hexdigest() for path, data in packed_files.items()}
