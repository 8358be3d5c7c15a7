"""A ``~`` at the start of a value that names a path means a home folder, as it does for a shell."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pytest

from model_archiver import ModelArchiver, ModelArchiverConfig
from model_archiver.core.text import expand_home
from tests.archives import contents, manifest
from tests.conftest import Command
from tests.foreign import HONEST, mar
from tests.packing import HANDLER, MODEL, build, built, make, packed, refused


@pytest.fixture
def home(work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, which is not the current one."""
    folder = work.parent / "home"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("USERPROFILE", str(folder))
    return folder


@pytest.mark.parametrize(
    ("flag", "value", "name"),
    [
        ("--serialized-file", "~/model.pt", "model.pt"),
        ("--model-file", "~/net.py", "net.py"),
        ("--handler", "~/handler.py", "handler.py"),
        ("--handler", "~/handler.py:handle", "handler.py"),
        ("--handler", "~/handler:handle", "handler.py"),
        ("--requirements-file", "~/requirements.txt", "requirements.txt"),
        ("--config-file", "~/config.yaml", "config.yaml"),
        ("--model-path", "~/folder", "inside.txt"),
        ("--include", "~/folder", "folder/inside.txt"),
        ("--extra-files", "~/a.txt", "a.txt"),
        ("--extra-files", "~/f*r", "folder/inside.txt"),
        ("--extra-files", "~/with,comma.txt", "with,comma.txt"),
    ],
)
def test_a_value_that_begins_with_a_tilde_is_below_the_home_folder(
    home: Path, run: Command, flag: str, value: str, name: str
) -> None:
    texts = {"config.yaml": "minWorkers: 1\n", "requirements.txt": "numpy\n"}
    texts["net.py"] = "import torch\n\n\nclass Net(torch.nn.Module):\n    pass\n"
    for path in ("model.pt", "net.py", "handler.py", "requirements.txt", "config.yaml", "a.txt", "with,comma.txt"):
        make(str(home / path), text=texts.get(path, HANDLER))
    make(str(home / "folder/inside.txt"), text=HANDLER)
    archive = built(run, "--no-checks", f"{flag}={value}")
    assert archive[name].decode() == texts.get(name, HANDLER)


def test_each_piece_between_commas_is_expanded(home: Path, run: Command) -> None:
    make("a.txt", str(home / "b.txt"), str(home / "c.txt"))
    assert packed(run, "--extra-files=a.txt,~/b.txt, ~/c.txt") == {"a.txt", "b.txt", "c.txt"}
    assert packed(run, "-f", "--extra-files=~/b.txt,~/c.txt") == {"b.txt", "c.txt"}


def test_a_comma_in_the_home_folder_separates_nothing(work: Path, run: Command, monkeypatch) -> None:
    make("a,b/x1.txt", "a,b/x2.txt", "a,b/y.txt")
    monkeypatch.setenv("HOME", str(work / "a,b"))
    assert packed(run, "--extra-files=~/x*.txt,~/y.txt") == {"x1.txt", "x2.txt", "y.txt"}


@pytest.mark.parametrize("name", ["~", "~x.pt", "~/x.pt", "~root"])
def test_what_exists_as_written_is_taken_as_written(home: Path, run: Command, name: str) -> None:
    make(str(home / "x.pt"), text="at home")
    make(name, text="as written")
    for words in (["--serialized-file", name], ["--extra-files", f"{name},"], ["--include", name]):
        assert built(run, "--no-checks", "-f", *words)[Path(name).name] == b"as written"


@pytest.mark.parametrize("value", ["~/h.py", "~/h", "~/h.py:handle", "~/h:handle"])
def test_a_handler_in_a_folder_that_is_called_tilde_is_taken_as_written(home: Path, run: Command, value: str) -> None:
    make(str(home / "h.py"), text=f"{HANDLER}# at home\n")
    make("~/h.py", text=f"{HANDLER}# as written\n")
    assert b"as written" in built(run, "--handler", value)["h.py"]


def test_the_output_goes_below_the_home_folder(home: Path, run: Command) -> None:
    assert run(*MODEL, "--export-path=~/store").status == 0
    assert (home / "store/m.mar").is_file()
    assert run(*MODEL, "--export-path", "~").status == 0
    assert (home / "m.mar").is_file()
    assert not Path("~").exists()


