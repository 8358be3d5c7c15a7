"""What is left out of folders that are walked."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.archives import FORMATS, members
from tests.conftest import Command
from tests.packing import MODEL, MODEL_FILES, build, make, packed, refused

LEFT_OUT = (
    *(".DS_Store", "._model.pt", ".git/config", ".hidden", ".ipynb_checkpoints/a.ipynb"),
    *("__MACOSX/x.txt", "__pycache__/a.cpython-311.pyc"),
    *("MANIFEST.json", "MAR-INF/MANIFEST.json", "MAR-INF/SHA256SUMS"),
    *("a.pyc", "b.pyo", "previous.mar", ".folder/file.txt", "sub/.hidden"),
    *("sub/.DS_Store", "sub/__MACOSX/file.txt", "sub/MANIFEST.json", "sub/MAR-INF/x.txt", "sub/__pycache__/b.txt"),
    *("sub/c.pyc", "sub/d.mar", ".m.0123abcd.building/m.mar", ".other.89abcdef.building/x.pt"),
)
KEPT = ("a.txt", "sub/b.txt", "manifest.json", "x.tar.gz", "mar", "MAR-INFO/x.txt", "sub/pycache/y.py", "a.pyc.txt")


@pytest.fixture
def littered(work: Path) -> Path:
    """A folder ``d`` with all that is left out, and some files that are not."""
    make(*(f"d/{path}" for path in LEFT_OUT + KEPT))
    return work


@pytest.mark.parametrize(
    ("words", "prefix"),
    [("--extra-files d", ""), ("--extra-files d/*", ""), ("--model-path d", ""), ("--include d", "d/")],
)
def test_what_is_left_out_and_what_is_not(littered, run: Command, words: str, prefix: str) -> None:
    assert packed(run, *words.split()) == {f"{prefix}{path}" for path in KEPT}


def test_the_summary_counts_what_was_left_out(littered, run: Command) -> None:
    inside = {"MAR-INF/SHA256SUMS"}  # of a folder that counts once; the others have one file each
    assert f"{len({*LEFT_OUT} - inside)} excluded" in run(*MODEL, "--extra-files", "d").err
    assert "left out" not in run(*MODEL, "-f", "--extra-files", "d/a.txt").err


@pytest.mark.parametrize("name", [".hidden", "a.pyc", "previous.mar", ".DS_Store", "MANIFEST.json"])
def test_a_file_that_is_named_by_itself_is_packed(littered, run: Command, name: str) -> None:
    assert packed(run, "--extra-files", f"d/{name}") == {name}
    assert packed(run, "-f", "--include", f"d/{name}") == {name}
    assert packed(run, "-f", "--serialized-file", f"d/{name}") == {name}


def test_a_hidden_folder_that_is_named_by_itself_is_packed(littered, run: Command) -> None:
    assert packed(run, "--extra-files", "d/.git") == {"config"}
    assert packed(run, "-f", "--include", "d/.git") == {".git/config"}


def test_mar_inf_is_never_packed(littered, run: Command) -> None:
    [first, *_] = refused(run, "--include", "d/MAR-INF")
    assert "path-reserved" in first
    make("low/mar-inf/x.txt")
    [error] = refused(run, "--extra-files", "low")
    assert "low/mar-inf/x.txt: would go to MAR-INF" in error


TREE = {"a.txt", "run.log", "tests/t.py", "src/tests/u.py", "src/v.py", "src/deep.log"}


@pytest.mark.parametrize(
    ("patterns", "left_out"),
    [
        (["*.log"], {"run.log", "src/deep.log"}),
        *(([pattern], {"tests/t.py", "src/tests/u.py"}) for pattern in ("tests", "tests/", "./tests")),
        (["src/tests"], {"src/tests/u.py"}),
        (["src/*.py", "*.txt"], {"src/tests/u.py", "src/v.py", "a.txt"}),
        (["src", "tests", "*.log"], TREE - {"a.txt"}),
        (["nothing"], set()),
        ([""], set()),
    ],
)
@pytest.mark.parametrize("flag", ["--extra-files", "--include", "--model-path"])
def test_exclude_leaves_out_names_and_paths_below_the_folder(work, run: Command, flag, patterns, left_out) -> None:
    make(*(f"d/{path}" for path in TREE))
    words = [word for pattern in patterns for word in ("--exclude", pattern)]
    prefix = "d/" if flag == "--include" else ""
    assert packed(run, flag, "d", *words) == {f"{prefix}{path}" for path in TREE - left_out}


def test_exclude_does_not_touch_a_file_that_is_named_by_itself(model, run: Command) -> None:
    words = ("--model-file", "model.py", "--extra-files", "model.pt")
    assert packed(run, "--exclude", "*", *words) == {"model.py", "model.pt"}


@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_previous_output_is_never_packed_again(model, run: Command, archive_format: str) -> None:
    for form in (*FORMATS, archive_format):
        archive = build(run, "--extra-files", ".", "-f", archive_format=form)
    assert members(archive) == MODEL_FILES


def test_a_tar_of_a_build_is_left_out_whatever_its_name(model, run: Command) -> None:
    archive = build(run, "--model-file", "model.py", archive_format="tgz")
    make("d/a.txt")
    archive.rename("d/renamed.tar.gz")
    assert packed(run, "--extra-files", "d", "-f") == {"a.txt"}


def test_the_export_path_may_be_in_the_folder_that_is_packed(model, run: Command) -> None:
    for _ in range(2):
        folder = build(run, "--extra-files", ".", "-f", archive_format="no-archive", to="store")
    assert members(folder) == MODEL_FILES


def test_a_users_own_file_or_folder_with_the_models_name_is_packed(work, run: Command) -> None:
    make("d/m", "d/other.txt", "e/m/x.txt", "e/other.txt")
    assert members(build(run, "--extra-files", "d", to="d")) == {"m", "other.txt"}
    assert members(build(run, "--extra-files", "e", to="e")) == {"m/x.txt", "other.txt"}


def test_a_hard_link_to_the_output_is_left_out(model, run: Command) -> None:
    archive = build(run, "--model-file", "model.py")
    make("d/a.txt")
    Path("d/renamed.bin").hardlink_to(archive)
    assert packed(run, "--extra-files", "d", "-f") == {"a.txt"}
