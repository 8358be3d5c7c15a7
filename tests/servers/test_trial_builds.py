"""Builds that must serve (``--test``), sources that are tried as they are (``--dry-run --test``), and samples."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from model_archiver import ModelArchiver, ModelArchiverConfig, ModelArchiverError
from model_archiver.commands.package import plan_package
from model_archiver.model_packaging import package_model
from tests.archives import FORMATS, contents, output, tree

from .sending import send
from .test_trial_leftovers import SECONDS, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conftest import Command, Result

pytestmark = pytest.mark.servers

# Answers a number with its double; starts a process that outlives the request.
DOUBLES = f"""
import subprocess


def handle(data, context):
    if not data:
        subprocess.Popen(["sleep", "{SECONDS}"], start_new_session=True)
    for index, row in enumerate(data or ()):
        if not isinstance(row["body"], int):
            context.set_response_status(code=400, phrase="Bad Request", idx=index)
    return [row["body"] * 2 if isinstance(row["body"], int) else "not a number" for row in data or ()]
"""
BROKEN = DOUBLES.replace("* 2", "/ 0")
HANGS = DOUBLES.replace('row["body"] * 2', "__import__('time').sleep(999)")
CASES = [{"file": "two.json", "expected": 4}, {"body": "x", "status": 400, "error_contains": "not a number"}]


@pytest.fixture(autouse=True)
def here(own_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the working folder a model with samples; see to it that no test leaves a process or a file behind."""
    monkeypatch.setenv("LEFT_BY", SECONDS)
    Path("src").mkdir()
    Path("src/handler.py").write_text(DOUBLES)
    Path("src/two.json").write_text("2")
    Path("src/cases.json").write_text(json.dumps(CASES))
    before = set(running())
    yield own_tmp.parent
    assert set(running()) - before == set()
    assert not any(own_tmp.iterdir())
    assert not list(own_tmp.parent.rglob(".*"))


@pytest.fixture
def build(run: Command, mms_python: Path) -> Callable[..., Result]:
    """Package the model, after a test with Multi Model Server, whose worker starts in a moment."""

    def call(*words: object, handler: str = DOUBLES) -> Result:
        Path("src/handler.py").write_text(handler)
        model = ("--model-name", "m", "--handler", "src/handler.py", "--samples", "src/cases.json")
        return run(*model, "--test", "--test-python", mms_python, *words)

    return call


def without_figures(lines: list[str]) -> list[str]:
    return [re.sub(r"\d+\.\d\d s", "# s", line) for line in lines]


