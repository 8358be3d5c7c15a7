"""A real TorchServe that installs the requirements of models does with their files what the checks say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from model_archiver.cli import main

from .archives import GREETING, torch_archive, write_tree
from .server import ServerError
from .test_registration import REQUIRING_HANDLER, write_wheel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .torchserve import TorchServe

pytestmark = pytest.mark.servers

WHEEL = "required_greetings-1.0-py3-none-any.whl"
REFUSED = {
    "single-equals": ("numpy=1.26", "requirements-invalid"),
    "command": ("pip install numpy", "requirements-invalid"),
    "condition": ("numpy; python > 3", "requirements-invalid"),
    "option": ("--upgrade", "requirements-invalid"),
    "file": ("-r base.txt", "requirements-local"),
    "constraints": ("-c base.txt", "requirements-local"),
    "wheel": (f"./{WHEEL}", "requirements-local"),
    "folder": ("./package", "requirements-local"),
    "project": ("-e package", "requirements-local"),
}
SERVED = {
    "wheel": (f"wheels/{WHEEL}", {}),
    "wheel-without-folder": (f"{WHEEL} ; python_version > '3'", {}),
    "nested": (
        "-r lists/base.txt",
        {"lists/base.txt": f"-c constraints.txt\nwheels/{WHEEL}\n", "lists/constraints.txt": ""},
    ),
}


@pytest.fixture(scope="module")
def installing(new_torchserve: Callable[..., TorchServe]) -> Iterator[TorchServe]:
    with new_torchserve(install_py_dep_per_model="true") as server:
        yield server


@pytest.mark.parametrize("row", REFUSED)
def test_a_line_with_which_nothing_is_installed(installing: TorchServe, tmp_path: Path, capfd, row: str):
    line, code = REFUSED[row]
    write_tree(tmp_path, {"greeting.py": GREETING, "needs.txt": f"--no-index\n{line}\n"})
    flags = ("--handler", tmp_path / "greeting.py", "--requirements-file", tmp_path / "needs.txt")
    name = f"refused-{row}"
    assert main([str(flag) for flag in ("--model-name", name, *flags, "--dry-run")]) == 0
    assert re.findall(r":2: .* \[([a-z-]+)\]$", capfd.readouterr().err, re.MULTILINE) == [code]

    archive = torch_archive(tmp_path / "out", name, *flags, "--no-checks")
    with pytest.raises(ServerError), installing.serving(archive, name):
        pass


@pytest.mark.parametrize("row", SERVED)
def test_a_line_that_names_a_file_of_the_archive(installing: TorchServe, tmp_path: Path, row: str):
    line, files = SERVED[row]
    write_tree(tmp_path, {"requiring.py": REQUIRING_HANDLER, "needs.txt": f"--no-index\n{line}\n"})
    write_wheel(tmp_path / "wheels", "required_greetings", f"HELLO = {row!r}\n")
    write_tree(tmp_path, files)
    archive = torch_archive(
        tmp_path / "out",
        f"required-{row}",
        *("--handler", tmp_path / "requiring.py"),
        *("--requirements-file", tmp_path / "needs.txt"),
        *("--include", tmp_path / "wheels", "--extra-files", tmp_path / "wheels" / WHEEL),
        *(("--include", tmp_path / "lists") if files else ()),
        "--strict",
    )

    with installing.serving(archive, f"required-{row}"):
        assert installing.predict(f"required-{row}") == row.encode()
