"""The folder as an output: over nothing, over a previous build, and over a folder with somebody's own files in it."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from model_archiver.writing import os_calls
from tests.archives import MANIFEST, SUMS, contents, members, tree
from tests.conftest import Command, Result
from tests.forks import as_nobody, at_call, fail, fork, hidden, kill, on_rename_to, stopped
from tests.packing import make

MEGABYTE = 1 << 20
TARGET = Path("out/m")


def words_for(*sources: object) -> list[str]:
    words = ["--model-name", "m", "--archive-format", "no-archive", "--quiet", "--export-path", "out"]
    return [*words, "--handler", "vllm_handler", "--extra-files", ",".join(map(str, sources))]


def build(run: Command, *sources: object, more: tuple[str, ...] = ("-f",)) -> None:
    ended = run(*words_for(*sources), *more)
    assert (ended.status, ended.err) == (0, "")
    assert hidden(Path("out")) == []


def refused(ended: Result, code: str) -> None:
    assert ended.status == 1
    assert len(ended.errors) == len(ended.err.splitlines()) == 1
    assert ended.errors[0].endswith(f"[{code}]")
    assert hidden(Path("out")) == []


def keep_all(ended: Callable[[], Result], code: str) -> None:
    """See that a build is refused and leaves everything below ``out`` as it was."""
    before = tree(Path("out"))
    refused(ended(), code)
    assert tree(Path("out")) == before


@pytest.fixture
def sources(work: Path) -> Path:
    """Two small files, one of them in a folder, and a larger one."""
    (work / "sources" / "package").mkdir(parents=True)
    (work / "sources" / "a.txt").write_text("a")
    (work / "sources" / "package" / "b.py").write_text("b")
    (work / "sources" / "weights.bin").write_bytes(os.urandom(MEGABYTE))
    return Path("sources")


@pytest.fixture
def previous(sources: Path, run: Command) -> Path:
    """A previous build of these sources, which then become fewer and others."""
    build(run, sources, more=())
    (sources / "weights.bin").unlink()
    shutil.rmtree(sources / "package")
    (sources / "a.txt").write_text("another a")
    (sources / "new.txt").write_text("new")
    return TARGET


def test_a_folder_that_is_as_a_previous_build_left_it_is_exchanged(previous: Path, run: Command) -> None:
    inode = previous.stat().st_ino
    build(run, "sources")
    assert previous.stat().st_ino != inode
    assert members(previous) == {"a.txt", "new.txt"}
    assert {path.name for path in previous.iterdir()} == {"a.txt", "new.txt", "MAR-INF"}


CHANGES = {
    "a file more": lambda folder: (folder / "mine.txt").write_text("mine"),
    "a hidden file more": lambda folder: (folder / ".mine").write_text("mine"),
    "an empty folder more": lambda folder: (folder / "mine").mkdir(),
    "a link more": lambda folder: (folder / "mine").symlink_to("a.txt"),
    "a file changed": lambda folder: (folder / "package" / "b.py").write_text("c"),
    "a file replaced by a link": lambda folder: [(folder / "a.txt").unlink(), (folder / "a.txt").symlink_to("../../x")],
    "a file in MAR-INF": lambda folder: (folder / "MAR-INF" / "notes.txt").write_text("mine"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_folder_in_which_anything_else_is_keeps_what_is_not_ours(previous: Path, run: Command, change: str) -> None:
    Path("x").write_text("not in the target")
    CHANGES[change](previous)
    inode = previous.stat().st_ino
    before = tree(previous)
    build(run, "sources")
    after = tree(previous)
    assert previous.stat().st_ino == inode
    assert Path("x").read_text() == "not in the target"
    ours = {"a.txt", "new.txt", "MAR-INF", MANIFEST, SUMS}
    theirs = {"mine.txt", ".mine", "mine", "MAR-INF/notes.txt"}
    if change == "a file changed":
        theirs |= {"package", "package/b.py"}
    assert set(after) == ours | (theirs & set(before))
    assert {path: after[path] for path in theirs & set(before)} == {path: before[path] for path in theirs & set(before)}
    assert after["a.txt"] == b"another a"


def test_a_folder_that_no_build_made_keeps_all_its_files(sources: Path, run: Command) -> None:
    (TARGET / "package").mkdir(parents=True)
    (TARGET / "package" / "theirs.py").write_text("theirs")
    (TARGET / "a.txt").write_text("replaced")
    build(run, sources)
    assert members(TARGET) == {"a.txt", "package/b.py", "package/theirs.py", "weights.bin"}
    assert (TARGET / "a.txt").read_text() == "a"


def test_an_empty_folder_is_filled(sources: Path, run: Command) -> None:
    TARGET.mkdir(parents=True)
    build(run, sources)
    assert members(TARGET) == {"a.txt", "package/b.py", "weights.bin"}


def test_sums_that_name_files_outside_remove_none(previous: Path, run: Command) -> None:
    outside = [Path("outside.txt"), Path("out/beside.txt")]
    for path in outside:
        path.write_text("theirs")
    digest = hashlib.sha256(b"theirs").hexdigest()
    with (previous / SUMS).open("a") as sums:
        for path in ["../../outside.txt", "../beside.txt", "package/../../beside.txt", outside[0].resolve(), ".", "/"]:
            sums.write(f"{digest}  {path}\n")
        sums.write(f"{digest}  {'n' * 300}\n{digest}  a\0b\nno sum at all\n\n")
    build(run, "sources")
    assert [path.read_text() for path in outside] == ["theirs", "theirs"]
    assert members(previous) == {"a.txt", "new.txt"}


def test_links_to_files_are_replaced_and_not_written_through(sources: Path, run: Command) -> None:
    Path("theirs.txt").write_text("theirs")
    (TARGET / "MAR-INF").mkdir(parents=True)
    for name in ("a.txt", MANIFEST, SUMS):
        (TARGET / name).symlink_to(Path("theirs.txt").resolve())
    build(run, sources)
    assert Path("theirs.txt").read_text() == "theirs"
    assert (TARGET / "a.txt").read_text() == "a"
    assert not any((TARGET / name).is_symlink() for name in ("a.txt", MANIFEST, SUMS))


@pytest.mark.parametrize("name", ["package", "MAR-INF"])
def test_nothing_is_written_through_a_link_to_a_folder(sources: Path, run: Command, name: str) -> None:
    Path("theirs").mkdir()
    TARGET.mkdir(parents=True)
    (TARGET / name).symlink_to(Path("theirs").resolve())
    keep_all(lambda: run(*words_for(sources), "-f"), "target-in-the-way")
    assert list(Path("theirs").iterdir()) == []


OBSTACLES = {
    "a file where a folder goes": lambda: make("out/m/package"),
    "a folder where a file goes": lambda: make("out/m/a.txt/theirs.txt"),
    "an empty folder where a file goes": (TARGET / "a.txt").mkdir,
    "a folder with a link where a file goes": lambda: [
        (TARGET / "a.txt").mkdir(),
        (TARGET / "a.txt/l").symlink_to(".."),
    ],
    "a file where MAR-INF goes": lambda: make("out/m/MAR-INF"),
    "a folder where the manifest goes": lambda: (TARGET / MANIFEST).mkdir(parents=True),
}


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("obstacle", OBSTACLES)
def test_something_in_the_way_is_an_error_and_all_stays_as_it_was(sources: Path, run: Command, obstacle, when) -> None:
    make("out/m/zz.txt", text="theirs")
    words = [*words_for(sources), "-f"]
    running = stopped(words) if when == "meanwhile" else None
    OBSTACLES[obstacle]()
    keep_all(running.go_on if running else lambda: run(*words), "target-in-the-way")


def test_a_folder_with_many_files_is_in_the_way_once(sources: Path, run: Command) -> None:
    make(*(f"sources/package/{number}.py" for number in range(5)), "out/m/package", "out/m/MAR-INF")
    assert len(run(*words_for(sources), "-f").errors) == 2


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be another user")
@pytest.mark.parametrize("name", ["", "package", "MAR-INF"])
def test_a_folder_that_is_not_writable_is_in_the_way(sources: Path, work: Path, name: str) -> None:
    for folder in ("package", "MAR-INF"):
        (TARGET / folder).mkdir(parents=True)
    (TARGET / "a.txt").write_text("theirs")
    for folder in [Path("out"), *(path for path in Path("out").rglob("*") if path.is_dir())]:
        folder.chmod(0o777)
    (TARGET / name).chmod(0o555)
    keep_all(lambda: as_nobody([*words_for(sources), "-f"], work), "target-in-the-way")


def test_a_folder_of_stale_files_makes_way_for_a_file_and_the_other_way_round(work: Path, run: Command) -> None:
    make("one/x/a.txt", "one/y", "two/x", "two/y/b.txt")
    build(run, "one", more=())
    make("out/m/mine.txt")
    build(run, "two")
    assert members(TARGET) == {"mine.txt", "x", "y/b.txt"}


def test_a_target_made_meanwhile_is_not_replaced_without_force(sources: Path, work: Path) -> None:
    running = stopped(words_for(sources))
    make("out/m/theirs.txt")
    keep_all(running.go_on, "target-exists")


CALLS = 40
"""More than a build of these few files makes."""


@pytest.fixture
def merged(previous: Path, run: Command, monkeypatch) -> dict[str, bytes]:
    """What a build of these sources makes of the folder ``out``, in which files of the user's own are, too."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    make("sources/deep/er/c.txt", "out/m/mine.txt", "out/m/new.txt")
    Path("out").rename("before")
    restore()
    build(run, "sources")
    after = files()
    restore()
    return after