@pytest.mark.parametrize("archive_format", FORMATS)
def test_an_archive_that_serves_is_the_one_that_is_built_without_the_test(
    build: Callable[..., Result],
    run: Command,
    torchserve_python: Path,
    archive_format: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    words = ("--archive-format", archive_format, "--export-path")
    result = build("--test-python", torchserve_python, *words, "tested")
    assert (result.status, result.out, result.errors) == (0, "", [])
    model = ("--model-name", "m", "--handler", "src/handler.py", "--samples", "src/cases.json")
    assert run(*model, *words, "untested").status == 0
    assert tree(Path("tested")) == tree(Path("untested"))


def test_the_lines_of_the_trial_go_to_stderr(build: Callable[..., Result]) -> None:
    first, *lines, last = without_figures(build().err.splitlines())
    assert first.startswith("torch-model-archiver: m.mar: tried with Multi Model Server ")
    assert lines == [
        "torch-model-archiver: loads: yes, # s",
        "torch-model-archiver:   src/cases.json: case 1: 200, # s, 1 byte: 4",
        "torch-model-archiver:   src/cases.json: case 2: 400, # s, 12 bytes: not a number",
        "torch-model-archiver: answers: yes, # s",
    ]
    assert last.startswith("torch-model-archiver: wrote m.mar (1 file, ")
    assert build("--quiet", "-f").err == ""


@pytest.mark.parametrize(
    ("archive_format", "handler"), [*((each, BROKEN) for each in FORMATS), ("default", HANGS), ("no-archive", HANGS)]
)
def test_what_does_not_serve_leaves_the_existing_archive(
    build: Callable[..., Result], here: Path, archive_format: str, handler: str
) -> None:
    words = ("-f", "--archive-format", archive_format, "--export-path", "out")
    assert build(*words).status == 0
    before = tree(Path("out"))
    result = build(*words, "--test-timeout", "60" if handler == BROKEN else "1.5", handler=handler)
    assert (result.status, result.out) == (1, "")
    [line] = result.errors
    said = "request 1: ZeroDivisionError: division by zero [trial-answer]"
    if handler == HANGS:
        said = "request 1: the worker did not answer within 1.5 seconds; raise the limit with --test-timeout, or "
    assert line.startswith(f"src/handler.py{':11: ' if handler == BROKEN else ': '}{said}")
    assert "answers: no" in result.err
    assert tree(Path("out")) == before


@pytest.mark.parametrize("target", ["kserve", "vertex", "sagemaker"])
def test_every_platform_can_be_tested(build: Callable[..., Result], target: str) -> None:
    words = ("-f", "--target", target, "--export-path", "out")
    assert build(*words, handler=BROKEN).status == 1
    assert not Path("out").exists()
    assert build(*words).status == 0
    before = tree(Path("out"))
    assert build(*words, handler=BROKEN).status == 1
    assert tree(Path("out")) == before


def test_the_messages_are_those_of_the_command_test(
    build: Callable[..., Result], run: Command, mms_python: Path
) -> None:
    Path("src/two.json").write_text("3")
    failed = build().lines
    model = ("--model-name", "m", "--handler", "src/handler.py", "--samples", "src/cases.json")
    assert run(*model).status == 0
    result = run("test", "m.mar", "--python", mms_python)
    ours = [
        line.removeprefix("torch-model-archiver: ").replace("src/cases.json", "MAR-INF/samples.json") for line in failed
    ]
    theirs = [line.removeprefix("torch-model-archiver: ") for line in result.lines]
    assert theirs[0] == ours[0] == "error: MAR-INF/samples.json: case 1: $: expected 4, got 6 [trial-expect]"
    assert without_figures(ours[-5:]) == without_figures(result.out.splitlines())


def test_json_has_the_report_of_the_trial(build: Callable[..., Result]) -> None:
    passed, failed = build("--json"), build("--json", "-f", handler=BROKEN)
    found = [json.loads(result.out) for result in (passed, failed)]
    assert [(each["command"], each["status"]) for each in found] == [("package", 0), ("package", 1)]
    assert [each["trial"]["answers"] for each in found] == [True, False]
    assert [each["trial"]["log"] is None for each in found] == [True, False]
    assert found[0]["digest"].startswith("sha256:")
    assert found[0]["files"]
    [problem] = found[1]["problems"]
    assert (problem["code"], problem["path"], problem["line"]) == ("trial-answer", "src/handler.py", 11)
    assert ": log: " not in failed.err


def test_without_samples_it_is_only_loaded(run: Command, mms_python: Path) -> None:
    words = ("--model-name", "m", "--handler", "src/handler.py", "--test", "--test-python", mms_python)
    result = run(*words)
    assert result.status == 0
    assert "note: No request was sent" in result.err
    assert "answers: not asked" in result.err
    result = run("test", "m.mar", "--python", mms_python)
    assert (result.status, "package the model with --samples FILE" in result.err) == (0, True)
    Path("src/handler.py").write_text("import nosuchmodule\n" + DOUBLES)
    [line] = run(*words, "-f").errors
    assert line.startswith("src/handler.py:1: import: ModuleNotFoundError: No module named 'nosuchmodule'; ")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("flags", [[], ["--archive-format=no-archive"], ["--dry-run"]], ids=str)
def test_a_test_that_is_interrupted_leaves_everything_as_it_was(
    build: Callable[..., Result], here: Path, own_tmp: Path, mms_python: Path, number: int, flags: list[str]
) -> None:
    assert build("-f", *flags).status == 0
    mark = here / "mark"
    stuck = f"open({str(mark)!r}, 'w').close() or __import__('time').sleep(999)"
    Path("src/handler.py").write_text(DOUBLES.replace('row["body"] * 2', stuck))
    before = tree(here)
    words = ["--model-name", "m", "--handler", "src/handler.py", "--samples", "src/cases.json", "-f", *flags]
    command = [sys.executable, "-m", "model_archiver", *words, "--test", "--test-python", str(mms_python)]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - as in test_trial_leftovers
    ) as process:
        while not mark.exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
    assert process.returncode in (130, 143, -number)
    mark.unlink()
    if number == signal.SIGKILL:  # the next build removes the folder in which it was built
        for _ in range(200):
            if not running():
                break
            time.sleep(0.05)
        subprocess.run(["sh", "-c", f'rm -rf "{own_tmp}"/.[!.]*'], check=True)
        Path("src/handler.py").write_text(DOUBLES)
        assert build("-f", *flags).status == 0
    else:
        assert tree(here) == before


