"""What is at the target, or next to it, and does not come from a previous build."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from model_archiver.planning.target import ExistingOutput
from model_archiver.writing import folder
from tests.archives import contents, members, output, tree
from tests.conftest import Command
from tests.packing import build, make, packed

WORDS = ["--model-name", "m", "--handler", "handler.py"]
FOLDER = [*WORDS, "--archive-format", "no-archive"]


@pytest.mark.parametrize("can_exchange", [True, False])
@pytest.mark.parametrize("change", ["new file", "changed file", "new folder"])
def test_a_change_of_the_existing_folder_while_it_is_compared_is_kept(
    model: Path, run: Command, monkeypatch: pytest.MonkeyPatch, change: str, can_exchange: bool
) -> None:
    """The moment is made certain: the folder is judged by the real rules, and changes before it is exchanged."""
    assert run(*FOLDER, "--serialized-file", "model.pt").status == 0
    judge = ExistingOutput.is_untouched

    def judge_and_change(former: ExistingOutput) -> bool:
        untouched = judge(former)
        if change == "new file":
            (former.path / "precious.txt").write_text("precious")
        elif change == "changed file":
            (former.path / "model.pt").write_text("precious")
        else:
            (former.path / "precious").mkdir()
        return untouched

    monkeypatch.setattr(ExistingOutput, "is_untouched", judge_and_change)
    if not can_exchange:
        monkeypatch.setattr(folder, "exchange", lambda *_: False)
    assert run(*FOLDER, "--force").status == 0
    after = tree(model / "m")
    assert b"precious" in after.values() or "precious" in after
    assert after["handler.py"] == (model / "handler.py").read_bytes()


@pytest.mark.parametrize("kind", ["device", "fifo"])
@pytest.mark.parametrize("linked", [False, True])
def test_a_device_or_pipe_is_never_replaced(model: Path, run: Command, kind: str, linked: bool) -> None:
    if kind == "device" and os.geteuid() != 0:
        pytest.skip("only root may make a device")
    special = model / ("special" if linked else "m.mar")
    os.mkfifo(special) if kind == "fifo" else os.mknod(special, 0o20666, os.makedev(1, 3))
    if linked:
        (model / "m.mar").symlink_to(special)
    before = special.lstat()
    result = run(*WORDS, "--force")
    assert result.status == 1
    assert "[target-in-the-way]" in result.errors[0]
    assert os.path.samestat(special.lstat(), before)


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
    assert "1 left out" in run(*WORDS, "--extra-files", "folder").err


def test_a_tilde_that_the_shell_left_is_refused(model: Path, run: Command) -> None:
    result = run(*WORDS, "--export-path", "~/models")
    assert result.status == 1
    assert "$HOME" in result.errors[0]
    assert not Path("~").exists()


def test_a_problem_of_a_folder_is_reported_once(model: Path, run: Command) -> None:
    make(*(f"{folder}/{number}.txt" for folder in ("many/MAR-INF", "bad\\name/below") for number in range(3)))
    result = run(*WORDS, "--include", "many/MAR-INF", "--include", "bad\\name")
    assert sorted(line.rpartition("[")[2] for line in result.errors) == ["path-invalid]", "path-reserved]"]


@pytest.mark.parametrize("given", ["myhandler", "myhandler.so"])
def test_the_lsp_runtime_takes_a_shared_library(model: Path, run: Command, given: str) -> None:
    Path("myhandler.so").write_bytes(b"\x7fELF")
    result = run("--model-name", "m", "--runtime", "LSP", "--handler", given)
    assert result.status == 0, result.err
    assert "myhandler.so" in members(output("m"))
    assert f'"handler": "{given}"'.encode() in contents(output("m"))["MAR-INF/MANIFEST.json"]


@pytest.mark.parametrize(
    ("given", "code", "hint"),
    [
        ("model.pt", "[handler-invalid]", "a .py file"),
        ("handler.py:", "[handler-invalid]", "handler.py:handle"),
        ("handle.py", "[file-missing]", "did you mean handler.py?"),
    ],
)
def test_a_wrong_handler_is_answered_with_what_to_do(
    model: Path, run: Command, given: str, code: str, hint: str
) -> None:
    result = run("--model-name", "m", "--handler", given)
    assert result.status == 1
    assert len(result.errors) == 1
    assert result.errors[0].startswith(f"{given}: ")
    assert code in result.errors[0]
    assert hint in result.errors[0]


def test_the_module_that_scripts_run_is_the_command(model: Path) -> None:
    command = [sys.executable, "-m", "model_archiver.model_packaging", *WORDS]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    assert members(output("m")) == {"handler.py"}
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1
