"""``model-archiver``: a folder, as the documentation of Multi Model Server describes it, and each flag."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_archiver import __version__
from model_archiver.cli.parser import mms_parser
from tests.archives import FORMATS, manifest, members, output, tree
from tests.conftest import Command
from tests.packing import HANDLER, make

DOCUMENTED = (
    "squeezenet_v1.1-symbol.json",
    "squeezenet_v1.1-0000.params",
    "signature.json",
    "synset.txt",
    "mxnet_vision_service.py",
)
COMMAND = "model-archiver --model-name squeezenet_v1.1 --model-path squeezenet --handler mxnet_vision_service:handle"
WORDS = COMMAND.split()[1:]


@pytest.fixture
def squeezenet(work: Path) -> Path:
    folder = work / "squeezenet"
    folder.mkdir()
    for name in DOCUMENTED:
        (folder / name).write_text(f"content of {name}\n")
    (folder / "mxnet_vision_service.py").write_text(HANDLER)
    return folder


@pytest.mark.parametrize("archive_format", FORMATS)
@pytest.mark.parametrize("more", ["", "--runtime python3 --export-path out --force"])
def test_the_documented_command_runs_as_written(squeezenet: Path, more: str, archive_format: str) -> None:
    before = tree(squeezenet)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = f"{COMMAND} {more}" + (f" --archive-format {archive_format}" if archive_format != "default" else "")
    done = subprocess.run(command, shell=True, env={**os.environ, "PATH": path}, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
    assert done.stderr.startswith(b"model-archiver: wrote ")
    archive = output("squeezenet_v1.1", archive_format, Path("out") if more else None)
    assert members(archive) == set(DOCUMENTED)
    written = manifest(archive)
    assert written.pop("createdOn")
    assert written == {
        "runtime": "python3" if more else "python",
        "model": {"modelName": "squeezenet_v1.1", "handler": "mxnet_vision_service:handle", "modelVersion": "1.0"},
        "archiverVersion": __version__,
        **dict.fromkeys(("modelServerVersion", "implementationVersion", "specificationVersion"), "1.0"),
    }
    assert tree(squeezenet) == before


def test_an_onnx_file_is_packed_as_it_is(squeezenet: Path, run_mms: Command) -> None:
    (squeezenet / "model.onnx").write_bytes(b"\x08\x07")
    assert run_mms(*WORDS).status == 0
    assert "model.onnx" in members(output("squeezenet_v1.1"))


FOLDER_WORDS = ("--model-name", "m", "--model-path", "d", "--handler", "svc:handle")


@pytest.fixture
def folder(work: Path) -> None:
    make("d/svc.py", text=HANDLER)
    make("d/pkg/labels.txt", "more.txt")


@pytest.mark.parametrize("runtime", ["python", "python2", "python3"])
def test_every_runtime_of_mms_is_without_a_warning(folder, run_mms: Command, runtime: str) -> None:
    result = run_mms(*FOLDER_WORDS, "--runtime", runtime)
    assert (result.status, result.warnings) == (0, [])
    assert manifest(output("m"))["runtime"] == runtime


def test_the_flags_that_both_commands_share(folder, run_mms: Command) -> None:
    shared = ["--version", "2", "--include", "more.txt", "--exclude", "pkg", "--strict", "--quiet"]
    result = run_mms(*FOLDER_WORDS, *shared, "--deflate", "never", "--jobs", "1", "--json")
    assert (result.status, result.err) == (0, "")
    assert json.loads(result.out)["manifest"]["model"]["modelVersion"] == "2"
    assert members(output("m")) == {"svc.py", "more.txt"}


def test_a_dry_run_writes_nothing(folder, run_mms: Command) -> None:
    result = run_mms(*FOLDER_WORDS, "--dry-run", "--no-checks")
    assert result.status == 0
    assert "--model-path d/svc.py" in result.out
    assert not output("m").exists()


REFUSED = {
    **{f"{flag} x": flag for flag in ("--extra-files", "--serialized-file", "--model-file", "-r")},
    "--runtime LSP": "LSP",
    **dict.fromkeys(("-c", "--convert"), "leave out --convert"),
}


@pytest.mark.parametrize("words", REFUSED)
def test_flags_that_only_torchserve_or_the_original_has_are_refused(folder, run_mms: Command, words: str) -> None:
    result = run_mms(*FOLDER_WORDS, *words.split())
    assert (result.status, result.out) == (2, "")
    assert REFUSED[words] in result.errors[0]
    assert len(result.errors) == 1
    assert not output("m").exists()


@pytest.mark.parametrize("missing", ["--model-name", "--model-path", "--handler"])
def test_name_folder_and_handler_are_required(folder, run_mms: Command, missing: str) -> None:
    at = FOLDER_WORDS.index(missing)
    result = run_mms(*FOLDER_WORDS[:at], *FOLDER_WORDS[at + 2 :])
    assert result.status == 2
    assert f"required: {missing}" in result.err


def test_help_names_every_flag(folder, run_mms: Command) -> None:
    result = run_mms("help", "--all")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("usage: model-archiver ")
    assert all(flag in result.out for flag in mms_parser()._option_string_actions if flag not in ("-c", "--convert"))


def test_tool_version(folder, run_mms: Command) -> None:
    assert run_mms("--tool-version").out.startswith("model-archiver ")


def test_without_the_server_the_hint_does_not_install_it_over_this_tool(work, run_mms: Command) -> None:
    make("m/handler.py", text=HANDLER)
    assert run_mms("--model-name", "m", "--model-path", "m", "--handler", "handler").status == 0
    [error] = run_mms("test", "m.mar").errors
    hint = "install it elsewhere: python -m venv serving && serving/bin/pip install multi-model-server; then give "
    assert error.endswith(f"this Python has no server installed; {hint}--python serving [trial-worker-missing]")