def test_a_build_in_place_is_tried_before_its_manifest_is_written(
    run_mms: Command, mms_python: Path, here: Path
) -> None:
    Path("m").mkdir()
    Path("m/hidden").write_text("7")
    Path("m/hidden").rename("m/.hidden")  # which only a folder has
    source = "def handle(data, context):\n    return [int(open('.hidden').read()) for _ in data or ['load']]\n"
    words = ["--model-name", "m", "--model-path", "m", "--handler", "service", "--archive-format", "no-archive", "-f"]
    words += ["--test", "--test-python", str(mms_python)]
    for text, status in ((source, 0), (f"1 / 0\n{source}", 1)):
        for dry_run in ((), ("--dry-run",)):
            Path("m/service.py").write_text(text)
            before = tree(Path("m"))
            result = run_mms(*words, *dry_run)
            assert result.status == status, result.err
            if status or dry_run:
                assert tree(Path("m")) == before
            else:
                assert tree(Path("m")).keys() - before.keys() == {"MAR-INF", "MAR-INF/MANIFEST.json"}
    Path("m/service.py").write_text(source)
    Path("m/MAR-INF/samples.json").write_text('[{"body": 1, "expected": 8}]')
    [line] = run_mms(*words).errors
    assert line == "MAR-INF/samples.json: case 1: $: expected 8, got 7 [trial-expect]"
    Path("m/.link").symlink_to("nowhere")
    [line] = run_mms(*words).errors
    assert line.endswith("[link-dangling]")
    Path("m/.link").unlink()
    Path("m/.hidden").unlink()


def test_the_dry_run_tries_the_sources_and_writes_nothing(build: Callable[..., Result], here: Path) -> None:
    Path("src/handler.py").write_text(DOUBLES)
    before = tree(here)
    result = build("--dry-run", "--export-path", "new")
    assert (result.status, tree(here)) == (0, before)
    assert result.out.splitlines()[-1].endswith(", would be written to new/m.mar")
    assert "answers: yes" in result.err
    assert "answers" not in result.out
    failed = build("--dry-run", handler=BROKEN)
    assert (failed.status, failed.errors) == (
        1,
        ["src/handler.py:11: request 1: ZeroDivisionError: division by zero [trial-answer]"],
    )
    Path("m.mar").write_text("existing")
    assert build("--dry-run", handler=BROKEN).errors == failed.errors
    problems = json.loads(build("--dry-run", "--json", handler=BROKEN).out)["problems"]
    assert [problem["code"] for problem in problems] == ["target-exists", "trial-answer"]
    Path("src/handler.py").write_text(DOUBLES)
    found = json.loads(build("--dry-run", "--json").out)
    assert (found["digest"], found["trial"]["answers"]) == (None, True)
    assert found["files"]


def test_large_sources_are_linked_and_must_not_change(build: Callable[..., Result]) -> None:
    large = Path("large.bin")
    with large.open("wb") as file:
        file.truncate((1 << 26) + 1)
    reads = "import os\nassert os.path.getsize('large.bin') > 1 << 26\n"
    assert build("--dry-run", "--extra-files", "large.bin", handler=reads + DOUBLES).status == 0
    changes = "open('large.bin', 'ab').write(b'x')\n"
    result = build("--dry-run", "--extra-files", "large.bin", handler=changes + DOUBLES)
    is_changed = large.stat().st_size != (1 << 26) + 1  # not where the file system shares blocks
    assert result.status == is_changed
    assert [line.endswith("[trial-file-changed]") for line in result.errors] == [True] * is_changed


