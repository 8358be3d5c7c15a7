"""The examples for make and GitLab, and what git sees of what they make."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.archives import members
from tests.test_workflow import words
from tests.workflow import PACKAGING, STEPS

ROOT = Path(__file__).parents[1]
CI = ROOT / "examples" / "ci"
ENVIRON = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
DIGITS = {"model.py", "digits.pt", "handler.py", "index_to_name.json"}


def repository(folder: Path) -> Path:
    """Return a git repository with the examples in it, as they are for whoever clones this one."""
    ignored = shutil.ignore_patterns("__pycache__", "*.mar", "model_store")
    for name in ("ci", "digits"):
        shutil.copytree(ROOT / "examples" / name, folder / "examples" / name, ignore=ignored)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Add the examples")
    return folder / "examples" / "ci"


def git(folder: Path, *words: str) -> str:
    name = ("-c", "user.name=test", "-c", "user.email=test@example.com")
    return subprocess.run(["git", *name, *words], cwd=folder, check=True, capture_output=True, text=True).stdout


def make(folder: Path, *targets: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", *targets], cwd=folder, env=ENVIRON, check=False, capture_output=True, text=True)


@pytest.fixture
def ci(tmp_path: Path) -> Path:
    if not shutil.which("make") or not shutil.which("git"):
        pytest.skip("needs make and git")
    return repository(tmp_path)


def test_make_packages_and_does_nothing_the_second_time(ci: Path) -> None:
    first = make(ci)
    assert first.returncode == 0, first.stderr
    archive = ci / "model_store/digits.mar"
    assert members(archive) == DIGITS
    written = archive.stat()
    second = make(ci)
    assert (second.returncode, second.stderr) == (0, "")
    assert "is up to date" in second.stdout
    assert archive.stat() == written
    assert git(ci, "status", "--porcelain") == ""


def test_make_packages_again_when_a_file_changes(ci: Path) -> None:
    assert make(ci).returncode == 0
    built = (ci / "model_store/digits.mar").stat().st_mtime_ns
    for file in [*sorted(f"../digits/{name}" for name in DIGITS), "Makefile"]:
        assert make(ci, "--question").returncode == 0
        os.utime(ci / file, ns=(built, built + 1_000_000_000))
        assert make(ci, "--question").returncode == 1, file
        os.utime(ci / file, ns=(built, built))


def test_make_keeps_the_archive_when_a_build_fails_and_cleans_up(ci: Path) -> None:
    assert make(ci).returncode == 0
    archive = ci / "model_store/digits.mar"
    before = archive.read_bytes()
    handler = ci.parent / "digits/handler.py"
    handler.write_text("def handle(data):\n    return data\n")
    later = archive.stat().st_mtime_ns + 1_000_000_000
    os.utime(handler, ns=(later, later))
    failed = make(ci)
    assert failed.returncode
    assert "[handler-entry]" in failed.stderr
    assert archive.read_bytes() == before
    assert make(ci).returncode  # and does not take the old archive for the new one
    assert make(ci, "clean").returncode == 0
    assert not archive.exists()


def test_the_pipelines_of_github_and_gitlab_run_the_same_commands() -> None:
    [job] = yaml.safe_load((CI / "gitlab-ci.yml").read_text(encoding="utf-8")).values()
    github = [words(line) for step in STEPS if "run" in step for line in step["run"].replace("\\\n", " ").splitlines()]
    assert [words(line) for line in job["script"]] == github
    flags = words(PACKAGING["run"])
    assert job["artifacts"]["paths"] == [f"{flags[flags.index('--export-path') + 1]}/digits.mar"]


def test_dvc_and_make_package_the_same_files() -> None:
    stage = yaml.safe_load((CI / "dvc.yaml").read_text(encoding="utf-8"))["stages"]["package"]
    assert {dependency.rpartition("/")[2] for dependency in stage["deps"]} == DIGITS
    assert all(dependency in stage["cmd"] for dependency in stage["deps"])


def test_an_output_of_dvc_is_ignored_by_git(ci: Path) -> None:
    (ci / "digits.mar").write_text("")
    assert git(ci, "status", "--porcelain") == ""
