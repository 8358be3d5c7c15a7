"""A real TorchServe serves what ``--target`` lays out, as each platform's containers start it or hand it on."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from model_archiver.cli import main
from tests.pages import blocks_of

from .archives import DIGITS, DIGITS_FLAGS, SAMPLE, write_tree
from .environments import TORCHSERVE
from .test_registration import write_wheel
from .typed import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .torchserve import TorchServe

pytestmark = pytest.mark.servers

DOCKER = DIGITS.with_name("docker")

# Finds a package beside code/, and one that the requirements name.
CLASS_IN_CODE = """\
import required_greetings
from helpers.words import NAME


class Service:
    def initialize(self, context):
        self.answer = f"{required_greetings.HELLO}, {NAME}"

    def handle(self, data, context):
        return [self.answer] * len(data)
"""


@pytest.mark.serves("`--target kserve`: two models, started from the written config")
def test_a_server_started_as_kserve_does_has_both_models(new_torchserve: Callable[..., TorchServe], tmp_path: Path):
    settings = tmp_path / "settings.yaml"
    settings.write_text("minWorkers: 1\nmaxWorkers: 3\nbatchSize: 5\nmaxBatchDelay: 7\nstartupTimeout: 99\n")
    lay_out(tmp_path, "kserve", "first", *DIGITS_FLAGS)
    lay_out(tmp_path, "kserve", "second", *DIGITS_FLAGS, "-c", settings, "--archive-format", "no-archive")
    given = properties(tmp_path / "config" / "config.properties")

    server = new_torchserve(**inside_loopback(given))
    serves_digits(server, (tmp_path / "model-store").iterdir(), "first", "second")
    with server:
        server.wait_until_ready("second")
        found = server.describe("second")
    wanted = {"maxWorkers": 3, "batchSize": 5, "maxBatchDelay": 7, "startupTimeout": 99, "runtime": "python"}
    assert {key: found[key] for key in wanted} == wanted


@pytest.mark.serves("`--target vertex`: `model.mar` loaded by its name")
def test_a_server_started_as_vertex_does_has_the_model(new_torchserve: Callable[..., TorchServe], tmp_path: Path):
    lay_out(tmp_path, "vertex", "digits", *DIGITS_FLAGS)

    serves_digits(new_torchserve(load_models="model=model.mar"), [tmp_path / "model.mar"], "model")


@pytest.mark.serves("`--target sagemaker`: unpacked, handler and requirements in `code/`", on="tgz")
@pytest.mark.parametrize("handler", ["handler.py", "handler"])
def test_a_folder_unpacked_as_sagemaker_does_serves(torchserve: TorchServe, tmp_path: Path, handler: str):
    lay_out(tmp_path, "sagemaker", "digits", *DIGITS_FLAGS, "--handler", DIGITS / handler)
    folder = unpacked(tmp_path / "model.tar.gz", tmp_path / "digits")

    with torchserve.serving(folder, "digits") as ask:
        assert ask(SAMPLE)["digit"] == "seven"


@pytest.mark.serves("`--target sagemaker`: unpacked, handler and requirements in `code/`", on="tgz")
def test_code_finds_the_files_next_to_it_and_its_requirements(new_torchserve, tmp_path: Path):
    wheels = tmp_path / "wheels"
    write_wheel(wheels, "required_greetings", "HELLO = 'Guten Tag'\n")
    write_tree(
        tmp_path,
        {
            "service.py": CLASS_IN_CODE,
            "helpers/__init__.py": "",
            "helpers/words.py": "NAME = 'Welt'\n",
            "needs.txt": f"--no-index\n--find-links {wheels.as_uri()}\nrequired-greetings==1.0\n",
        },
    )
    flags = ("--handler", tmp_path / "service.py", "--include", tmp_path / "helpers", "-r", tmp_path / "needs.txt")
    lay_out(tmp_path, "sagemaker", "greeting", *flags)
    folder = unpacked(tmp_path / "model.tar.gz", tmp_path / "greeting")

    with new_torchserve(install_py_dep_per_model="true") as server, server.serving(folder, "greeting"):
        assert server.predict("greeting").decode() == "Guten Tag, Welt"


@pytest.mark.serves("Docker: settings and archive of the `Dockerfile`")
def test_a_server_started_as_the_dockerfile_does_has_the_model(new_torchserve, tmp_path: Path):
    packaging, *_ = blocks_of((DOCKER / "README.md").read_text(encoding="utf-8"))
    with Reader(tmp_path) as reader:
        reader.reads([packaging])
    image = copied(reader.clone / "examples" / "docker", tmp_path / "image")
    given = properties(image / "home/model-server/config.properties")
    assert given["inference_address"] == "http://0.0.0.0:8080"

    archives = (image / given["model_store"].lstrip("/")).iterdir()
    serves_digits(new_torchserve(**inside_loopback(given)), archives, "digits")


def test_torchserve_takes_the_words_of_the_dockerfile(new_torchserve: Callable[..., TorchServe]):
    text = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
    [command] = re.findall(r"^CMD (.*)$", text, re.MULTILINE)
    [image] = re.findall(r"^FROM pytorch/torchserve:([\d.]+)-cpu$", text, re.MULTILINE)
    assert f"torchserve=={image}" in TORCHSERVE.installs[1]
    program, *words = json.loads(command)
    assert program == "torchserve"

    script = "import sys; from ts.arg_parser import ArgParser; print(ArgParser.ts_parser().parse_args(sys.argv[1:]))"
    done = subprocess.run([new_torchserve().python, "-c", script, *words], capture_output=True, text=True, check=True)
    assert "start=True" in done.stdout
    assert "foreground=True" in done.stdout
    assert "ts_config='/home/model-server/config.properties'" in done.stdout


def lay_out(export_path: Path, platform: str, name: str, *flags: object) -> None:
    argv = ["--model-name", name, "--export-path", export_path, "--target", platform, *flags]
    assert main([str(argument) for argument in argv]) == 0


def serves_digits(server: TorchServe, archives: Iterable[Path], *names: str) -> None:
    """See that a server that starts with these archives has these models."""
    for archive in archives:
        server.copy_to_store(archive)
    with server:
        for name in names:
            server.wait_until_ready(name)
            assert server.ask(name, SAMPLE)["digit"] == "seven"


def unpacked(archive: Path, folder: Path) -> Path:
    """Return the folder that SageMaker has: the archive is unpacked into it as it is."""
    shutil.unpack_archive(archive, folder, "gztar")  # early 3.10 and 3.11 know no filter for tarfile
    return folder


def copied(context: Path, image: Path) -> Path:
    """Return the file system that the COPY lines of a Dockerfile make."""
    for line in (context / "Dockerfile").read_text(encoding="utf-8").splitlines():
        if line.startswith("COPY "):
            source, target = line.split()[-2:]
            place = image / target.lstrip("/") / (source if target.endswith("/") else "")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(context / source, place)
    return image


def properties(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def inside_loopback(given: dict[str, str]) -> dict[str, str]:
    """Return the settings without addresses, ports and folders, for which the tests have their own."""
    return {
        name: value
        for name, value in given.items()
        if not name.endswith(("_address", "_port")) and name != "model_store"
    }
