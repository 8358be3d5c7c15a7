"""``extract``: an archive becomes the folder that it was made of, whole or not at all."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

import model_archiver
from model_archiver.commands.extract import extract
from tests.archives import FORMATS, MANIFEST, contents, output, tree
from tests.conftest import Command
from tests.foreign import HONEST, Raw, honest_members, manifest_bytes, mar, tar_bytes, tgz
from tests.forks import as_nobody, fork, limit_files, on_rename_to, terminate
from tests.packing import MODEL, build, make


@pytest.fixture
def packed(model: Path, run: Command, monkeypatch) -> Path:
    """The working directory, with the model packed in each format below ``default``, ``tgz`` and so on."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    make("pkg/sub/é.txt", text="accent")
    make("pkg/run.sh", text="#!/bin/sh\n")
    (model / "pkg/run.sh").chmod(0o755)
    (model / "empty.txt").touch()
    for archive_format in FORMATS:
        words = ["--serialized-file", "model.pt", "--model-file", "model.py", "--handler", "handler.py"]
        more = ["--include", "pkg", "--extra-files", "empty.txt,index_to_name.json"]
        build(run, *words, *more, archive_format=archive_format, to=archive_format)
    return model


def _archive(archive_format: str) -> Path:
    return output("m", archive_format, Path(archive_format))


@pytest.mark.parametrize("archive_format", FORMATS)
def test_what_comes_out_is_what_went_in(packed, run: Command, archive_format: str) -> None:
    result = run("extract", _archive(archive_format))
    assert (result.status, result.out) == (0, "")
    assert result.err == "torch-model-archiver: unpacked to m (7 files, 3.0 KiB)\n"
    assert tree(Path("m")) == tree(Path("no-archive/m"))
    assert stat.S_IMODE(Path("m/pkg/run.sh").stat().st_mode) & 0o111
    assert not stat.S_IMODE(Path("m/model.py").stat().st_mode) & 0o111


@pytest.fixture
def deep(work: Path) -> Iterator[str]:
    """The path of a file 500 folders below ``d``: more than functions can call each other here.

    Python's own limit of 1,000 calls would take folders of twice the depth, and the system four times as long.
    """
    Path("d").mkdir()
    os.chdir("d")
    for _ in range(500):
        Path("deep").mkdir()
        os.chdir("deep")
    Path("f.txt").write_text("deep")
    os.chdir(work)
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(400)
    yield "deep/" * 500 + "f.txt"
    sys.setrecursionlimit(limit)
    subprocess.run(["rm", "-rf", work], check=True)  # shutil and pytest cannot remove it


@pytest.mark.parametrize("archive_format", ["default", "tgz", "no-archive"])
def test_a_tree_of_any_depth_is_packed_unpacked_and_replaced(deep: str, run: Command, archive_format: str) -> None:
    for words in (["--extra-files", "d"], ["--extra-files", "d", "-f"]):
        archive = build(run, *words, archive_format=archive_format)
    assert deep in run(*MODEL, "--extra-files", "d", "-f", "--dry-run").out
    shown = json.loads(run("inspect", archive, "--json").out)
    assert deep in [entry["path"] for entry in shown["files"]]
    for words in ([], ["-f"]):
        assert run("extract", archive, "--to", "new", *words).status == 0
    assert Path("new", deep).read_text() == "deep"
    Path("d").rename(".hidden")
    make("d/a.txt")
    Path(".hidden").rename("d/.hidden")
    assert "(1 file," in run(*MODEL, "--extra-files", "d", "-f", "--archive-format", archive_format).err