def restore() -> None:
    shutil.rmtree("out", ignore_errors=True)
    shutil.copytree("before", "out", symlinks=True)


def files() -> dict[str, bytes]:
    """What is in the target's folder, but for what a killed build leaves: a staging directory and empty folders."""
    return {path: text for path, text in contents(Path("out")).items() if ".building" not in path}


@pytest.mark.parametrize("links", [True, False])
def test_a_merge_killed_at_any_call_leaves_no_manifest_unless_the_folder_is_whole(merged, work: Path, links) -> None:
    before, words, states = files(), [*words_for("sources"), "-f"], []
    for number in range(1, CALLS):
        fork(words, work / "err", partial(at_call, number, kill, links=links)).result()
        left = files()
        states.append("before" if left == before else "after" if left == merged else f"m/{MANIFEST}" in left)
        assert left["m/mine.txt"] == b"out/m/mine.txt"
        assert links <= (left.get("m/new.txt") in (b"out/m/new.txt", b"new"))
        assert fork(words, work / "err").result().status == 0
        assert files() == merged
        assert hidden(Path("out")) == []
        restore()
    assert sorted(states, key=["before", False, "after"].index) == states
    assert {*states} == {"before", False, "after"}


@pytest.mark.parametrize("links", [True, False])
def test_a_merge_that_fails_at_any_call_restores_everything(merged, work: Path, links: bool) -> None:
    before, words, failures = tree(Path("out")), [*words_for("sources"), "-f"], 0
    for number in range(1, CALLS):
        hook = partial(at_call, number, fail, below=str(TARGET.resolve()), links=links)
        ended = fork(words, work / "err", hook).result()
        if ended.status == 0:
            assert files() == merged
            restore()
        else:
            failures += 1
            refused(ended, "write-failed")
            assert ".building" not in ended.err
            assert tree(Path("out")) == before
    assert failures >= 10


