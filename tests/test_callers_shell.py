"""The shell forms in which public code calls the archiver, each as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.archives import MANIFEST, contents, manifest, members, output, tree
from tests.packing import HANDLER, make

BESIDE_PYTHON = Path(sys.executable).parent
COMMANDS = {"module": [sys.executable, "-m", "model_archiver"], "script": [str(BESIDE_PYTHON / "torch-model-archiver")]}
MMS = str(BESIDE_PYTHON / "model-archiver")
Archiver = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(params=COMMANDS)
def archiver(request: pytest.FixtureRequest) -> Archiver:
    """The command in a process, as a module and as the installed script: a line of words, and words as they are."""
    return lambda line, *words: _process([*COMMANDS[request.param], *line.split(), *words])


def _process(words: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)


def _succeeds(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""


def test_all_flags_of_upstream_at_once(inputs, archiver: Archiver) -> None:
    words = (
        "--model-name m --version 2.0 --serialized-file model.pt --model-file model.py --handler handler.py "
        "--extra-files index_to_name.json --runtime python3 --export-path model_store --archive-format default "
        "--force --requirements-file requirements.txt --config-file config.yaml"
    )
    _succeeds(archiver(words))
    fields = manifest(Path("model_store/m.mar"))
    assert list(fields) == ["createdOn", "runtime", "model", "archiverVersion"]
    assert fields["runtime"] == "python3"
    assert fields["model"]["modelVersion"] == "2.0"
    assert len(members(Path("model_store/m.mar"))) == 6


EMPTY = ["-r", "--extra-files", "--config-file", "--model-file", "--version", "--handler", "--export-path"]
EMPTY += ["--runtime", "--model-path", "--include", "--archive-format"]


@pytest.mark.parametrize("empty", [*([flag, ""] for flag in EMPTY), ["--extra-files", " "]], ids=" ".join)
def test_an_empty_value_means_no_value(inputs, empty: list[str]) -> None:
    words = ["--model-name", "m", "--serialized-file", "model.pt"]
    _succeeds(_process([*COMMANDS["module"], *words, *empty]))
    assert members(output("m")) == {"model.pt"}
    defaults = {"modelName": "m", "serializedFile": "model.pt", "handler": "base_handler", "modelVersion": "1.0"}
    assert manifest(output("m"))["model"] == defaults


@pytest.mark.parametrize(
    ("words", "field", "value"),
    [
        ("--version base", "modelVersion", "base"),
        ("--model-file net.onnx --handler handler.py", "modelFile", "net.onnx"),
        ("--serialized-file dummy.pt", "serializedFile", "dummy.pt"),
        ("--handler vllm_handler --config-file config.yaml", "handler", "vllm_handler"),
        ("--model-file config.yaml --handler handler.py --config-file config.yaml", "modelFile", "config.yaml"),
    ],
)
def test_odd_values_that_serve_today(inputs, words: str, field: str, value: str) -> None:
    Path("net.onnx").write_bytes(b"onnx")
    Path("dummy.pt").write_bytes(b"")
    _succeeds(_process([*COMMANDS["module"], "--model-name", "m", "--handler", "vllm_handler", *words.split()]))
    assert manifest(output("m"))["model"][field] == value
    assert len(members(output("m")) - {"handler.py"}) == (0 if field == "modelVersion" else 1)


def _mlflow(rest: str) -> subprocess.CompletedProcess[str]:
    command = (
        "torch-model-archiver --force --model-name m --version 1.0 --serialized-file 'model.pt' --handler handler.py "
        f"--export-path model_store {rest}"
    )
    path = os.pathsep.join([str(BESIDE_PYTHON), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path}
    return subprocess.run(command, shell=True, capture_output=True, text=True, env=environment, check=False)


def test_mlflows_command_and_where_it_looks_for_the_result(inputs) -> None:
    _succeeds(_mlflow("--model-file model.py --extra-files 'index_to_name.json,config.yaml' -r requirements.txt"))
    archive = Path("model_store/m.mar")
    assert members(archive) == {
        *("model.pt", "handler.py", "model.py", "index_to_name.json", "config.yaml", "requirements.txt")
    }
    _succeeds(_mlflow(""))
    assert members(archive) == {"model.pt", "handler.py"}


def test_mlflow_shows_stderr_on_failure(inputs) -> None:
    done = _mlflow("--model-file no.py")
    assert done.returncode == 1
    assert done.stdout == ""
    assert "no.py: no such file or folder (--model-file)" in done.stderr
    assert not Path("model_store/m.mar").exists()


def test_kubeflows_component_takes_the_archive_from_the_export_path(inputs, archiver: Archiver) -> None:
    words = (
        "--model-name=m --serialized-file=model.pt --model-file=model.py --handler=image_classifier -v=1.0 "
        "--extra-files=index_to_name.json,config.yaml --export-path=model_store --force"
    )
    _succeeds(archiver(words))
    assert members(Path("model_store/m.mar")) == {"model.pt", "model.py", "index_to_name.json", "config.yaml"}
    assert manifest(Path("model_store/m.mar"))["model"]["modelVersion"] == "1.0"


def test_kserves_image_passes_an_empty_requirements_file(inputs, archiver: Archiver) -> None:
    words = "--model-name m --version 1.0 --model-file model.py --serialized-file model.pt --handler handler.py"
    _succeeds(archiver(words, "--export-path", "model_store", "--extra-files", "", "-r", ""))
    assert members(Path("model_store/m.mar")) == {"model.py", "model.pt", "handler.py"}


def test_sagemaker_samples_read_the_folder_that_comes_out(inputs, archiver: Archiver) -> None:
    make("extra/code/inference.py", "extra/weights.bin", text="x = 1\n")
    words = "--model-name m --version 1.0 --handler handler.py --extra-files extra -r requirements.txt"
    _succeeds(archiver(f"{words} --config-file config.yaml --archive-format no-archive --export-path tmp"))
    assert set(contents(Path("tmp/m"))) == {
        *("code/inference.py", "weights.bin", "handler.py", "requirements.txt", "config.yaml"),
        *("MAR-INF/SHA256SUMS", MANIFEST),
    }


@pytest.fixture
def sagemaker(work: Path) -> Path:
    """A model's folder as SageMaker's MMS toolkit has it: it is the output as well."""
    make("store/model/service.py", text=HANDLER)
    make("store/model/model-0000.params", "store/model/.hidden")
    return Path("store/model")


def _toolkit(*more: str, model_path: str = "store/model") -> subprocess.CompletedProcess[str]:
    words = ["--model-name", "model", "--handler", "service.py:handle", "--model-path", model_path]
    return _process([MMS, *words, "--export-path", "store", "--archive-format", "no-archive", *more])


def test_sagemakers_toolkit_has_the_manifest_written_in_place_and_nothing_else_touched(sagemaker: Path) -> None:
    before = tree(sagemaker)
    times = {path: path.stat().st_mtime_ns for path in sagemaker.iterdir()}
    done = _toolkit()
    _succeeds(done)
    assert "wrote store/model/MAR-INF/MANIFEST.json; the folder's other files are unchanged" in done.stderr
    after = tree(sagemaker)
    assert manifest(sagemaker)["model"]["handler"] == "service.py:handle"
    assert {path: after[path] for path in after if not path.startswith("MAR-INF")} == before
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert set(after) - set(before) == {"MAR-INF", MANIFEST}


def test_in_place_is_known_through_links_and_other_spellings(sagemaker: Path) -> None:
    Path("linked").symlink_to("store/model")
    _succeeds(_toolkit(model_path="linked/../model/."))
    assert not (sagemaker / "MAR-INF/SHA256SUMS").exists()
    _succeeds(_toolkit("-f", model_path="linked"))
    assert (sagemaker / ".hidden").read_text() == "store/model/.hidden"


def test_in_place_refuses_what_would_have_to_be_copied(sagemaker: Path) -> None:
    Path("other.txt").write_text("x")
    before = tree(sagemaker)
    done = _toolkit("--include", "other.txt")
    assert done.returncode == 1
    assert "in-place-elsewhere" in done.stderr
    assert tree(sagemaker) == before


@pytest.mark.parametrize(
    ("words", "status"),
    [("--model-name m --handler vllm_handler", 0), ("--model-name m --model-file no.py", 1), ("--model-flie", 2)],
)
def test_the_exit_status_of_the_process(inputs, archiver: Archiver, words, status: int) -> None:
    done = archiver(words)
    assert (done.returncode, done.stdout) == (status, "")
    assert "Traceback" not in done.stderr


def test_help_of_both_commands_goes_to_stdout() -> None:
    for command in (*COMMANDS.values(), [MMS]):
        done = _process([*command, "-h"])
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("usage: ")
