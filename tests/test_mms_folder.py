"""``model-archiver``: a folder, as the documentation of Multi Model Server describes it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from model_archiver import __version__
from tests.archives import manifest, members, output, tree
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
    """The folder of the documentation."""
    folder = work / "squeezenet"
    folder.mkdir()
    for name in DOCUMENTED:
        (folder / name).write_text(f"content of {name}\n")
    (folder / "mxnet_vision_service.py").write_text(HANDLER)
    return folder


@pytest.mark.parametrize("archive_format", ["default", "tgz", "no-archive"])
@pytest.mark.parametrize("more", ["", "--runtime python3 --export-path out --force"])
def test_the_documented_command_runs_as_written(squeezenet: Path, more: str, archive_format: str) -> None:
    before = tree(squeezenet)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command = f"{COMMAND} {more}" + (f" --archive-format {archive_format}" if archive_format != "default" else "")
    done = subprocess.run(command, shell=True, env={**os.environ, "PATH": path}, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr
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
    refused = run_mms(*WORDS, "--convert", "-f")
    assert refused.status == 2
    assert len(refused.err.splitlines()) == 1


BAD = {
    "no folder": ("nowhere", "service:handle", "[file-missing]"),
    "a file": ("squeezenet/synset.txt", "service:handle", "[folder-is-file]"),
    "an empty folder": ("empty", "service:handle", "[folder-empty]"),
    "a folder of files that are left out": ("caches", "service:handle", "[folder-empty]"),
    "a handler that is not there": ("squeezenet", "elsewhere:handle", "[handler-missing]"),
    "a loop of links": ("loop", "service:handle", "[link-loop]"),
    "a named pipe": ("pipe", "service:handle", "[file-special]"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_gets_one_line_and_nothing_is_written(squeezenet: Path, run_mms: Command, case: str) -> None:
    for name in ("empty", "caches/__pycache__", "loop", "pipe"):
        Path(name).mkdir(parents=True)
    make("loop/service.py", "pipe/service.py", text=HANDLER)
    make("caches/.hidden")
    Path("loop", "again").symlink_to(".")
    os.mkfifo("pipe/fifo")
    folder, handler, code = BAD[case]
    before = sorted(Path().iterdir())
    result = run_mms("--model-name", "m", "--model-path", folder, "--handler", handler)
    assert (result.status, result.out) == (1, "")
    assert len(result.err.splitlines()) == 1
    assert result.err.startswith("model-archiver: error: ")
    assert code in result.err
    assert sorted(Path().iterdir()) == before


def test_the_torch_command_takes_a_folder_alone_or_with_files(squeezenet: Path, run: Command) -> None:
    make("weights.pt", "extra.txt")
    make("net.py", text="class Net:\n    pass\n")
    alone = run("--model-name", "alone", "--model-path", "squeezenet", "--handler", "mxnet_vision_service:handle")
    assert alone.status == 0
    assert members(output("alone")) == set(DOCUMENTED)
    assert manifest(output("alone"))["model"]["handler"] == "mxnet_vision_service:handle"
    files = ["--model-file", "net.py", "--serialized-file", "weights.pt", "--extra-files", "extra.txt"]
    both = run("--model-name", "both", "--model-path", "squeezenet", "--handler", "mxnet_vision_service.py", *files)
    assert both.status == 0
    assert members(output("both")) == {*DOCUMENTED, "net.py", "weights.pt", "extra.txt"}
    assert manifest(output("both"))["model"]["serializedFile"] == "weights.pt"
