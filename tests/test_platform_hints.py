"""What packaging says about what the platforms and servers do with an archive, where there is nothing wrong with it."""

from __future__ import annotations

import shlex
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.archives import FORMATS
from tests.conftest import Command
from tests.packing import HANDLER, MODEL, make

SCRIPT = "def model_fn(model_dir):\n    return None\n"

# SageMaker's script mode


@pytest.mark.parametrize(
    ("paths", "words", "inside"),
    [
        (["d/code/inference.py", "d/model.pth"], "--model-path d", {"code/inference.py", "model.pth"}),
        (["d/code/inference.py", "d/model.pth"], "--extra-files d", {"code/inference.py", "model.pth"}),
        (["code/inference.py"], "--include code --serialized-file model.pt", {"code/inference.py", "model.pt"}),
        (["a b/code/inference.py", "a b/net/x.py"], "--model-path 'a b'", {"code/inference.py", "net/x.py"}),
    ],
)
def test_script_mode_needs_no_archiver_and_the_command_packs_it(model, run: Command, paths, words, inside) -> None:
    make(*paths, text=SCRIPT)
    Path(paths[0]).parents[1].joinpath("model.pt").touch()
    result = run("--model-name", "m", "--target", "sagemaker", *shlex.split(words))
    assert (result.status, len(result.errors)) == (1, 1)
    [error] = result.errors
    assert error.startswith(f"{paths[0]}: is a script of SageMaker's script mode, which needs no model archive; ")
    assert error.endswith(" [platform-handler]")
    command = error.partition("run tar")[2].partition("; or, ")[0]
    subprocess.run(f"tar{command}", shell=True, check=True)
    with tarfile.open("model.tar.gz") as packed:
        assert inside <= {name.removeprefix("./") for name in packed.getnames()}


def test_weights_from_elsewhere_are_named(model, run: Command) -> None:
    make("d/code/inference.py", text=SCRIPT)
    words = ("--target", "sagemaker", "--model-path", "d", "--serialized-file", "model.pt")
    [error] = run("--model-name", "m", *words).errors
    assert "; put model.pt into d, then run tar -czf model.tar.gz -C d code model.pt; or, if it is a handler, " in error


@pytest.mark.parametrize(
    "words",
    [
        "--model-path d --target sagemaker --handler code/inference.py:handle",
        "--model-path d --target torchserve --handler vllm_handler",
        "--extra-files d --archive-format no-archive --handler handler.py",
        "--model-path none --target sagemaker --handler handler.py",
        "--model-path none --target sagemaker --serialized-file model.pt --handler base_handler",
    ],
)
def test_where_the_manifest_names_the_handler_nothing_is_said(model, run: Command, words: str) -> None:
    make("d/code/inference.py", text=f"{SCRIPT}\n\n{HANDLER}")
    make("none/code/helpers.py", text="def model_function(): ...\n")
    assert "[platform-handler]" not in run("--model-name", "m", *words.split()).err


# The note about base_handler

NOTE = "note: no --handler is given, so base_handler is used"
JSON = f"{NOTE}; for JSON requests, set service_envelope=json in the server's config.properties, or write a handler"


@pytest.mark.parametrize("target", ["torchserve", "vertex", "sagemaker"])
def test_the_note_says_once_what_json_requests_need(model, run: Command, target: str) -> None:
    err = run("--model-name", "m", "--serialized-file", "model.pt", "--target", target).err
    assert err.count("JSON") == 1
    assert f"{JSON} with its own preprocess\n" in err


@pytest.mark.parametrize(
    "words", ["--target kserve", "--runtime LSP", "--handler base_handler", "--handler vllm_handler"]
)
def test_the_note_says_nothing_about_json_where_it_is_not_so_or_the_handler_was_chosen(model, run, words) -> None:
    assert "JSON" not in run("--model-name", "m", "--serialized-file", "model.pt", *words.split()).err


# Requirements

INSTALLED = "; TorchServe installs the requirements only with install_py_dep_per_model=true"


@pytest.mark.parametrize("archive_format", FORMATS)
def test_the_closing_line_says_when_the_requirements_are_installed(inputs, run: Command, archive_format: str) -> None:
    words = (*MODEL, "-r", "requirements.txt", "--archive-format", archive_format)
    result = run(*words)
    assert result.err.splitlines()[-1].endswith(INSTALLED)
    assert result.err.count("install_py_dep_per_model") == 1
    assert "install_py" not in run(*words, "-f", "--quiet").err + run(*words, "--dry-run").err


def test_a_build_in_place_says_it_too(model, run: Command) -> None:
    make("store/m/model.py", "store/m/requirements.txt", text="numpy\n")
    words = ("--model-path", "store/m", "-r", "store/m/requirements.txt", "--export-path", "store")
    assert run(*MODEL, *words, "--archive-format", "no-archive").err.splitlines()[-1].endswith(INSTALLED)


@pytest.mark.parametrize(
    "words",
    ["--config-file config.yaml", "-r requirements.txt --target kserve", "-r requirements.txt --target sagemaker"],
)
def test_the_closing_line_says_nothing_where_they_are_installed(inputs, run: Command, words: str) -> None:
    result = run(*MODEL, *words.split())
    assert (result.status, "install_py_dep" in result.err) == (0, False)
    assert Path(inputs).exists()
