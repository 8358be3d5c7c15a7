"""Builds of one name at one time: each ends in a whole archive or a clear refusal, and nobody's bytes are mixed."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from model_archiver import ModelArchiver, ModelArchiverConfig, ModelArchiverError
from tests.archives import FORMATS, contents, members, output, tree
from tests.conftest import Result
from tests.forks import fork, hidden, result, start
from tests.packing import MODEL, make

BUILDS = 12
ROUNDS = 2
REFUSAL = "already exists"


@pytest.fixture
def sources(work: Path) -> list[Path]:
    """Twelve folders with the same names in them and content of their own; in each, one file is large."""
    folders = [work / "sources" / str(build) for build in range(BUILDS)]
    for build, folder in enumerate(folders):
        make(f"{folder}/small.txt", f"{folder}/only_{build}.txt")
        (folder / "large.bin").write_bytes(os.urandom(50_000) * 10)
    return folders


def words_for(archive_format: str, source: Path, *more: str, name: str = "m") -> list[str]:
    words = ["--model-name", name, *MODEL[2:], "--archive-format", archive_format, "--quiet"]
    return [*words, "--export-path", "export/path", "--extra-files", str(source), *more]


def fork_together(commands: list[list[str]], work: Path) -> list[Result]:
    """Run commands that all begin when the last of them is ready."""
    ready, go = os.pipe()

    def wait_for_the_others() -> None:
        os.close(go)
        os.read(ready, 1)

    forks = [fork(words, work / f"err-{number}", wait_for_the_others) for number, words in enumerate(commands)]
    os.close(go)  # the end of the pipe is what they wait for
    results = [child.result() for child in forks]
    os.close(ready)
    return results


def built(archive: Path) -> dict[str, bytes]:
    """What an archive holds besides MAR-INF."""
    packed = contents(archive)
    return {path: packed[path] for path in members(archive)}


def check(results: list[Result], archive: Path, sources: list[Path], *, force: bool) -> None:
    for ended in results:
        if ended.status:
            assert ended.status == 1
            assert len(ended.err.splitlines()) == 1
            assert REFUSAL in ended.err
        else:
            assert ended.err == ""
    assert sum(ended.status == 0 for ended in results) == (len(results) if force else 1)
    assert built(archive) in [tree(source) for source in sources]
    assert list(archive.parent.iterdir()) == [archive]


@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("archive_format", FORMATS)
def test_of_twelve_commands_at_the_same_time_each_succeeds_or_is_refused(
    work, sources, archive_format, force: bool
) -> None:
    more = ["-f"] * force
    processes = [start(*words_for(archive_format, source, *more)) for source in sources]
    check([result(each) for each in processes], output("m", archive_format, Path("export/path")), sources, force=force)


@pytest.mark.parametrize("export_path", ["there", "missing"])
@pytest.mark.parametrize("force", [True, False])
@pytest.mark.parametrize("archive_format", FORMATS)
def test_of_twelve_builds_that_start_together_each_succeeds_or_is_refused(
    work: Path, sources: list[Path], archive_format: str, force: bool, export_path: str
) -> None:
    archive = output("m", archive_format, Path("export/path"))
    for _ in range(ROUNDS):
        if export_path == "there":
            archive.parent.mkdir(parents=True)
        commands = [words_for(archive_format, source, *["-f"] * force) for source in sources]
        check(fork_together(commands, work), archive, sources, force=force)
        Path("export").rename(f"before-{len(list(Path().iterdir()))}")


@pytest.mark.parametrize("archive_format", FORMATS)
def test_twelve_builds_over_a_previous_one_find_and_leave_nothing_half_done(work, sources, archive_format: str) -> None:
    archive = output("m", archive_format, Path("export/path"))
    for _ in range(ROUNDS):
        for number in range(3):
            abandoned = archive.parent / f".m.0000000{number}.building"
            abandoned.mkdir(parents=True)
            (abandoned / "lock").touch()
            (abandoned / "half").write_bytes(b"an archive")
        commands = [words_for(archive_format, source, "-f") for source in sources]
        check(fork_together(commands, work), archive, sources, force=True)


def test_builds_of_other_names_and_formats_at_one_time_do_not_meet(work: Path, sources: list[Path]) -> None:
    builds = [(f"m.{source.name}", FORMATS[int(source.name) % len(FORMATS)], source) for source in sources]
    commands = [words_for(archive_format, source, name=name) for name, archive_format, source in builds]
    assert [ended.status for ended in fork_together(commands, work)] == [0] * BUILDS
    for name, archive_format, source in builds:
        assert built(output(name, archive_format, Path("export/path"))) == tree(source)
    assert hidden(Path("export/path")) == []


def test_refused_builds_leave_no_export_path_behind(work: Path, sources: list[Path]) -> None:
    (sources[0] / "pipe").symlink_to("nowhere")
    ended = fork_together([words_for("default", sources[0])] * BUILDS, work)
    assert [each.status for each in ended] == [1] * BUILDS
    assert not Path("export").exists()


@pytest.mark.parametrize("archive_format", FORMATS)
def test_threads_of_one_program_build_one_name_at_one_time(work, sources: list[Path], archive_format: str) -> None:
    errors: list[BaseException] = []

    def build(source: Path) -> None:
        request = ModelArchiverConfig("m", "vllm_handler", extra_files=source, archive_format=archive_format)
        request.export_path = "export/path"
        try:
            ModelArchiver.generate_model_archive(request)
        except ModelArchiverError as error:
            errors.append(error)

    with ThreadPoolExecutor(BUILDS) as threads:
        list(threads.map(build, sources))
    assert len(errors) == BUILDS - 1
    assert all(REFUSAL in str(error) for error in errors)
    archive = output("m", archive_format, Path("export/path"))
    assert built(archive) in [tree(source) for source in sources]
    assert list(archive.parent.iterdir()) == [archive]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc to see which files are open")
@pytest.mark.parametrize("archive_format", FORMATS)
def test_builds_that_succeed_and_that_fail_leave_no_file_open(work, sources: list[Path], archive_format: str) -> None:
    def build() -> None:
        ModelArchiver.generate_model_archive(
            ModelArchiverConfig("m", "vllm_handler", extra_files=str(sources[0]), archive_format=archive_format)
        )

    build()
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with pytest.raises(ModelArchiverError, match=REFUSAL):
            build()
        output("m", archive_format).rename(f"before-{len(list(Path().iterdir()))}")
        build()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