@pytest.mark.parametrize("first", range(3, 9))
def test_a_merge_that_cannot_be_undone_keeps_what_it_replaced_and_writes_no_manifest(merged, work: Path, first) -> None:
    before, words, done = files(), [*words_for("sources"), "-f"], [0]

    def fail_from(event: str, arguments: tuple[object, ...]) -> None:
        done[0] += event == "os.rename" and str(TARGET.resolve()) in str(arguments)
        if event == "os.rename" and done[0] >= first and "/MAR-INF" not in str(arguments[1]):
            fail()

    ended = fork(words, work / "err", lambda: sys.addaudithook(fail_from)).result()
    if ended.status == 0:
        pytest.skip("the build has no such call")
    if files() != before:
        assert f"m/{MANIFEST}" not in files()
        [kept] = Path("out").glob(".m.*/replaced")
        assert str(kept.resolve()) in ended.err
        left = {path.relative_to(kept).as_posix() for path in kept.rglob("*") if path.is_file()}
        assert before.keys() <= files().keys() | {f"m/{path}" for path in left}
        assert fork(words, work / "err").result().status == 0
        assert left == {path.relative_to(kept).as_posix() for path in kept.rglob("*") if path.is_file()}
        assert all(before[f"m/{path}"] == (kept / path).read_bytes() for path in left)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