def test_a_folder_that_is_called_tilde_takes_the_output(home: Path, run: Command) -> None:
    Path("~").mkdir()
    build(run, to="~")
    assert not list(home.iterdir())


def test_samples_are_found_with_the_files_that_they_name(home: Path, run: Command) -> None:
    make(str(home / "samples.json"), text='[{"file": "sample.json"}]')
    make(str(home / "sample.json"), text="{}")
    assert built(run, "--samples=~/samples.json")["MAR-INF/samples/sample.json"] == b"{}"


def test_the_interpreter_of_a_test_is_found(home: Path, run: Command) -> None:
    (home / "bin").mkdir()
    (home / "bin/python").symlink_to(shutil.which("false") or sys.executable)
    [error] = refused(run, "--test", "--test-python=~/bin/python")
    assert error.startswith(f"{home / 'bin/python'}: does not run as a Python 3")


def test_it_is_expanded_for_the_python_api_too(home: Path) -> None:
    make(*(str(home / name) for name in ("model.pt", "a.txt", "b.txt")))
    files = {"serialized_file": Path("~/model.pt"), "extra_files": [Path("~/a.txt")], "include": (Path("~/b.txt"),)}
    config = ModelArchiverConfig("m", "vllm_handler", export_path=Path("~/store"), checks=False, **files)
    ModelArchiver.generate_model_archive(config)
    assert {"model.pt", "a.txt", "b.txt"} < contents(home / "store/m.mar").keys()
    assert manifest(home / "store/m.mar")["model"]["serializedFile"] == "model.pt"


def test_a_folder_of_multi_model_server_is_found(home: Path, run_mms: Command) -> None:
    make(str(home / "net/service.py"), text=HANDLER)
    assert run_mms("--model-name", "m", "--model-path=~/net", "--handler", "service:handle").status == 0
    assert contents(Path("m.mar"))["service.py"].decode() == HANDLER


def test_a_missing_file_is_named_where_it_was_looked_for(home: Path, run: Command) -> None:
    make(str(home / "model.pt"))
    [error] = refused(run, "--serialized-file=~/modle.pt")
    path = f"{home / 'modle.pt'}: no such file or folder (--serialized-file)"
    assert error == f"{path}; did you mean {home / 'model.pt'}? [file-missing]"


def test_the_home_of_another_user_is_known() -> None:
    pwd = pytest.importorskip("pwd")
    user = pwd.getpwuid(os.getuid())
    assert expand_home(f"~{user.pw_name}/x") == os.path.join(user.pw_dir, "x")  # noqa: PTH118 - as a shell joins it
    assert expand_home("~no-such-user/x") == "~no-such-user/x"
    assert expand_home("a/~/x") == "a/~/x"


def test_no_folder_is_created_for_a_home_that_does_not_exist(work: Path, run: Command) -> None:
    [error] = refused(run, "--export-path", "~no-such-user/store")
    assert "begins with a ~, but there is no such home folder (--export-path)" in error


def test_every_command_finds_what_is_below_the_home_folder(home: Path, run: Command) -> None:
    mar(*HONEST).rename(home / "m.mar")
    make(str(home / "cases.json"), text="[]")
    make(str(home / "in.json"), text="1")
    archive = "~/m.mar"
    for words in (["inspect", archive], ["verify", archive, archive], ["diff", archive, archive]):
        assert run(*words).status == 0
    assert run("extract", archive, "--to=~/unpacked").status == 0
    assert (home / "unpacked/MAR-INF").is_dir()
    assert not Path("~").exists()
    python = ["--python=~/no/python"]
    for words in (["--input=~/in.json"], ["--form", "a=@~/in.json"], ["--cases=~/cases.json"]):
        [error] = run("test", archive, *words, *python).errors
        assert error.startswith(str(home / "no/python")) or "cases.json: " in error
    missing = run("test", archive, "--input=~/in.json", "--expect=~/gone.json", *python).errors
    assert missing[0].startswith(str(home / "gone.json"))
