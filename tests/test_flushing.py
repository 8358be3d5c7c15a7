"""An archive is on the disk before it takes its place: a crash leaves the previous one or the whole new one."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.archives import FORMATS, MANIFEST, output
from tests.conftest import Command
from tests.packing import MODEL, make


@dataclass(frozen=True)
class Flush:
    """What was flushed, how large it was then, and what was at the target."""

    inode: int
    size: int
    at_target: int | None


@pytest.fixture
def flushes(monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], list[Flush]]:
    """Starts to note what is flushed, and beside which target."""

    def note(target: Path) -> list[Flush]:
        noted: list[Flush] = []
        fsync = os.fsync

        def noting(descriptor: int) -> None:
            status = os.fstat(descriptor)
            noted.append(Flush(status.st_ino, status.st_size, inode(target) if target.exists() else None))
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", noting)
        return noted

    return note


def inode(path: Path) -> int:
    return path.stat().st_ino


def files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]


@pytest.mark.parametrize("replaces", [False, True])
@pytest.mark.parametrize("archive_format", FORMATS)
def test_an_archive_is_flushed_before_it_gets_its_name(model, run, flushes, archive_format, replaces) -> None:
    words = [*MODEL, "--extra-files", "model.pt,model.py", "--archive-format", archive_format, "-f"]
    target = output("m", archive_format)
    if replaces:
        assert run(*words).status == 0
    previous = inode(target) if replaces else None
    noted = flushes(target)
    assert run(*words).status == 0
    for file in files(target):
        assert Flush(inode(file), file.stat().st_size, previous) in noted, file
    assert any(flush.inode == inode(Path()) and flush.at_target == inode(target) for flush in noted)


def test_a_manifest_in_place_is_flushed_before_it_gets_its_name(model, run: Command, flushes) -> None:
    Path("store/m").mkdir(parents=True)
    Path("model.py").rename("store/m/model.py")
    target = Path("store/m", MANIFEST)
    noted = flushes(target)
    words = ["--model-path", "store/m", "--export-path", "store", "--archive-format", "no-archive"]
    assert run(*MODEL, *words).status == 0
    assert Flush(inode(target), target.stat().st_size, None) in noted


def test_a_folder_of_many_files_is_flushed_by_one_call_or_file_by_file(work, run, flushes, monkeypatch) -> None:
    make(*(f"d/{number}.txt" for number in range(100)))
    at_once: list[bool] = []

    def sync_file_system(folder: Path) -> bool:
        assert not Path("m").exists()
        at_once.append(len(files(folder)) == 102)
        return len(at_once) > 1

    monkeypatch.setattr("model_archiver.writing.os_calls._sync_file_system", sync_file_system)
    noted = flushes(Path("m"))
    words = [*MODEL, "--extra-files", "d", "--archive-format", "no-archive"]
    assert run(*words).status == 0
    assert {inode(file) for file in files(Path("m"))} <= {flush.inode for flush in noted}
    noted.clear()
    Path("m").rename("previous")
    assert run(*words).status == 0
    assert at_once == [True, True]
    assert len(noted) < 10
