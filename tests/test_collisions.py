"""Two sources for one path in the archive."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.packing import HANDLER, MODEL, built, make, packed, refused


def test_the_same_file_twice_is_one(model, run: Command) -> None:
    words = ["--model-file", "model.py", "--config-file", "model.py", "--extra-files", "model.py,./model.py"]
    assert packed(run, *words, "--include", Path("model.py").absolute()) == {"model.py"}


def test_the_same_file_through_links_is_one(model, run: Command) -> None:
    Path("d").mkdir()
    Path("d/model.py").symlink_to("../model.py")
    Path("e").mkdir()
    Path("e/model.py").hardlink_to("model.py")
    assert packed(run, "--model-file", "model.py", "--extra-files", "d,e") == {"model.py"}


def test_equal_bytes_are_fine(work, run: Command) -> None:
    make("d/vocab", "e/vocab", text="same")
    assert built(run, "--extra-files", "d,e")["vocab"] == b"same"


def test_different_bytes_are_refused_naming_both(work, run: Command) -> None:
    make("d/vocab", "e/vocab")
    assert refused(run, "--extra-files", "d,e") == [
        "e/vocab (--extra-files): goes to vocab, and d/vocab (--extra-files) to vocab; "
        "rename one, or pack its folder under its own name with --include [path-clash]"
    ]
    assert packed(run, "--include", "d", "--include", "e") == {"d/vocab", "e/vocab"}


@pytest.mark.parametrize("flag", ["--handler", "--model-file", "--serialized-file", "-r", "-c", "--extra-files"])
def test_a_file_is_never_overwritten_by_extra_files(work, run: Command, flag: str) -> None:
    python = f"class Net:\n    pass\n\n\n{HANDLER}"
    ours = {"-c": "minWorkers: 1\nmaxWorkers: 1\n", "-r": "numpy\n"}.get(flag, python)
    make("src/h.py", text=ours)
    make("d/h.py", text=f"# theirs\n{ours}")
    [error] = refused(run, flag, "src/h.py", "--extra-files", "d")
    assert "src/h.py" in error
    assert "d/h.py (--extra-files)" in error
    assert "path-clash" in error


def test_files_of_equal_size_and_time_are_compared(work, run: Command) -> None:
    make("d/vocab", "e/vocab")
    for folder in "de":
        os.utime(f"{folder}/vocab", ns=(0, 0))
    assert "path-clash" in refused(run, "--extra-files", "d,e")[0]


def test_each_of_three_sources_is_reported(work, run: Command) -> None:
    make("d/v", "g/v", text="one")
    make("e/v", "f/v")
    errors = refused(run, "--extra-files", "d,e,f,g")
    assert [error.split()[0] for error in errors] == ["e/v", "f/v"]


def test_a_file_and_a_folder_of_one_name_clash(work, run: Command) -> None:
    make("d/helpers/x", "e/helpers")
    [error] = refused(run, "--extra-files", "d", "--extra-files", "e")
    assert "goes to helpers/x" in error
    assert "and e/helpers (--extra-files) to helpers; " in error
    [swapped] = refused(run, "--extra-files", "e", "--extra-files", "d")
    assert "path-clash" in swapped


def test_paths_that_differ_only_in_case_are_a_warning(work, run: Command) -> None:
    make("d/Vocab", "e/vocab")
    result = run(*MODEL, "--extra-files", "d,e")
    assert result.status == 0
    assert result.warnings == [
        "vocab: this file and Vocab are one file on systems that ignore case, and one is lost there; "
        "rename one of them [path-case-clash]"
    ]
    assert "path-case-clash" in refused(run, "-f", "--strict", "--extra-files", "d,e")[0]


def test_paths_that_differ_only_in_normal_form_are_a_warning(work, run: Command) -> None:
    make("d/e\u0301", "d/\u00e9")
    if len(list(Path("d").iterdir())) == 1:
        pytest.skip("this file system has one normal form")
    assert "path-case-clash" in run(*MODEL, "--extra-files", "d").warnings[0]


@pytest.mark.parametrize("folders", ["d,e", "e,d"])
def test_folders_whose_names_differ_only_in_case_do_not_clash(work, run: Command, folders: str) -> None:
    make("d/sub/a", "e/Sub/b")
    assert run(*MODEL, "--extra-files", folders).warnings == []
