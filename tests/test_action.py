"""The scripts of action.yml, run with the inputs that a workflow gives."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.actions import ACTION, INSTALLED, ROOT, STEPS, Runner
from tests.archives import members
from tests.conftest import Command

pytestmark = pytest.mark.skipif(
    os.name != "posix" or not shutil.which("bash"), reason="needs bash, which runs the scripts of the action"
)
ARCHIVER = Path(sys.executable).parent / "torch-model-archiver"
MODEL = "--model-name m\n--model-file model.py\n--serialized-file model.pt\n--handler handler.py\n"


@pytest.fixture
def runner(model: Path, tmp_path: Path) -> Runner:
    return Runner(model, tmp_path / "temp", skip=INSTALLED)


def test_inputs_reach_the_scripts_only_as_variables() -> None:
    scripts = [step["run"] for step in STEPS if "run" in step]
    assert [script for script in scripts if "${{" in script] == []
    environments = [step.get("env", {}) for step in STEPS]
    given = {value for environment in environments for value in environment.values() if "inputs." in value}
    assert {"${{ inputs.args }}", "${{ inputs.archives }}", "${{ inputs.command }}"} <= given
    assert all(step["shell"] == "bash" for step in STEPS if "run" in step)


def test_every_input_and_output_is_described_and_every_action_has_a_major_version() -> None:
    for entry in (*ACTION["inputs"].values(), *ACTION["outputs"].values()):
        assert entry["description"].strip().endswith(".")
    used = [step["uses"] for step in STEPS if "uses" in step]
    assert [action for action in used if not re.fullmatch(r"actions/[a-z/-]+@v\d+", action)] == []


def test_package_gives_the_archive_and_its_digest(runner: Runner) -> None:
    done = runner.action(args=f"{MODEL}--export-path model store\n")
    assert (done.status, done.out, done.outputs["archive"]) == (0, "", "model store/m.mar"), done.err
    shown = subprocess.run([ARCHIVER, "inspect", "model store/m.mar", "--json"], capture_output=True, check=True)
    assert done.outputs["digest"] == json.loads(shown.stdout)["digest"]
    assert "wrote model store/m.mar (3 files, " in done.err


@pytest.mark.parametrize("command", ["package", "verify", "test"])
def test_no_input_is_run_by_the_shell(runner: Runner, command: str) -> None:
    value = "a $(touch pwned) `touch pwned` '; touch pwned; ' \"; touch pwned; \" & touch pwned"
    Path(value).write_text("{}")
    args = f"{MODEL}--extra-files {value}" if command == "package" else f"--ignore {value}"
    before = set(Path().iterdir())
    done = runner.action(command=command, args=args, archives=value, cache_key=value, python_version=value)
    assert set(Path().iterdir()) - before == ({Path("m.mar")} if command == "package" else set())
    if command == "package":
        assert done.status == 0, done.err
        assert value in members(Path("m.mar"))
    else:
        assert done.status, done.err
    assert runner.action(command=value).status == 2
    assert not Path("pwned").exists()


def test_a_refused_package_is_annotated_at_the_line_of_its_file(runner: Runner) -> None:
    folder = Path("below")
    folder.mkdir()
    Path("handler.py").rename(folder / "handler.py")
    (folder / "handler.py").write_text("def handle(data):\n    return data\n")
    args = "--model-name m\n--serialized-file=../model.pt\n\n--handler handler.py"
    done = runner.action(args=args, working_directory="below")
    assert (done.status, done.outputs["archive"], done.outputs["digest"]) == (1, "", "")
    assert [line.partition(",title")[0] for line in done.annotations] == ["::error file=below/handler.py,line=1"]
    assert "handler.py:1: " in done.err
    assert list(folder.iterdir()) == [folder / "handler.py"]


def test_verify_reads_every_archive_of_a_pattern(runner: Runner) -> None:
    for name in ("a b", "c"):
        assert runner.action(args=MODEL.replace("-name m", f"-name {name[0]}") + f"--export-path {name}").status == 0
    done = runner.action(command="verify", archives="*/*.mar\na b/a.mar\n", args="--strict")
    assert (done.status, done.out) == (0, "verify: passed\n"), done.err
    Path("c/c.mar").write_bytes(Path("c/c.mar").read_bytes()[:-1])
    done = runner.action(command="verify", archives="*/*.mar")
    assert done.status == 1
    assert [line.partition(",title")[0] for line in done.out.splitlines()] == ["::error file=c/c.mar"]


@pytest.mark.parametrize("command", ["verify", "test"])
def test_a_pattern_that_matches_nothing_fails(runner: Runner, command: str) -> None:
    done = runner.action(command=command, archives="nothing/*.mar")
    assert done.status
    assert "file=nothing/*.mar" in done.annotations[0]


@pytest.mark.parametrize(
    ("command", "name"), [("verify", "archives"), ("test", "archives"), ("", "command"), ("build", "command")]
)
@pytest.mark.parametrize("nothing", ["", "\n", " \t\r\n\n"])
def test_invalid_inputs_fail(runner: Runner, command: str, name: str, nothing: str) -> None:
    done = runner.action(command=command, archives=nothing if name == "archives" else "m.mar")
    assert done.status == 2
    assert done.annotations[0].startswith(f"::error title=invalid-input::the input '{name}' must ")


@pytest.mark.parametrize("command", ["verify", "test"])
def test_empty_lines_and_the_ends_of_lines_do_not_count(runner: Runner, command: str) -> None:
    assert runner.action(args=MODEL.replace("\n", " \r\n")).status == 0
    args = "  --quiet \r\n\r\n" + ("--python missing\t\n" if command == "test" else "")
    done = runner.action(command=command, archives="\n  m.mar \r\n\r\n", args=args)
    if command == "verify":
        assert (done.status, done.out) == (0, "verify: passed\n"), done.err
    else:
        assert (done.status, len(done.annotations)) == (1, 1)
        assert "missing" in done.annotations[0]


def test_a_value_after_an_equals_sign_may_have_spaces(runner: Runner) -> None:
    done = runner.action(args=f"{MODEL}--export-path=model store")
    assert (done.status, done.outputs["archive"]) == (0, "model store/m.mar"), done.err


@pytest.mark.parametrize("command", ["verify", "test"])
def test_an_archive_may_have_the_name_of_a_flag(runner: Runner, command: str) -> None:
    done = runner.action(args=f"{MODEL}--export-path=-store")
    assert (done.status, done.outputs["archive"]) == (0, "-store/m.mar"), done.err
    assert done.outputs["digest"].startswith("sha256:")
    Path("-store/m.mar").rename("--strict.mar")
    Path("good.mar").write_bytes(Path("--strict.mar").read_bytes())
    args = "--python missing" if command == "test" else "--strict"
    done = runner.action(command=command, archives="*.mar", args=args, cache_key="torch 2")
    if command == "verify":
        assert (done.status, done.out) == (0, "verify: passed\n"), done.err
    else:
        assert ["missing" in line for line in done.annotations] == [True, True], done.err
        assert len(runner.looked_for) == 1
    Path("--strict.mar").write_bytes(b"")
    done = runner.action(command="verify", archives="*.mar")
    assert [line.partition(",title")[0] for line in done.annotations] == ["::error file=--strict.mar"]


@pytest.mark.parametrize("name", ["-q.mar", "-store.mar", "--ignore=x.mar"])
def test_the_hook_ends_its_flags_before_the_names_of_archives(run: Command, work: Path, name: str) -> None:
    [hook] = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8"))
    config = yaml.safe_load((ROOT / "examples/ci/pre-commit-config.yaml").read_text(encoding="utf-8"))
    [[example]] = [repository["hooks"] for repository in config["repos"]]
    run("--model-name", "m", "--handler", "vllm_handler")
    Path("m.mar").rename(name)
    for args in (hook["args"], example["args"]):  # pre-commit puts the args before the names of the files
        done = run(*hook["entry"].split()[1:], *args, name)
        assert (done.status, done.errors, done.warnings) == (0, [], []), done.err


def test_install_runs_no_command(runner: Runner) -> None:
    done = runner.action(command="install", args="--no-such-flag")
    assert (done.status, done.out, done.err) == (0, "", "")


# The cache of tests that passed


@pytest.fixture
def tested(runner: Runner) -> Runner:
    """The runner, with an archive with samples."""
    Path("request.json").write_text("[1]")
    _package(runner)
    return runner


def _package(runner: Runner, *more: str) -> None:
    Path("samples.json").write_text('[{"file": "request.json", "expected": [1]}]')
    done = runner.action(args=MODEL + "\n".join(["--samples samples.json", "--force", *more]))
    assert done.status == 0, done.err


def _key(runner: Runner, args: str = "--input request.json", cache_key: str = "torch 2") -> str:
    """Return the key under which the action looks for a test; the test itself fails for want of a server."""
    done = runner.action(command="test", archives="m.mar", args=f"{args}\n--python missing", cache_key=cache_key)
    assert (done.status, done.outputs["cache-hit"], runner.cache) == (1, "", set())
    assert "missing" in done.annotations[0]
    return runner.looked_for[-1]


def test_a_test_of_contents_that_passed_does_not_run_again(tested: Runner) -> None:
    key = _key(tested)
    tested.cache.add(key)
    _package(tested)
    inputs = {"command": "test", "archives": "m.mar", "args": "--input request.json\n--python missing"}
    done = tested.action(**inputs, cache_key="torch 2")
    assert (done.status, done.outputs["cache-hit"], done.err) == (0, "true", "")
    assert tested.action(**inputs).status == 1  # without a key


def test_the_key_is_the_same_for_identical_contents_and_for_no_others(tested: Runner) -> None:
    keys = [_key(tested)]
    tested.environ["SOURCE_DATE_EPOCH"] = "0"
    _package(tested)
    assert _key(tested) == keys[0]
    keys += [_key(tested, cache_key="torch 3"), _key(tested, args="--timeout 9")]
    Path("request.json").write_text("[2]")
    keys.append(_key(tested))  # the file of a flag
    _package(tested)
    keys.append(_key(tested))  # a sample
    _package(tested, "--version 2.0")
    keys.append(_key(tested))
    assert len(set(keys)) == len(keys) == 6


@pytest.mark.parametrize(
    "args",
    [
        "--form image=@img.bin",
        "--form=image=@img.bin",
        "--form image=<~/img.bin;type=text/plain",
        "--input ~/img.bin",
        "--input=~/img.bin",
        "--input\nimg.bin",
        "  --input img.bin \r",
        "--expect\n~/img.bin",
    ],
)
def test_the_key_has_the_files_of_all_forms_of_flags(tested: Runner, tmp_path: Path, args: str) -> None:
    home = tmp_path / "home"
    home.mkdir()
    tested.environ["HOME"] = str(home)
    keys = set()
    for text in "112":
        for folder in (home, Path()):
            (folder / "img.bin").write_text(text)
        tested.action(command="test", archives="m.mar", args=f"{args}\n--python missing", cache_key="torch 2")
        keys.add(tested.looked_for[-1])
    assert len(keys) == 2


def test_a_rejected_archive_a_file_of_cases_and_a_quoted_name_are_not_cached(tested: Runner) -> None:
    Path("cases.json").write_text('[{"file": "request.json"}]')
    for args in ("--cases cases.json", '--form a=@"cases.json"'):
        tested.action(command="test", archives="m.mar", args=args, cache_key="torch 2")
    Path("m.mar").write_bytes(Path("m.mar").read_bytes()[:-1])
    done = tested.action(command="test", archives="m.mar", cache_key="torch 2")
    assert (done.status, tested.looked_for) == (1, [])
    assert "file=m.mar" in done.annotations[0]