def test_a_merge_keeps_the_permissions_of_folders(sources: Path, run: Command) -> None:
    (TARGET / "MAR-INF").mkdir(parents=True)
    (TARGET / MANIFEST).write_text("{}")
    (TARGET / "mine.txt").write_text("mine")
    (TARGET / "MAR-INF").chmod(0o2770)
    build(run, sources)
    assert (TARGET / "MAR-INF").stat().st_mode & 0o7777 == 0o2770


def test_a_merge_that_cannot_read_something_is_complete_or_fails(merged, work: Path) -> None:
    before, words, failures, out = files(), [*words_for("sources"), "-f"], 0, str(Path("out").resolve())
    for number in range(1, CALLS):
        hook = partial(at_call, number, fail, ("os.scandir", "open"), out)
        ended = fork(words, work / "err", hook).result()
        failures += ended.status
        assert files() == (before if ended.status else merged)
        restore()
    assert failures > 10


@pytest.mark.parametrize("theirs", [True, False])
def test_over_a_folder_of_hard_links_the_sources_stay_unchanged(sources: Path, run: Command, theirs: bool) -> None:
    build(run, sources, more=("--link",))
    if theirs:
        (TARGET / "mine.txt").write_text("mine")
    before = tree(sources)
    build(run, sources, more=("--link", "-f"))
    build(run, sources)
    assert tree(sources) == before
    assert not (TARGET / "a.txt").samefile(sources / "a.txt")
    assert tree(TARGET).items() >= {**before, **({"mine.txt": b"mine"} if theirs else {})}.items()


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="needs sha256sum")
def test_the_sums_are_those_of_the_files(previous: Path, run: Command) -> None:
    subprocess.run(["sha256sum", "--quiet", "--strict", "-c", SUMS], cwd=previous, check=True)
    (previous / "mine.txt").touch()
    build(run, "sources")
    subprocess.run(["sha256sum", "--quiet", "--strict", "-c", SUMS], cwd=previous, check=True)


@pytest.mark.parametrize(
    ("umask", "file", "program", "folder"),
    [(0o022, 0o644, 0o755, 0o755), (0o002, 0o664, 0o775, 0o775), (0o077, 0o600, 0o700, 0o700)],
)
def test_modes_follow_the_users_umask(sources, run: Command, umask: int, file: int, program: int, folder: int) -> None:
    (sources / "a.txt").chmod(0o400)
    (sources / "package" / "b.py").chmod(0o711)
    before = os.umask(umask)
    try:
        build(run, sources)
    finally:
        os.umask(before)
    modes = {path.relative_to(TARGET).as_posix(): path.stat().st_mode & 0o7777 for path in TARGET.rglob("*")}
    assert modes["package/b.py"] == program
    assert {modes[path] for path in ("a.txt", "weights.bin", MANIFEST, SUMS)} == {file}
    assert {modes["package"], modes["MAR-INF"], TARGET.stat().st_mode & 0o7777} == {folder}


