"""Where the output goes, and what may be there or next to it."""

from __future__ import annotations

import gzip
import os
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_archiver.planning.target import ExistingOutput
from model_archiver.writing import os_calls
from tests.archives import FORMATS, contents, members, output, tree
from tests.conftest import Command
from tests.forks import at_call, fail, fork, hidden, limit_files, stopped
from tests.packing import HANDLER, MODEL, MODEL_FILES, build, make, packed, refused

WORDS = ("--model-file", "model.py")
MEGABYTE = 1 << 20
HANDLER_WORDS = ("--model-name", "m", "--handler", "handler.py")


def _existing(archive_format: str) -> Path:
    """Something of the user's at the target."""
    target = output("m", archive_format)
    make(str(target / "own.txt" if archive_format == "no-archive" else target))
    return target


@pytest.mark.parametrize("archive_format", FORMATS)
def test_an_existing_output_is_refused_without_force(model, run: Command, archive_format: str) -> None:
    target = _existing(archive_format)
    [error] = refused(run, *WORDS, "--archive-format", archive_format)
    assert error == (
        f"{target}: already exists; use -f to replace it, or choose another --model-name or --export-path "
        "[target-exists]"
    )


@pytest.mark.parametrize("archive_format", FORMATS)
def test_force_replaces_a_file_and_keeps_what_is_the_users_in_a_folder(model, run: Command, archive_format) -> None:
    kept = {"own.txt"} if _existing(archive_format).is_dir() else set()
    assert members(build(run, *WORDS, "-f", archive_format=archive_format)) == {"model.py"} | kept


@pytest.mark.parametrize("archive_format", FORMATS)
@pytest.mark.parametrize("force", [[], ["-f"]])
def test_a_folder_instead_of_a_file_or_the_other_way_round_is_refused(model, run, archive_format: str, force) -> None:
    target = output("m", archive_format)
    target.touch() if archive_format == "no-archive" else target.mkdir()
    [error] = refused(run, *WORDS, "--archive-format", archive_format, *force)
    kind = "folder" if archive_format == "no-archive" else "file"
    assert f"is not a {kind}, but the output goes there" in error


@pytest.mark.parametrize("leads_to", ["a file", "a folder", "a previous build", "nothing", "itself"])
@pytest.mark.parametrize("can_exchange", [True, False])
@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_link_at_the_target_is_replaced_and_what_it_leads_to_stays(
    model, run: Command, monkeypatch, archive_format: str, can_exchange: bool, leads_to: str
) -> None:
    if not can_exchange:
        monkeypatch.setattr(os_calls, "_rename_function", lambda: None)
    make("store/file", "store/folder/theirs.txt")
    build(run, name="previous", archive_format=archive_format, to="store")
    target = output("m", archive_format)
    previous = output("previous", archive_format, Path("store"))
    places = {"a file": "store/file", "a folder": "store/folder", "nothing": "store/none", "itself": target}
    target.symlink_to(places.get(leads_to, previous))
    words = (*WORDS, "--archive-format", archive_format)
    assert "target-exists" in refused(run, *words)[0]
    before = tree(Path("store"))
    assert f"wrote {target} (" in run("--model-name", "m", *MODEL[2:], *words, "-f").err
    assert not target.is_symlink()
    assert members(target) == {"model.py"}
    assert tree(Path("store")) == before
    assert hidden(Path()) == []


def test_a_link_made_meanwhile_is_never_written_through(model: Path) -> None:
    for archive_format in FORMATS:
        words = [*MODEL, *WORDS, "--archive-format", archive_format]
        for more in ([], ["-f"]):
            running = stopped([*words, *more])
            target = output("m", archive_format)
            target.symlink_to("nowhere")
            assert running.go_on().status == (not more)
            assert target.is_symlink() == (not more)
            assert not Path("nowhere").exists()
            shutil.rmtree(target) if target.is_dir() else target.unlink()


def test_what_a_link_at_the_target_leads_to_is_packed(model, run: Command) -> None:
    output("m", "tgz").symlink_to("model.pt")
    words = ("--model-path", ".", "--archive-format", "tgz", "-f")
    assert "model.pt" in contents(build(run, *words, archive_format="tgz"))


@pytest.mark.parametrize("exists", [True, False])
def test_an_export_path_that_is_a_link_is_followed_or_made(model, run: Command, exists: bool) -> None:
    if exists:
        Path("not/yet").mkdir(parents=True)
    Path("link").symlink_to("not/yet")
    build(run, *WORDS, to="link")
    assert Path("not/yet/m.mar").is_file()


@pytest.mark.parametrize("path", ["model.pt", "model.pt/deeper/still"])
def test_an_export_path_that_is_a_file_is_refused(model, run: Command, path: str) -> None:
    [error] = refused(run, *WORDS, "--export-path", path)
    assert error.startswith(f"{Path('model.pt').absolute()}: is not a folder (--export-path); ")
    assert error.endswith("[export-path-invalid]")