@pytest.mark.parametrize("flags", [[], ["--dry-run"]], ids=str)
def test_requirements_are_installed_for_the_test_only(
    build: Callable[..., Result], here: Path, flags: list[str]
) -> None:
    with zipfile.ZipFile("own_library-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("own_library.py", "TWO = 2\n")
        wheel.writestr("own_library-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: own_library\nVersion: 1\n")
        wheel.writestr(
            "own_library-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("own_library-1.dist-info/RECORD", "")
    Path("requirements.txt").write_text("--no-index\n--find-links .\nown_library\n")
    handler = f"from own_library import TWO\n{DOUBLES.replace('* 2', '* TWO')}"
    words = ("-r", "requirements.txt", "--extra-files", "own_library-1-py3-none-any.whl", *flags)
    [line] = build(*words, handler=handler).errors
    assert "--install-requirements" in line
    assert build(*words, "--install-requirements", handler=handler).status == 0
    if not flags:
        assert {path for path in contents(Path("m.mar")) if not path.startswith("MAR-INF")} == {
            *("handler.py", "own_library-1-py3-none-any.whl", "requirements.txt")
        }


def test_a_source_that_changes_before_it_is_tried_is_an_error(mms_python: Path) -> None:
    config = ModelArchiverConfig("m", handler="src/handler.py", test=True, test_python=mms_python)
    _, _, trial = plan_package(config)
    assert trial is not None
    trial()
    Path("src/handler.py").write_text(DOUBLES + "\n")
    with pytest.raises(ModelArchiverError, match=r"handler\.py: changed while it was read"):
        trial()


def test_a_terminal_shows_no_escapes(mms_python: Path) -> None:
    words = ["--model-name", "m", "--handler", "src/handler.py", "--test", "--test-python", str(mms_python)]
    reading, writing = pty.openpty()
    done = subprocess.run([sys.executable, "-m", "model_archiver", *words], stderr=writing, check=False)
    os.close(writing)
    shown = []
    with suppress(OSError):  # at the end, on Linux
        shown.extend(iter(lambda: os.read(reading, 1 << 16), b""))
    os.close(reading)
    assert done.returncode == 0
    assert b"loads: yes, " in b"".join(shown)


def test_what_cannot_be_tried_is_not_built(build: Callable[..., Result], here: Path) -> None:
    Path("config.yaml").write_text("sequenceBatching: true\nsequenceMaxIdleMSec: 1000\n")
    for words, code in (
        (("--config-file", "config.yaml"), "trial-unsupported"),
        (("--test-python", "src"), "trial-python"),
        (("--test-python", sys.executable), ""),
    ):
        before = tree(here)
        result = build("--export-path", "out", *words)
        if code or result.status:  # the interpreter of the tests may have a server
            assert (result.status, tree(here)) == (1, before)
            assert result.errors[-1].endswith(f"[{code or 'trial-worker-missing'}]")


def test_a_warning_of_the_worker_is_an_error_with_strict(run_mms: Command, mms_python: Path) -> None:
    Path("d").mkdir()
    Path("d/service.py").write_text(
        "class Service:\n    def initialize(self, context):\n        raise KeyError('labels')\n\n"
        "    def handle(self, data, context):\n        return ['x']\n"
    )
    words = ["--model-name", "m", "--model-path", "d", "--handler", "service", "--test", "--test-python", mms_python]
    for strict, status in ([], 0), (["--strict"], 1):
        result = run_mms(*words, "-f", *strict)
        assert (result.status, len(result.warnings), len(result.errors)) == (status, 1 - status, status)
        assert "d/service.py:3: load: KeyError: 'labels'" in result.err


def test_python_raises_what_the_test_finds(mms_python: Path, here: Path, caplog: Any) -> None:
    caplog.set_level("INFO", "model_archiver")
    fields: dict[str, Any] = {"handler": "src/handler.py", "test": True, "test_python": mms_python}
    ModelArchiver.generate_model_archive(ModelArchiverConfig("m", **fields))
    assert Path("m.mar").is_file()
    assert [message for message in caplog.messages if message.startswith("No request was sent")]
    Path("src/handler.py").write_text(BROKEN)
    config = ModelArchiverConfig("n", **fields, samples="src/cases.json", test_timeout=30)
    with pytest.raises(ModelArchiverError, match="ZeroDivisionError") as failed:
        ModelArchiver.generate_model_archive(config)
    assert [problem.code for problem in failed.value.problems] == ["trial-answer"]
    assert not Path("n.mar").exists()


def test_a_manifest_of_the_callers_own_must_serve_too(mms_python: Path) -> None:
    config = ModelArchiverConfig("m", handler="src/handler.py", test=True, test_python=mms_python)
    manifest = {"runtime": "python", "model": {"modelName": "m", "handler": "handler.py", "modelFile": "absent.py"}}
    with pytest.raises(ModelArchiverError, match=r"absent\.py"):
        package_model(config, json.dumps(manifest))
    assert not Path("m.mar").exists()
    del manifest["model"]["modelFile"]  # type: ignore[attr-defined]
    package_model(config, json.dumps(manifest))
    assert contents(Path("m.mar"))["MAR-INF/MANIFEST.json"] == json.dumps(manifest).encode()


# Archives with samples


@pytest.mark.parametrize("archive_format", FORMATS)
def test_an_archive_brings_its_own_requests(run: Command, mms_python: Path, archive_format: str) -> None:
    words = ("--model-name", "m", "--handler", "src/handler.py", "--archive-format", archive_format)
    assert run(*words, "--samples", "src/cases.json").status == 0
    archive = output("m", archive_format)
    result = run("test", archive, "--python", mms_python)
    assert (result.status, result.err) == (0, "")
    assert [line.split(": ")[:2] for line in result.out.splitlines()[2:-1]] == [
        ["  MAR-INF/samples.json", "case 1"],
        ["  MAR-INF/samples.json", "case 2"],
    ]
    assert [answer.request for answer in send(archive, mms_python).results] == [
        "MAR-INF/samples.json: case 1",
        "MAR-INF/samples.json: case 2",
    ]
    assert [answer.request for answer in send(archive, mms_python, "x").results] == ["request0.txt"]


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ({"file": "/etc/passwd"}, "names '/etc/passwd', which is not in MAR-INF/samples; "),
        ({"file": "../handler.py"}, "names '../handler.py', which is not in MAR-INF/samples; "),
        ({"file": "samples/../MANIFEST.json"}, "names 'samples/../MANIFEST.json', which is not in "),
        ({"file": "samples/.."}, ""),
        ({"file": "samples"}, "names 'samples', which is not in "),
        ({"file": ""}, "names '', which is not in "),
        ({"file": "samples.json"}, "names 'samples.json', which is not in "),
        ({"file": "samples/..\\handler.py"}, "names 'samples/..\\\\handler.py', which is not in "),
        ({"file": "samples/absent"}, "no such file: samples/absent; "),
        ({"file": "samples/two.json", "body": 1}, "must be an object that has either file or body; "),
    ],
)
def test_packed_cases_name_only_what_is_packed_with_them(
    run: Command, mms_python: Path, case: dict[str, object], said: str
) -> None:
    words = ("--model-name", "m", "--handler", "src/handler.py", "--archive-format", "no-archive")
    assert run(*words, "--samples", "src/cases.json").status == 0
    Path("m/MAR-INF/SHA256SUMS").unlink()
    Path("m/MAR-INF/samples.json").write_text(json.dumps([case]))
    result = run("test", "m", "--python", mms_python)
    assert result.status == 1
    if said:
        [line] = result.errors
        assert line.startswith(f"MAR-INF/samples.json: case 1: {said}")


def test_samples_that_are_not_json_are_one_line(run: Command, mms_python: Path) -> None:
    words = ("--model-name", "m", "--handler", "src/handler.py", "--archive-format", "no-archive")
    assert run(*words, "--samples", "src/cases.json").status == 0
    Path("m/MAR-INF/SHA256SUMS").unlink()
    Path("m/MAR-INF/samples.json").write_text("[")
    [line] = run("test", "m", "--python", mms_python).errors
    assert line.startswith("MAR-INF/samples.json: is not JSON: ")
    assert send(Path("m"), mms_python, "x").results[0].status == 400


def test_multi_model_server_is_tried_with_samples_too(run_mms: Command, mms_python: Path) -> None:
    Path("src/handler.py").write_text(DOUBLES.replace("not isinstance", "False and not isinstance"))
    words = ["--model-name", "m", "--model-path", "src", "--handler", "handler", "--samples", "src/cases.json"]
    Path("src/cases.json").write_text(json.dumps([{"file": "two.json", "expected": 4}]))
    result = run_mms(*words, "--test", "--test-python", mms_python)
    assert result.status == 0, result.err
    assert "m.mar: tried with Multi Model Server" in result.err
    assert run_mms("test", "m.mar", "--python", mms_python).status == 0