class TestInPlace:
    """The target is the folder of --model-path itself."""

    @pytest.fixture
    def folder(self, work: Path) -> Path:
        TARGET.mkdir(parents=True)
        (TARGET / "service.py").write_text("def handle(data, context):\n    return data\n")
        (TARGET / "notes.pyc").write_text("left out elsewhere")
        return TARGET

    def words(self, *more: str) -> list[str]:
        return [*words_for()[:-4], "--handler", "service:handle", "--model-path", "out/m", *more]

    def test_only_the_manifest_is_written(self, folder: Path, run_mms: Command) -> None:
        before = tree(folder)
        inodes = {path: path.stat().st_ino for path in folder.iterdir()}
        assert run_mms(*self.words()).status == 0
        after = tree(folder)
        assert {path: after[path] for path in before} == before
        assert set(after) - set(before) == {"MAR-INF", MANIFEST}
        assert {path: path.stat().st_ino for path in inodes} == inodes
        assert (folder / MANIFEST).stat().st_mode & 0o777 == (folder / "service.py").stat().st_mode & 0o777

    def test_a_manifest_that_is_there_needs_force(self, folder: Path, run_mms: Command) -> None:
        assert run_mms(*self.words()).status == 0
        keep_all(lambda: run_mms(*self.words("--version", "2")), "target-exists")
        assert run_mms(*self.words("--version", "2", "-f")).status == 0
        assert b'"modelVersion": "2"' in tree(folder)[MANIFEST]
        assert hidden(folder / "MAR-INF") == []

    def test_a_file_where_mar_inf_goes_stays(self, folder: Path, run_mms: Command) -> None:
        (folder / "MAR-INF").write_text("theirs")
        keep_all(lambda: run_mms(*self.words()), "target-in-the-way")

    def test_nothing_is_written_through_a_link(self, folder: Path, run_mms: Command) -> None:
        make("theirs/MANIFEST.json")
        (folder / "MAR-INF").symlink_to(Path("theirs").resolve())
        keep_all(lambda: run_mms(*self.words("-f")), "target-in-the-way")
        (folder / "MAR-INF").unlink()
        (folder / "MAR-INF").mkdir()
        (folder / MANIFEST).symlink_to(Path("none").resolve())
        keep_all(lambda: run_mms(*self.words()), "target-exists")
        assert run_mms(*self.words("-f")).status == 0
        assert not (folder / MANIFEST).is_symlink()
        assert Path("theirs/MANIFEST.json").read_text() == "theirs/MANIFEST.json"
        assert not Path("none").exists()

    def test_through_a_link_to_the_folder_it_is_one_too(self, folder: Path, run_mms: Command) -> None:
        folder.rename("real")
        folder.symlink_to("../real")
        assert run_mms(*self.words()).status == 0
        assert folder.is_symlink()
        assert {path.name for path in Path("real").iterdir()} == {"MAR-INF", "service.py", "notes.pyc"}


@pytest.fixture
def no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that knows only plain renames."""
    monkeypatch.setattr(os_calls, "_rename_function", lambda: None)


@pytest.mark.usefixtures("no_exchange")
class TestWithoutExchange:
    """Where the previous folder is set aside first."""

    def test_the_new_folder_replaces_the_previous_one(self, previous: Path, run: Command) -> None:
        build(run, "sources")
        assert members(previous) == {"a.txt", "new.txt"}
        assert [path.name for path in Path("out").iterdir()] == ["m"]

    @pytest.mark.parametrize("archive_format", ["default", "no-archive"])
    def test_a_new_output_is_never_laid_over_one_made_meanwhile(self, work: Path, archive_format: str) -> None:
        Path("a.txt").write_text("a")
        words = words_for("a.txt")
        words[words.index("no-archive")] = archive_format
        running = stopped(words)
        make("out/m/theirs.txt" if archive_format == "no-archive" else "out/m.mar")
        keep_all(running.go_on, "target-exists")

    def test_a_failure_restores_the_previous_folder(self, previous: Path, work: Path) -> None:
        words = [*words_for("sources"), "-f"]
        keep_all(lambda: fork(words, work / "err", lambda: on_rename_to(previous, fail)).result(), "write-failed")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_between_the_two_renames_waits(self, previous: Path, work: Path, number: int) -> None:
        words = [*words_for("sources"), "-f"]
        ended = fork(words, work / "err", lambda: on_rename_to(previous, lambda: os.kill(os.getpid(), number))).result()
        assert ended.status == 130
        assert ended.err == f"torch-model-archiver: error: interrupted after {previous.resolve()} was written\n"
        assert members(previous) == {"a.txt", "new.txt"}
        assert [path.name for path in Path("out").iterdir()] == ["m"]

    @pytest.mark.parametrize("more", [(), ("-f",)])
    def test_after_a_kill_between_the_two_renames_the_next_build_restores_the_previous_folder(
        self, previous: Path, work: Path, run: Command, more: tuple[str, ...]
    ) -> None:
        before = tree(previous)
        words = [*words_for("sources"), "-f"]
        ended = fork(words, work / "err", lambda: on_rename_to(previous, kill)).result()
        assert ended.status == -signal.SIGKILL
        assert not previous.exists()
        ended = run(*words_for("sources"), *more)
        assert hidden(Path("out")) == []
        if more:
            assert ended.status == 0
            assert members(previous) == {"a.txt", "new.txt"}
        else:
            refused(ended, "target-exists")
            assert tree(previous) == before
