"""Our commands work with an original archiver installed over ours, under ours, and removed again.

Multi Model Server's package model-archiver and ours own files of the folder ``model_archiver``: whichever is installed
later replaces those of the other, and whichever is removed takes them along. The original torch-model-archiver has our
distribution's name, so that pip keeps one of them.
"""

from __future__ import annotations

import zipfile
from email.parser import BytesParser
from pathlib import Path

import pytest

from tests.installing import Environment, copy_repository, fetch, run

pytestmark = pytest.mark.installs

OURS, MMS = "torch-model-archiver", "model-archiver"
ORIGINALS = {OURS: f"{OURS}==0.12.0", MMS: f"{MMS}==1.0.3"}
IMPORTS = "from model_archiver import ModelArchiver, inspect"


def needed_by(wheel: Path) -> list[str]:
    """Return the requirements of a wheel, without those of its extras."""
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        metadata = BytesParser().parsebytes(archive.read(name))
    return [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A wheel of each original by its name, ours, and a folder with the dependencies of ours."""
    folder = tmp_path_factory.mktemp("wheels")
    fetch("download", "--no-deps", "--dest", folder / "theirs", *ORIGINALS.values())
    fetch("wheel", "--no-deps", "--wheel-dir", folder / "ours", copy_repository(folder / "source"))
    [ours] = (folder / "ours").iterdir()
    fetch("install", "--target", folder / "dependencies", *needed_by(ours))
    theirs = {name: next((folder / "theirs").glob(f"{name.replace('-', '_')}-*.whl")) for name in ORIGINALS}
    return {**theirs, "ours": ours, "dependencies": folder / "dependencies"}


@pytest.fixture
def environment(tmp_path: Path, wheels: dict[str, Path]) -> Environment:
    """An environment with the dependencies of ours and no archiver."""
    made = Environment(tmp_path / "environment")
    [packages] = made.python.parent.parent.glob("**/site-packages")
    (packages / "dependencies.pth").write_text(f"{wheels['dependencies']}\n")
    return made


def check_commands(environment: Environment, folder: Path) -> None:
    """Build and verify an archive, with the script and with the module."""
    (folder / "handler.py").write_text("def handle(data, context):\n    return data\n")
    (folder / "config.yaml").write_text("minWorkers: 1\nmaxWorkers: 1\n")
    (folder / "requirements.txt").write_text("numpy>=1.26,<3\n")
    files = [*("--handler", folder / "handler.py"), *("--config-file", folder / "config.yaml")]
    files += ["--requirements-file", folder / "requirements.txt"]
    formats = {"default": "m.mar", "tgz": "m.tar.gz", "no-archive": "m"}
    script, module = (environment.scripts / OURS,), (environment.python, "-m", "model_archiver")
    for command, archive_format in ((module, "default"), *((script, archive_format) for archive_format in formats)):
        words = [*("--model-name", "m"), *files, "--archive-format", archive_format]
        assert run(*command, *words, "--force", "--strict", cwd=folder).stdout == ""
        run(*command, "verify", formats[archive_format], "--strict", cwd=folder)


def check_mms(environment: Environment, *, is_ours: bool) -> None:
    """Check whose the script ``model-archiver`` is, by the flag that only ours has."""
    done = run(environment.scripts / MMS, "--tool-version", status=0 if is_ours else 2)
    assert is_ours == done.stdout.startswith("model-archiver ")


def check_import(environment: Environment, *, works: bool) -> None:
    done = environment.evaluate(IMPORTS, status=0 if works else 1)
    assert works or "ImportError" in done.stderr


def test_mms_over_ours_and_removed(tmp_path: Path, environment: Environment, wheels: dict[str, Path]) -> None:
    environment.install(wheels["ours"])
    check_commands(environment, tmp_path)
    environment.install(wheels[MMS])
    check_commands(environment, tmp_path)
    check_mms(environment, is_ours=False)
    check_import(environment, works=False)
    environment.remove(MMS)
    check_commands(environment, tmp_path)
    check_import(environment, works=False)
    assert not list(environment.scripts.glob(f"{MMS}*"))
    environment.install("--force-reinstall", wheels["ours"])  # repairs it
    check_mms(environment, is_ours=True)
    check_import(environment, works=True)


def test_ours_over_mms_which_is_removed(tmp_path: Path, environment: Environment, wheels: dict[str, Path]) -> None:
    environment.install(wheels[MMS])
    environment.install(wheels["ours"])
    check_commands(environment, tmp_path)
    check_mms(environment, is_ours=True)
    check_import(environment, works=True)
    environment.remove(MMS)
    check_commands(environment, tmp_path)
    check_import(environment, works=False)
    environment.remove(OURS)
    assert not list(environment.scripts.glob("*model-archiver*"))


def installed_version(environment: Environment) -> str:
    program = "from importlib.metadata import version; print(version('torch-model-archiver'))"
    return environment.evaluate(program).stdout.strip()


def test_the_original_of_our_name_and_ours_replace_each_other(
    tmp_path: Path, environment: Environment, wheels: dict[str, Path]
) -> None:
    version = wheels["ours"].name.split("-")[1]
    script = environment.scripts / OURS
    links = ("--no-index", "--find-links", wheels[OURS].parent)
    environment.install(wheels["ours"])
    environment.install(*links, OURS)
    environment.install(*links, "--upgrade", OURS)  # ours is the newer one
    assert installed_version(environment) == version
    check_commands(environment, tmp_path)

    environment.install(*links, ORIGINALS[OURS])
    assert installed_version(environment) == "0.12.0"
    assert "the following arguments are required: --model-name" in run(script, status=2).stderr
    assert not (environment.scripts / MMS).exists()

    environment.install(wheels["ours"])
    assert installed_version(environment) == version
    check_commands(environment, tmp_path)
    check_mms(environment, is_ours=True)
    check_import(environment, works=True)
    environment.remove(OURS)
    assert not list(environment.scripts.glob("*model-archiver*"))
    assert "No module named 'model_archiver'" in environment.evaluate(IMPORTS, status=1).stderr


def test_ours_without_its_dependencies_names_what_is_missing(tmp_path: Path, wheels: dict[str, Path]) -> None:
    environment = Environment(tmp_path / "environment")
    environment.install(wheels["ours"])
    (tmp_path / "handler.py").write_text("def handle(data, context):\n    return data\n")
    command = environment.scripts / OURS
    run(command, "--model-name", "m", "--handler", "handler.py", "--strict", cwd=tmp_path)
    run(command, "verify", "m.mar", cwd=tmp_path)
    done = run(command, "explain", "file-missing", cwd=tmp_path, status=1)
    assert done.stdout == ""
    [error] = done.stderr.splitlines()
    assert error.startswith("torch-model-archiver: error: ")
    assert "No module named 'yaml'" in error
