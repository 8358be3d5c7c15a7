"""Every command of every README that starts, asks or stops a server, typed as it stands there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from . import environments
from .conftest import ENVIRONMENTS
from .typed import ROOT, START, Block, Reader, shell_blocks

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.servers

pytest.importorskip("torch")

ON_TORCHSERVE = ("digits", "torchscript", "sentence_embedding")


@pytest.mark.serves("the example's README, typed as it stands")
@pytest.mark.parametrize("example", ON_TORCHSERVE)
def test_an_example_for_torchserve(tmp_path: Path, example: str):
    blocks = shell_blocks(ROOT / "examples" / example / "README.md")
    typed_by_a_reader(blocks, tmp_path, environments.TORCHSERVE)


@pytest.mark.serves("the example's README, typed as it stands", on="MMS")
def test_the_example_for_mms(tmp_path: Path):
    blocks = shell_blocks(ROOT / "examples" / "mms_numpy" / "README.md")
    on_torchserve = next(block for block in blocks if block.commands[-1].startswith("torchserve "))
    typed_by_a_reader([block for block in blocks if block is not on_torchserve], tmp_path, environments.MMS)


@pytest.mark.serves("archive of `model-archiver`")
def test_torchserve_serves_the_example_for_mms(tmp_path: Path):
    blocks = shell_blocks(ROOT / "examples" / "mms_numpy" / "README.md")
    packaging = next(block for block in blocks if block.commands[0].startswith("model-archiver "))
    starting = next(block for block in blocks if block.commands[-1].startswith("torchserve "))
    asking = next(block for block in blocks if block.commands[0].startswith("curl "))
    typed_by_a_reader([packaging, starting, asking], tmp_path, environments.TORCHSERVE)


def test_the_minute_of_the_main_readme(tmp_path: Path):
    blocks = shell_blocks(ROOT / "README.md")
    serving = next(block for block in blocks if any(START.match(command) for command in block.commands))
    place = blocks.index(serving)
    typed_by_a_reader(blocks[place - 2 : place + 1], tmp_path, environments.TORCHSERVE)


def test_the_archive_that_goes_into_the_container(tmp_path: Path):
    packaging, testing, *_ = shell_blocks(ROOT / "examples" / "docker" / "README.md")
    typed_by_a_reader([packaging, testing], tmp_path, environments.TORCHSERVE)


def test_the_build_of_continuous_integration(tmp_path: Path):
    typed_by_a_reader(shell_blocks(ROOT / "examples" / "ci" / "README.md"), tmp_path, environments.TORCHSERVE)


def typed_by_a_reader(blocks: list[Block], folder: Path, environment: environments.Environment) -> None:
    with Reader(folder, environment.python(ENVIRONMENTS)) as reader:
        for block in blocks:
            reader.types(block)
            if any("train.py" in command for command in block.commands):  # other processors round differently
                shutil.copytree(ROOT / "examples", reader.clone / "examples", dirs_exist_ok=True)
