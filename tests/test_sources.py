"""Sources are read and never changed. One that changes meanwhile, or a full disk, costs the build and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from model_archiver.commands.package import package
from model_archiver.core.plan import FileSource
from model_archiver.core.problems import MissingInputError, ModelArchiverError
from model_archiver.core.request import ModelArchiverConfig
from tests.archives import FORMATS, contents, output, tree
from tests.conftest import Command
from tests.forks import as_nobody, stopped
from tests.packing import MODEL, make

MEGABYTE = 1 << 20
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small file system or be another user")


def words_for(archive_format: str, *sources: object, to: object = "out") -> list[str]:
    words = [*MODEL, "-f", "--archive-format", archive_format, "--quiet", "--export-path", str(to)]
    return [*words, "--extra-files", ",".join(map(str, sources))]


def _write(file: Path, mode: str, data: bytes) -> None:
    with file.open(mode) as opened:
        opened.write(data)


CHANGES: dict[str, Callable[[Path], object]] = {
    "touched": lambda file: os.utime(file, ns=(1, 1)),
    "written to": lambda file: _write(file, "r+b", b"something else"),
    "grown": lambda file: _write(file, "ab", b"more"),
    "cut short": lambda file: os.truncate(file, file.stat().st_size // 2),
}
REPLACEMENTS: dict[str, Callable[[Path], object]] = {
    "replaced": lambda file: shutil.copy(file, "other") and Path("other").replace(file),
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "a pipe": lambda file: (file.unlink(), os.mkfifo(file)),
    "gone": Path.unlink,
}


@pytest.mark.parametrize("change", CHANGES | REPLACEMENTS)
@pytest.mark.parametrize("size", [1000, 3 * MEGABYTE])
@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_source_that_changes_before_its_turn_is_an_error(work, run, archive_format, size: int, change: str) -> None:
    make("previous.txt")
    assert run(*words_for(archive_format, "previous.txt")).status == 0
    before = tree(Path("out"))
    source = Path("weights.bin")
    source.write_bytes(os.urandom(size))
    build = stopped(words_for(archive_format, "previous.txt", source))
    (CHANGES | REPLACEMENTS)[change](source)
    ended = build.go_on()
    assert ended.status == 1
    assert len(ended.lines) == 1
    assert "weights.bin: " in ended.err
    assert tree(Path("out")) == before


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_source_that_changes_while_it_is_read_is_an_error(work: Path, archive_format: str, change: str) -> None:
    source = Path("weights.bin")
    with source.open("wb") as file:
        file.truncate(40 * MEGABYTE)
    done = 0

    def progress(count: int) -> None:
        nonlocal done
        done += count
        if done == count and count:
            CHANGES[change](source)

    config = ModelArchiverConfig("m", "vllm_handler", extra_files=source, archive_format=archive_format)
    with pytest.raises(ModelArchiverError, match="file-changed"):
        package(config, progress=progress)
    assert 0 < done < 40 * MEGABYTE + 1
    assert [path.name for path in work.iterdir()] == ["weights.bin"]


@pytest.mark.parametrize("change", CHANGES | REPLACEMENTS)
def test_a_source_is_read_only_as_it_was_when_the_build_was_planned(work: Path, change: str) -> None:
    file = work / "weights.bin"
    file.write_bytes(bytes(2 * MEGABYTE))
    source = FileSource.from_stat(file, file.stat())
    with source.open() as opened:
        assert len(opened.read()) == 2 * MEGABYTE
    (CHANGES | REPLACEMENTS)[change](file)
    with pytest.raises((ModelArchiverError, IsADirectoryError)) as raised, source.open():
        pass
    assert isinstance(raised.value, MissingInputError) == (change == "gone")


@pytest.mark.parametrize(("archive_format", "link"), [*((each, False) for each in FORMATS), ("no-archive", True)])
def test_sources_are_never_changed(model: Path, run: Command, archive_format: str, link: bool) -> None:
    Path("large.bin").write_bytes(os.urandom(MEGABYTE))
    Path("large.bin").chmod(0o400)
    files = [path for path in model.iterdir() if path.is_file()]
    before = {path: (path.read_bytes(), _status(path)) for path in files}
    more = ["--link"] * link
    assert run(*words_for(archive_format, *files), *more).status == 0
    assert run(*words_for(archive_format, *files[1:]), *more).status == 0
    assert {path: (path.read_bytes(), _status(path)) for path in files} == before


def _status(path: Path) -> tuple[int, ...]:
    status = path.stat()
    return status.st_mode, status.st_uid, status.st_size, status.st_mtime_ns, status.st_ino


@pytest.mark.parametrize("archive_format", ["zip-store", "no-archive"])
def test_a_build_that_cannot_fit_on_the_disk_is_refused_before_it_begins(work, run, archive_format: str) -> None:
    with Path("weights.bin").open("wb") as file:
        file.truncate(1 << 43)  # 8 TiB, of which nothing is on the disk
    ended = run(*words_for(archive_format, "weights.bin"))
    assert ended.status == 1
    assert ended.errors[0].startswith(f"{Path('out').resolve()}")
    assert "8.0 TiB are needed" in ended.errors[0]
    assert not Path("out").exists()


def test_what_shrinks_enough_to_fit_is_not_refused(work: Path, small_disk: Path, run: Command) -> None:
    with Path("weights.bin").open("wb") as file:
        file.truncate(200 * MEGABYTE)
    assert run(*words_for("default", "weights.bin", to=small_disk)).status == 0
    assert output("m", "default", small_disk).stat().st_size < MEGABYTE


@pytest.fixture
def small_disk(work: Path) -> Iterator[Path]:
    yield from _mounted(work / "disk", "size=8m")


@pytest.fixture
def disk_of_few_files(work: Path) -> Iterator[Path]:
    """A file system that takes two names."""
    yield from _mounted(work / "disk", "size=8m,nr_inodes=3")


@pytest.fixture
def sharing_disk(work: Path) -> Iterator[Path]:
    """A small XFS, whose files can share blocks, mounted from a file."""
    with Path("image").open("wb") as file:
        file.truncate(400 * MEGABYTE)
    if not shutil.which("mkfs.xfs"):
        pytest.skip("no XFS can be made here")
    subprocess.run(["mkfs.xfs", "-q", "-m", "reflink=1", "image"], check=True)
    yield from _mounted(work / "disk", "loop", kind="xfs", device="image")


def _mounted(folder: Path, options: str, kind: str = "tmpfs", device: str = "none") -> Iterator[Path]:
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", kind, "-o", options, device, folder], capture_output=True, check=False)
    if mounted.returncode:
        reason = mounted.stderr.decode().partition("\n")[0]
        pytest.skip(f"no file system can be mounted: {reason}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


@AS_ROOT
@pytest.mark.parametrize("kind", ["one large file", "many small files"])
@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_disk_that_becomes_full_leaves_the_previous_archive(work, small_disk, run, archive_format, kind: str) -> None:
    folder = work / "sources"
    folder.mkdir()
    count = 1 if kind == "one large file" else 200
    for number in range(count):
        (folder / f"{number}.bin").write_bytes(os.urandom(20 * MEGABYTE // count))
    make("previous.txt")
    assert run(*words_for(archive_format, "previous.txt", to=small_disk)).status == 0
    before = tree(small_disk)
    ended = run(*words_for(archive_format, folder, to=small_disk))
    assert ended.status == 1
    assert len(ended.lines) == 1
    assert "No space left on device; free some space" in ended.err
    assert "[disk-full]" in ended.err
    assert tree(small_disk) == before


@AS_ROOT
def test_a_disk_without_room_for_a_lock_is_left_as_it_was(model: Path, disk_of_few_files: Path, run: Command) -> None:
    (disk_of_few_files / "taken").touch()
    ended = run(*words_for("default", "model.pt", to=disk_of_few_files))
    assert (ended.status, len(ended.errors)) == (1, 1)
    assert "[disk-full]" in ended.err
    assert tree(disk_of_few_files) == {"taken": b""}


@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_build_into_a_folder_that_is_not_writable_is_refused(model: Path, archive_format: str) -> None:
    Path("out").mkdir(0o555)
    ended = as_nobody(words_for(archive_format, "model.pt"), model)
    assert ended.status == 1
    assert "out: is not writable (--export-path); choose a folder" in ended.err.splitlines()[0]
    assert ended.err.splitlines()[0].endswith("[export-path-invalid]")
    assert tree(Path("out")) == {}


@AS_ROOT
@pytest.mark.parametrize("pattern", ["d/closed/*", "d/*/a.txt", "d/**/a.txt", "d/closed/a.txt,d/?.txt"])
def test_a_closed_folder_in_a_pattern_is_an_error(model: Path, pattern: str) -> None:
    make("d/closed/a.txt", "d/b.txt")
    Path("out").mkdir()
    Path("out").chmod(0o777)
    Path("d/closed").chmod(0)
    ended = as_nobody([*MODEL, "--extra-files", pattern, "--export-path", "out"], model)
    assert ended.status == 1
    assert all("d/closed" in line and "Permission denied" in line for line in ended.errors), ended.err


@AS_ROOT
def test_a_closed_export_path_is_one_line(model: Path) -> None:
    Path("closed").mkdir()
    Path("closed").chmod(0)
    ended = as_nobody([*MODEL, "--export-path", "closed"], model)
    assert (ended.status, len(ended.lines)) == (1, 1), ended.err


def test_a_disk_that_fails_while_a_source_is_read_names_the_source(work: Path) -> None:
    make("weights.pt")
    source = FileSource.from_stat(Path("weights.pt"), Path("weights.pt").stat())
    with pytest.raises(OSError, match=r"weights\.pt"), source.open():
        raise OSError(5, "Input/output error")


@AS_ROOT
def test_what_another_user_left_is_named_and_does_not_stop_a_build(model: Path) -> None:
    out = Path("out")
    out.mkdir()
    out.chmod(0o1777)
    abandoned = out / ".m.01234567.building"
    abandoned.mkdir(0o700)
    (abandoned / "lock").touch()
    ended = as_nobody(words_for("default", "model.pt"), model)
    place = f"{abandoned.resolve()} is a temporary folder of another user's build"
    warning = f"torch-model-archiver: warning: {place}; if that build no longer runs, ask them to remove it\n"
    assert (ended.status, ended.err) == (0, warning)
    assert sorted(path.name for path in out.iterdir()) == [abandoned.name, "m.mar"]


@AS_ROOT
def test_a_previous_folder_with_a_read_only_folder_in_it_is_replaced(model: Path) -> None:
    Path("out").mkdir()
    Path("out").chmod(0o777)
    make("sources/package/a.py")
    assert as_nobody(words_for("no-archive", "sources"), model).status == 0
    Path("out/m/package").chmod(0o555)
    ended = as_nobody(words_for("no-archive", "model.pt"), model)
    assert (ended.status, ended.err) == (0, "")
    assert [path.name for path in Path("out").iterdir()] == ["m"]


@AS_ROOT
def test_a_folder_that_is_writable_and_not_listable_takes_an_archive(model: Path) -> None:
    Path("out").mkdir()
    Path("out").chmod(0o733)
    for archive_format in ("default", "no-archive"):
        ended = as_nobody(words_for(archive_format, "model.pt"), model)
        assert (ended.status, ended.err) == (0, "")
    assert {path.name for path in Path("out").iterdir()} == {"m.mar", "m"}


@AS_ROOT
def test_a_folder_shares_the_blocks_of_its_sources_and_fits_where_a_copy_would_not(sharing_disk: Path, run) -> None:
    weights = sharing_disk / "weights.pt"
    weights.write_bytes(os.urandom(MEGABYTE) * 200)
    words = ["--model-name", "m", "--serialized-file", weights, "--export-path", sharing_disk]
    assert "[disk-full]" in run(*words, "--archive-format", "zip-store").errors[0]
    before = os.statvfs(sharing_disk).f_bavail
    result = run(*words, "--archive-format", "no-archive")
    assert result.status == 0, result.err
    used = (before - os.statvfs(sharing_disk).f_bavail) * os.statvfs(sharing_disk).f_frsize
    assert used < 10 * MEGABYTE
    assert contents(sharing_disk / "m")["weights.pt"] == weights.read_bytes()
    assert sorted(path.name for path in sharing_disk.iterdir()) == ["m", "weights.pt"]