def test_an_export_path_that_is_a_device_is_refused(model, run: Command) -> None:
    [error] = refused(run, *WORDS, "--export-path", "/dev/null")
    assert "is not a folder (--export-path)" in error


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A file on another file system than that of the tests."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no other file system")
    with tempfile.NamedTemporaryFile(dir=memory, suffix=".pt") as file:
        yield Path(file.name)


def test_folders_that_were_made_go_again_where_the_build_fails(model, elsewhere: Path, run: Command) -> None:
    words = ("--serialized-file", elsewhere, "--export-path", "a/b/c", "--archive-format", "no-archive", "--link")
    [error] = refused(run, *words)
    assert "no hard link to it can be made from the export path" in error
    assert "link-impossible" in error


def test_an_export_path_of_any_form(model, run: Command, tmp_path: Path) -> None:
    for index, path in enumerate(["./out", "out/", "../here/out", "mit blank/ü", tmp_path / "abs", "."]):
        assert build(run, *WORDS, name=f"m{index}", to=path).is_file()


def test_a_build_of_another_format_is_not_in_place(model, run: Command) -> None:
    assert members(build(run, "--model-path", ".", name="here", to="..")) == MODEL_FILES
    assert not Path("MAR-INF").exists()


def test_a_target_inside_of_model_path_is_not_in_place(model, run: Command) -> None:
    assert members(build(run, "--model-path", ".", archive_format="no-archive")) == MODEL_FILES
    assert Path("model.py").is_file()


@pytest.mark.parametrize("can_exchange", [True, False])
@pytest.mark.parametrize("change", ["new file", "changed file", "new folder"])
def test_a_change_of_the_existing_folder_while_it_is_compared_is_kept(
    model: Path, run: Command, monkeypatch: pytest.MonkeyPatch, change: str, can_exchange: bool
) -> None:
    """The moment is made certain: the folder is compared by the real rules, and changes before it is exchanged."""
    assert run(*HANDLER_WORDS, "--archive-format", "no-archive", "--serialized-file", "model.pt").status == 0
    compare = ExistingOutput.is_unchanged

    def compare_and_change(existing: ExistingOutput) -> bool:
        untouched = compare(existing)
        if change == "new file":
            (existing.path / "precious.txt").write_text("precious")
        elif change == "changed file":
            (existing.path / "model.pt").write_text("precious")
        else:
            (existing.path / "precious").mkdir()
        return untouched

    monkeypatch.setattr(ExistingOutput, "is_unchanged", compare_and_change)
    if not can_exchange:
        monkeypatch.setattr(os_calls, "exchange", lambda *_: False)
    assert run(*HANDLER_WORDS, "--archive-format", "no-archive", "--force").status == 0
    after = tree(model / "m")
    assert b"precious" in after.values() or "precious" in after
    assert after["handler.py"] == (model / "handler.py").read_bytes()


@pytest.mark.parametrize("kind", ["device", "fifo"])
@pytest.mark.parametrize("linked", [False, True])
def test_a_device_or_pipe_is_never_replaced(model: Path, run: Command, kind: str, linked: bool) -> None:
    if kind == "device" and os.geteuid() != 0:
        pytest.skip("only root may make a device")
    special = model / ("special" if linked else "m.mar")  # a link is replaced, and not what it leads to
    os.mkfifo(special) if kind == "fifo" else os.mknod(special, 0o20666, os.makedev(1, 3))
    if linked:
        (model / "m.mar").symlink_to(special)
    before = special.lstat()
    result = run(*HANDLER_WORDS, "--force")
    assert result.status == (not linked)
    assert linked or "[target-in-the-way]" in result.errors[0]
    assert os.path.samestat(special.lstat(), before)


@pytest.mark.parametrize("can_exchange", [True, False])
def test_an_existing_folder_that_cannot_be_compared_stays(model: Path, monkeypatch, run: Command, can_exchange) -> None:
    build(run, *WORDS, archive_format="no-archive")
    before = tree(model)
    snapshot, calls = ExistingOutput.snapshot, []

    def fail_at_second(existing: ExistingOutput) -> object:
        calls.append(existing)
        return fail() if len(calls) == 2 else snapshot(existing)

    monkeypatch.setattr(ExistingOutput, "snapshot", fail_at_second)
    if not can_exchange:
        monkeypatch.setattr(os_calls, "exchange", lambda *_: False)
    result = run(*MODEL, "--archive-format", "no-archive", "-f")
    assert (result.status, len(calls)) == (1, 2)
    assert result.errors == [
        f"{model / 'm'}: Input/output error; check the disk, or the connection to it [write-failed]"
    ]
    assert tree(model) == before


def limit_size() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEGABYTE, MEGABYTE))