@pytest.mark.parametrize("words", [(), ("--to", "m")])
def test_in_a_current_folder_that_is_gone_an_archive_needs_a_place(packed, run: Command, words) -> None:
    archive = _archive("default").absolute()
    Path("gone").mkdir()
    os.chdir("gone")
    Path("../gone").rmdir()
    result = run("extract", archive, *words)
    assert result.errors == ["the current folder: no longer exists; change to another folder [file-unreadable]"]
    assert run(*MODEL, "--extra-files", "*/**/x,y/").errors[:1] == result.errors
    assert run("extract", archive, "--to", packed / "new").status == 0
    done = subprocess.run([sys.executable, "-m", "model_archiver", "--help"], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_model_folder_in_a_model_folder_is_read_too(model, run: Command) -> None:
    for name in ("inner", "outer"):
        build(run, name=name, archive_format="no-archive")
    Path("inner").rename("outer/inner")
    assert PurePosixPath("inner", MANIFEST) in {found.path for found in model_archiver.inspect("outer").files}
    assert run("extract", "outer", "--to", "out").status == 0
    assert tree(Path("out")) == tree(Path("outer"))


@pytest.mark.parametrize("archive_format", FORMATS)
def test_packing_it_again_gives_the_same_bytes(packed, run: Command, archive_format: str) -> None:
    assert run("extract", _archive(archive_format), "--to", "out", "--quiet").err == ""
    words = ["--model-path", "out", "--model-file", "out/model.py", "--serialized-file", "out/model.pt"]
    again = build(run, *words, "--handler", "handler.py", archive_format=archive_format, to="again")
    if again.is_dir():
        assert tree(again) == tree(_archive(archive_format))
    else:
        assert again.read_bytes() == _archive(archive_format).read_bytes()
    assert run("diff", again, _archive(archive_format)).status == 0


def test_an_archive_of_another_tool_comes_out(work, run: Command) -> None:
    assert run("extract", mar()).status == 0
    assert contents(Path("m")) == {"handler.py": HONEST[0].content, MANIFEST: manifest_bytes()}
    assert run("extract", tgz(tar_bytes(honest_members("other/"))), "--to", "deep/er/out").status == 0
    assert contents(Path("deep/er/out")) == contents(Path("m"))


def test_an_existing_folder_is_replaced_only_by_force(packed, run: Command) -> None:
    assert run("extract", _archive("tgz")).status == 0
    before = tree(Path("m"))
    result = run("extract", _archive("tgz"))
    assert result.status == 1
    assert result.errors == [
        "m: already exists; use -f to replace it, or name another folder with --to [target-exists]"
    ]
    Path("m/mine.txt").write_text("mine")
    Path("m/model.py").write_text("changed")
    assert run("extract", _archive("tgz"), "-f").status == 0
    assert tree(Path("m")) == {**before, "mine.txt": b"mine"}


def test_a_file_in_the_way_is_never_replaced(packed, run: Command) -> None:
    Path("m").write_text("a file")
    result = run("extract", _archive("tgz"), "-f")
    assert result.status == 1
    assert "is a file, not a folder" in result.errors[0]
    assert Path("m").read_text() == "a file"


@pytest.mark.parametrize("to", ["no-archive/m", "no-archive", "no-archive/m/inside"])
def test_a_folder_is_not_unpacked_onto_itself(packed, run: Command, to: str) -> None:
    before = tree(Path())
    result = run("extract", "no-archive/m", "--to", to, "-f")
    assert result.status == 1
    assert "[target-in-the-way]" in result.errors[0]
    assert tree(Path()) == before


@pytest.mark.parametrize("name", ["../out", "/tmp/out", "a/b", "", "..", "a\\b"])
def test_the_models_name_is_not_used_as_a_path(work, run: Command, name: str) -> None:
    archive = mar(HONEST[0], Raw(MANIFEST.encode(), manifest_bytes(name)))
    before = tree(work.parent)
    result = run("extract", archive)
    assert result.status == 1
    assert "--to" in result.err
    assert tree(work.parent) == before


def test_what_only_a_server_rejects_is_a_warning_and_unpacked(work, run: Command) -> None:
    result = run("extract", mar(HONEST[0], Raw(MANIFEST.encode(), manifest_bytes(runtime="python4"))))
    assert result.status == 0
    assert "[runtime-unserved]" in result.warnings[0]
    assert Path("m/handler.py").is_file()


def test_a_manifest_that_only_the_server_would_find_is_not_unpacked(work, run: Command) -> None:
    result = run("extract", mar(HONEST[0], replace(HONEST[1], central_name=b"MAR-INF/other.json")))
    assert result.status == 1
    assert "[headers-differ]" in result.errors[0]


def test_an_empty_folder_is_the_default_one(work, run: Command) -> None:
    assert run("extract", mar(), "--to", "").status == 0
    assert Path("m/handler.py").is_file()


def test_an_archive_without_a_manifest_is_not_unpacked(work, run: Command) -> None:
    result = run("extract", tgz(tar_bytes(honest_members(""))), "--to", "out")
    assert result.status == 1
    assert "[manifest-missing]" in result.err
    assert not Path("out").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may be another user")
def test_a_folder_that_is_not_writable_is_an_error(work) -> None:
    Path("closed").mkdir(mode=0o755)
    ended = as_nobody(["extract", str(mar().resolve()), "--to", "closed/m"], work)
    assert ended.status == 1
    assert "[write-failed]" in ended.err
    assert list(Path("closed").iterdir()) == []


@pytest.mark.parametrize("words", [[], ["-f"]])
def test_a_link_in_the_place_of_the_folder_is_replaced_only_by_force(work, run: Command, words: list[str]) -> None:
    make("theirs/own.txt")
    for place, leads_to in (("a", "theirs"), ("b", "theirs/own.txt"), ("c", "none"), ("d/e", "../theirs")):
        Path(place).parent.mkdir(exist_ok=True)
        Path(place).symlink_to(leads_to)
        result = run("extract", mar(), "--to", f"{place}/", *words)
        assert ("[target-exists]" in result.err, Path(place).is_symlink()) == (not words, not words)
        assert not words or contents(Path(place)).keys() == {"handler.py", MANIFEST}
    assert tree(Path("theirs")) == {"own.txt": b"theirs/own.txt"}


def test_an_error_names_the_file_in_the_folder_where_it_was_to_be(work) -> None:
    ended = fork(["extract", str(mar()), "--to", "out"], work / "err", limit_files).result()
    assert ended.errors == [
        f"{work}/out/handler.py: Too many open files; raise the limit on open files (ulimit -n) [write-failed]"
    ]
    assert not Path("out").exists()


def test_a_signal_while_the_folder_is_placed_waits_and_the_message_says_so(work, run: Command) -> None:
    make("out/mine.txt")
    words = ["extract", str(mar()), "--to", "out", "-f"]
    ended = fork(words, work / "err", lambda: on_rename_to(Path("out", MANIFEST), terminate)).result()
    assert (ended.status, ended.err) == (
        130,
        f"torch-model-archiver: error: interrupted after {work}/out was written\n",
    )
    assert contents(Path("out")).keys() == {"mine.txt", "handler.py", MANIFEST}


def test_an_ended_extraction_leaves_nothing(packed, monkeypatch) -> None:
    before = tree(Path())

    class EndedError(Exception):
        pass

    counts: list[int] = []

    def progress(count: int) -> None:
        counts.append(count)
        if sum(counts) > 1.5 * _archive("tgz").stat().st_size:  # in the second half: while it writes
            raise EndedError

    with pytest.raises(EndedError):
        extract(_archive("tgz"), progress=progress)
    assert tree(Path()) == before


@pytest.mark.parametrize("name", ["h.py:evil", "CON", "sub/nul.txt", "a. /x", "a ", "a."])
def test_a_name_that_windows_changes_is_refused_there(work, run: Command, monkeypatch, name: str) -> None:
    archive = mar(Raw(name.encode(), b"x"), Raw(b"console.py", b"x"), *HONEST)
    assert run("verify", archive).status == run("extract", archive).status == 0
    monkeypatch.setattr("model_archiver.commands.extract._IS_WINDOWS", True)
    result = run("extract", archive, "-f")
    assert (result.status, len(result.errors)) == (1, 1)
    assert result.errors[0].startswith(f"{name}: is not a valid file name on Windows; ")
