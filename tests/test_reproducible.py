"""The same content makes the same bytes, whoever packs it, wherever, whenever, and with however many cores."""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.archives import ONE_FILE_FORMATS, contents, output
from tests.forks import result, start

EPOCH = "1700000000"
LATER = 1_900_000_000


@pytest.fixture
def sources(work: Path) -> Path:
    """A tree with small and large files, stored and deflated ones, and one that may be executed."""
    folder = work / "sources"
    (folder / "package" / "deep").mkdir(parents=True)
    (folder / "weights.bin").write_bytes(os.urandom(3_000_001))
    (folder / "text.txt").write_bytes(b"some words\n" * 400_000)
    (folder / "empty.txt").touch()
    (folder / "package" / "__init__.py").write_text("VALUE = 1\n")
    (folder / "package" / "deep" / "größe.json").write_text("{}")
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o744)
    return folder


def copy_of(sources: Path, copy: Path) -> Path:
    """The same files, made in the opposite order, with other time stamps, modes and owner."""
    paths = sorted(path for path in sources.rglob("*") if path.is_file())
    for path in reversed(paths):
        place = copy / path.relative_to(sources)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
        place.chmod(0o511 if path.stat().st_mode & stat.S_IXUSR else 0o466)
        if os.geteuid() == 0:
            os.chown(place, 1234, 5678)
        os.utime(place, (LATER, LATER))
    return copy


def build(sources: Path, archive_format: str, export_path: Path, *more: str, folder: Path | None = None) -> Path:
    words = ["--model-name", "m", "--handler", "vllm_handler", "--extra-files", str(sources), *more]
    words += ["--export-path", str(export_path), "--archive-format", archive_format]
    ended = result(start(*words, folder=folder, SOURCE_DATE_EPOCH=EPOCH))
    assert ended.status == 0, ended.err
    return output("m", archive_format, export_path)


@pytest.mark.parametrize("archive_format", ONE_FILE_FORMATS)
def test_a_copy_of_the_sources_makes_the_same_bytes(work: Path, sources: Path, archive_format: str) -> None:
    first = build(sources, archive_format, work / "one")
    copy = copy_of(sources, work / "elsewhere" / "copy")
    before = os.umask(0o077)
    try:
        second = build(copy, archive_format, work / "two", "--jobs", "1")
    finally:
        os.umask(before)
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("archive_format", ONE_FILE_FORMATS)
@pytest.mark.parametrize("jobs", ["1", "2", "7"])
def test_the_number_of_cores_and_the_working_directory_do_not_show(work, sources, archive_format, jobs: str) -> None:
    first = build(sources, archive_format, work / "one")
    second = build(Path("sources"), archive_format, Path("two"), "-j", jobs, folder=work)
    assert first.read_bytes() == (work / second).read_bytes()


@pytest.mark.parametrize("archive_format", ONE_FILE_FORMATS)
def test_a_changed_byte_and_a_changed_right_to_execute_do_show(work: Path, sources: Path, archive_format: str) -> None:
    first = build(sources, archive_format, work / "one").read_bytes()
    (sources / "package" / "__init__.py").chmod(0o755)
    second = build(sources, archive_format, work / "two").read_bytes()
    (sources / "package" / "__init__.py").write_text("VALUE = 2\n")
    assert len({first, second, build(sources, archive_format, work / "three").read_bytes()}) == 3


def test_a_folder_made_twice_holds_the_same_files(work: Path, sources: Path) -> None:
    first = build(sources, "no-archive", work / "one")
    second = build(copy_of(sources, work / "copy"), "no-archive", work / "two")
    assert contents(first) == contents(second)
    modes = [
        {path.relative_to(top): path.stat().st_mode for path in top.rglob("*") if path.is_file()}
        for top in (first, second)
    ]
    assert modes[0] == modes[1]


def test_a_zip_says_nothing_of_where_its_files_come_from(work: Path, sources: Path) -> None:
    copy = copy_of(sources, work / "copy")
    with zipfile.ZipFile(build(copy, "default", work)) as opened:
        assert opened.comment == b""
        assert len(opened.namelist()) == 8
        for info in opened.infolist():
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert stat.filemode(info.external_attr >> 16) == _mode(info.filename)
            assert (info.extra, info.comment, info.create_system) == (b"", b"", 3)


def test_a_tar_says_nothing_of_where_its_files_come_from(work: Path, sources: Path) -> None:
    archive = build(copy_of(sources, work / "copy"), "tgz", work)
    with tarfile.open(archive) as opened:
        assert len(opened.getmembers()) == 8
        for info in opened.getmembers():
            assert (info.uid, info.gid, info.uname, info.gname, info.mtime) == (0, 0, "", "", 315532800)
            assert stat.filemode(stat.S_IFREG | info.mode) == _mode(info.name)
            assert set(info.pax_headers) <= {"path"}
    # No name, no comment, no time, no operating system.
    assert archive.read_bytes()[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


def _mode(name: str) -> str:
    return "-rwxr-xr-x" if name.endswith("run.sh") else "-rw-r--r--"


@pytest.mark.parametrize("archive_format", ONE_FILE_FORMATS)
def test_without_a_given_moment_only_the_manifest_differs(work: Path, sources: Path, archive_format: str) -> None:
    first = contents(build(sources, archive_format, work / "one"))
    words = ["--model-name", "m", "--handler", "vllm_handler", "--extra-files", sources, "--export-path", "two"]
    assert result(start(*words, "--archive-format", archive_format, folder=work)).status == 0
    second = contents(output("m", archive_format, work / "two"))
    assert list(first) == list(second)
    assert {path for path in first if first[path] != second[path]} == {"MAR-INF/MANIFEST.json", "MAR-INF/SHA256SUMS"}