@pytest.mark.parametrize("limit", [limit_size, limit_files])
@pytest.mark.parametrize("archive_format", FORMATS)
def test_the_advice_fits_the_limit_that_was_reached(model: Path, archive_format: str, limit) -> None:
    (model / "large.bin").write_bytes(os.urandom(2 * MEGABYTE))
    words = [*MODEL, "--extra-files", "large.bin", "--archive-format", archive_format]
    [error] = fork(words, model / "err", limit).result().errors
    assert error.partition("; ")[2].startswith("raise the limit on ")
    assert ("(ulimit -f)" in error) == (limit is limit_size)
    assert not output("m", archive_format).exists()


def test_an_archive_whose_second_name_cannot_be_removed_is_written(model: Path) -> None:
    ended = fork([*MODEL, *WORDS], model / "err", lambda: at_call(1, fail, events=("os.remove",))).result()
    assert (ended.status, ended.errors) == (0, [])
    assert members(output("m")) == {"model.py"}
    assert hidden(model) == []


def test_a_tar_with_the_models_name_is_packed_unless_it_is_a_previous_output(model: Path, run: Command) -> None:
    with tarfile.open("m.tar.gz", "w:gz") as archive:
        archive.add("model.pt", "m/model.pt")
    assert "m.tar.gz" in packed(run, "--extra-files", ".")
    Path("m.tar.gz").write_bytes(gzip.compress(b"not a tar"))
    assert "m.tar.gz" in packed(run, "--extra-files", ".", "-f")
    build(run, "-f", archive_format="tgz")
    assert "m.tar.gz" not in packed(run, "--extra-files", ".", "-f")


def test_folders_of_previous_builds_are_left_out_whatever_their_names(model: Path, run_mms: Command) -> None:
    for name in ("model", "other", "model"):
        words = ["--model-path", ".", "--handler", "handler", "--export-path", ".", "--force"]
        assert run_mms("--model-name", name, *words, "--archive-format", "no-archive").status == 0
    assert set(contents(Path("other"))) == set(contents(Path("model")))
    assert not any(path.startswith(("model/", "other/")) for path in contents(Path("model")))


def test_a_link_that_is_left_out_counts_as_one_and_is_not_walked(model: Path, run: Command) -> None:
    make("folder/kept.txt", *(f"elsewhere/{number}" for number in range(5)))
    Path("folder/.cache").symlink_to("../elsewhere")
    assert "1 excluded" in run(*HANDLER_WORDS, "--extra-files", "folder").err


def test_a_long_chain_of_links_is_followed_or_refused_in_one_line(model, run: Command) -> None:
    archive = build(run).rename("archive.mar")
    Path("end").mkdir()
    for number in range(1500):
        Path(f"link{number}").symlink_to(f"link{number - 1}" if number else "end")
    for words in (("--export-path", "link1499"), ("extract", archive, "--to", "link1499/new")):
        result = run(*words) if words[0] == "extract" else run(*MODEL, *words)
        wrote = result.status == 0 and any(Path("end").iterdir())
        assert wrote or (result.status == 1 and "[file-unreadable]" in " ".join(result.errors)), result.err
        assert wrote or len(result.lines) == 1


def test_a_problem_of_a_folder_is_reported_once(model: Path, run: Command) -> None:
    make(*(f"{folder}/{number}.txt" for folder in ("many/MAR-INF", "bad\\name/below") for number in range(3)))
    result = run(*HANDLER_WORDS, "--include", "many/MAR-INF", "--include", "bad\\name")
    assert sorted(line.rpartition("[")[2] for line in result.errors) == ["path-invalid]", "path-reserved]"]


def test_the_module_that_scripts_run_is_the_command(model: Path) -> None:
    command = [sys.executable, "-m", "model_archiver.model_packaging", *HANDLER_WORDS]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    assert members(output("m")) == {"handler.py"}
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1


@pytest.mark.parametrize("words", [("--extra-files", "m/w.pt"), ("--include", "m/lib"), ("--samples", "m/cases.json")])
def test_an_input_in_the_output_folder_is_refused(work, run: Command, words: tuple[str, str]) -> None:
    make("h.py", text=HANDLER)
    make("m/w.pt", "m/lib/a.py")
    make("m/cases.json", text='[{"file": "w.pt"}]')
    before = tree(Path())
    for force in ((), ("-f",)):
        errors = refused(
            run, "--model-name", "m", "--handler", "h.py", *words, "--archive-format", "no-archive", *force
        )
        assert [error for error in errors if "is in the output, which builds replace" in error]
    assert tree(Path()) == before


@pytest.mark.parametrize("words", [("--serialized-file", "m.tar.gz"), ("--extra-files", "link/m.tar.gz")])
def test_an_input_that_is_the_output_is_refused(work, run: Command, words: tuple[str, str]) -> None:
    make("h.py", text=HANDLER)
    make("m.tar.gz", text="weights")
    Path("link").symlink_to(".")
    [error] = refused(run, "--model-name", "m", "--handler", "h.py", *words, "--archive-format", "tgz", "-f")
    hint = "choose another --export-path [target-in-the-way]"
    assert error == f"{words[1]}: is in the output, which builds replace ({words[0]}); {hint}"
    assert Path("m.tar.gz").read_text() == "weights"
