"""Trials with the workers of the real servers: what serves, and what is not tried."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from model_archiver import try_archive
from model_archiver.core.problems import ModelArchiverError

from .sending import ANSWERS, send

if TYPE_CHECKING:
    from tests.conftest import Command

    from .sending import Packer

pytestmark = pytest.mark.servers

REPOSITORY = Path(__file__).parents[2]
DIGITS = REPOSITORY / "examples" / "digits"
IRIS = REPOSITORY / "examples" / "mms_numpy"


# What serves


@pytest.fixture
def digits(work: Path, run: Command) -> Path:
    files = ("--model-file", DIGITS / "model.py", "--serialized-file", DIGITS / "digits.pt")
    extra = ("--handler", DIGITS / "handler.py", "--extra-files", DIGITS / "index_to_name.json")
    assert run("--model-name", "digits", *files, *extra).status == 0
    return Path("digits.mar")


def test_digits_answer_alone_and_together(digits: Path, torchserve_python: Path, own_tmp: Path) -> None:
    sample = DIGITS / "sample.json"
    report = try_archive(digits, [sample, sample], python=torchserve_python, batch_size=2)
    assert report.is_ok
    assert (report.server, report.loads, report.answers) == ("torchserve", True, True)
    assert [answer.batched for answer in report.results] == [False, False, True, True]
    assert all(b'"digit": "seven"' in answer.body for answer in report.results)
    assert report.versions.keys() == {"python", "torch", "server"}
    assert "[METRICS]" not in report.log
    assert not any(own_tmp.iterdir())


def test_a_folder_and_a_tar_are_tried_too(digits: Path, torchserve_python: Path, run: Command) -> None:
    assert run("extract", digits, "--to", "folder").status == 0
    before = {path: path.read_bytes() for path in Path("folder").rglob("*") if path.is_file()}
    assert try_archive("folder", [DIGITS / "sample.json"], python=torchserve_python.parents[1]).is_ok
    assert before == {path: path.read_bytes() for path in Path("folder").rglob("*") if path.is_file()}


def test_sagemakers_tar_serves(work: Path, pack: Packer, torchserve_python: Path) -> None:
    pack(ANSWERS, "--target", "sagemaker")
    report = send(Path("model.tar.gz"), torchserve_python, "a")
    assert (report.is_ok, report.archive.layout) == (True, "sagemaker")


def test_iris_is_tried_on_multi_model_server(
    work: Path, run_mms: Command, mms_python: Path, torchserve_python: Path, own_tmp: Path
) -> None:
    words = ("--model-name", "iris", "--model-path", IRIS / "iris", "--handler", "iris_service:handle")
    assert run_mms(*words).status == 0
    report = try_archive("iris.mar", [IRIS / "sample.json"], python=mms_python)
    assert (report.is_ok, report.server) == (True, "mms")
    assert b'"class": "virginica"' in report.results[0].body
    assert try_archive("iris.mar", [IRIS / "sample.json"], python=torchserve_python).server == "torchserve"
    assert not any(own_tmp.iterdir())


def test_a_temporary_folder_too_long_for_a_socket(
    pack: Packer, torchserve_python: Path, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = work / ("t" * 100)
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    report = send(pack(ANSWERS), torchserve_python, "a")
    assert report.is_ok
    assert "127.0.0.1" in report.log
    assert not any(folder.iterdir())


def test_without_a_request_it_only_loads(pack: Packer, torchserve_python: Path) -> None:
    report = send(pack(ANSWERS), torchserve_python)
    assert (report.is_ok, report.loads, report.answers) == (True, True, None)
    assert "--input" in report.notes[0]


def test_a_streamed_answer_is_joined(pack: Packer, torchserve_python: Path) -> None:
    stream = (
        "from ts.handler_utils.utils import send_intermediate_predict_response as send\n"
        "def handle(data, context):\n    for word in ('a', 'b') if data else ():\n"
        "        send([word], context.request_ids, 'next', 200, context)\n    return ['c']\n"
    )
    assert send(pack(stream), torchserve_python, "x").results[0].body == b"abc"


def test_a_coroutine_serves_where_the_configuration_says_so(pack: Packer, torchserve_python: Path) -> None:
    handler = (
        "class Service:\n    def initialize(self, context):\n        pass\n\n"
        "    async def handle(self, data, context):\n        return ['x' for _ in data]\n"
    )
    Path("c.yaml").write_text("asyncCommunication: true\nbatchSize: 2\n")
    report = send(pack(handler, "--config-file", "c.yaml"), torchserve_python, "a", "b")
    assert report.is_ok
    assert len(report.results) == 4


def test_requirements_are_installed_if_asked_for(pack: Packer, torchserve_python: Path) -> None:
    with zipfile.ZipFile("own_library-1-py3-none-any.whl", "w") as wheel:
        wheel.writestr("own_library.py", "WORD = 'installed'\n")
        info = "own_library-1.dist-info"
        wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: own_library\nVersion: 1\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    Path("r.txt").write_text("--no-index\n--find-links .\nown-library\n")
    handler = "from own_library import WORD\ndef handle(data, context):\n    return [WORD]\n"
    flags = ("-r", "r.txt", "--extra-files", "own_library-1-py3-none-any.whl")
    archive = pack(handler, *flags)
    failed = send(archive, torchserve_python, "a")
    assert "--install-requirements" in failed.problems[-1].hint
    report = send(archive, torchserve_python, "a", install_requirements=True)
    assert report.results[0].body == b"installed"


# What fails


def test_mms_only_logs_an_exception_of_initialize(work: Path, run_mms: Command, mms_python: Path) -> None:
    Path("d").mkdir()
    Path("d", "s.py").write_text(
        "class Service:\n    def initialize(self, context):\n        raise KeyError('labels')\n\n"
        "    def handle(self, data, context):\n        return ['x']\n"
    )
    assert run_mms("--model-name", "m", "--model-path", "d", "--handler", "s").status == 0
    report = send(Path("m.mar"), mms_python, "a")
    (problem,) = (problem for problem in report.problems if problem.code == "trial-load")
    assert "KeyError: 'labels'" in problem.message
    assert (problem.level, problem.path, problem.line) == ("warning", "s.py", 3)
    assert report.is_ok


def test_what_the_checks_call_wrong_and_the_worker_serves_asks_for_a_report(
    pack: Packer, torchserve_python: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pack(ANSWERS, "--archive-format", "no-archive")
    Path("m", "MAR-INF", "SHA256SUMS").unlink()
    manifest = Path("m", "MAR-INF", "MANIFEST.json")
    manifest.write_text(manifest.read_text().replace('"handler.py"', '"elsewhere"'))
    failed = send(Path("m"), torchserve_python, "a")
    assert {"handler-missing", "trial-import"} == {problem.code for problem in failed.problems}
    Path("installed").mkdir()
    Path("installed", "elsewhere.py").write_text(ANSWERS)
    monkeypatch.setenv("PYTHONPATH", str(Path("installed").absolute()))
    report = send(Path("m"), torchserve_python, "a")
    assert report.is_ok
    assert [(problem.level, problem.code) for problem in report.problems] == [("warning", "handler-missing")]
    assert "please report" in report.notes[0]


def test_a_damaged_archive_is_not_run(pack: Packer, torchserve_python: Path) -> None:
    archive = pack(ANSWERS)
    archive.write_bytes(archive.read_bytes().replace(b"return [", b"return ("))
    report = send(archive, torchserve_python, "a")
    assert (report.is_ok, report.server, report.loads) == (False, None, False)


@pytest.mark.parametrize(
    ("settings", "setting"),
    [
        ("sequenceBatching: true\nsequenceMaxIdleMSec: 9\n", "sequenceBatching"),
        ("continuousBatching: true\n", "continuousBatching"),
        ("parallelType: tp\ntorchrun:\n  nproc-per-node: 2\n", "parallelType"),
    ],
)
def test_what_needs_another_start_is_not_tried(
    pack: Packer, torchserve_python: Path, settings: str, setting: str
) -> None:
    Path("c.yaml").write_text(settings)
    report = send(pack(ANSWERS, "--config-file", "c.yaml"), torchserve_python, "a")
    assert report.problems[-1].code == "trial-unsupported"
    assert setting in report.problems[-1].message


def test_a_runtime_of_another_worker_is_not_tried(work: Path, run: Command) -> None:
    assert run("--model-name", "m", "--runtime", "LSP", "--handler", "BaseHandler", "--no-checks").status == 0
    assert "LSP" in try_archive("m.mar").problems[-1].message


def test_a_gpu_that_is_not_there(pack: Packer, torchserve_python: Path) -> None:
    Path("c.yaml").write_text("deviceType: gpu\n")
    archive = pack(ANSWERS, "--config-file", "c.yaml")
    report = send(archive, torchserve_python, "a")
    assert report.is_ok
    assert "tried on the CPU" in report.notes[0]
    assert send(archive, torchserve_python, "a", device="cuda:7").problems[-1].code == "trial-device"


def test_an_interpreter_without_the_server(pack: Packer, mms_python: Path, run: Command) -> None:
    archive = pack(ANSWERS)
    assert send(archive, mms_python, "a").server == "mms"
    assert run("--model-name", "b", "--handler", "image_classifier", "--no-checks").status == 0
    problem = send(Path("b.mar"), mms_python, "a").problems[-1]
    assert problem.code == "trial-worker-missing"
    assert "image_classifier" in problem.message
    for python in ("nosuch/python", "handler.py", "."):
        assert send(archive, python, "a").problems[-1].code == "trial-python"


def test_pips_own_error_is_shown(pack: Packer, torchserve_python: Path) -> None:
    Path("r.txt").write_text("--no-index\nnosuchlibrary\n")
    report = send(pack(ANSWERS, "-r", "r.txt"), torchserve_python, "a", install_requirements=True)
    assert report.problems[-1].code == "trial-requirements"
    assert "No matching distribution found for nosuchlibrary" in report.problems[-1].message


def test_a_linked_file_that_the_model_changes_is_named(pack: Packer, torchserve_python: Path, run: Command) -> None:
    pack(f"open('large.bin', 'ab').write(b'x')\n{ANSWERS}")
    assert run("extract", "m.mar", "--to", "folder").status == 0
    Path("folder", "MAR-INF", "SHA256SUMS").unlink()
    large = Path("folder", "large.bin")
    with large.open("wb") as file:
        file.truncate((1 << 26) + 1)
    report = send(Path("folder"), torchserve_python, "a")
    is_changed = large.stat().st_size != (1 << 26) + 1  # not where the file system shares blocks
    assert is_changed == (report.problems[-1:] != () and report.problems[-1].code == "trial-file-changed")


def test_a_missing_archive_raises(work: Path, torchserve_python: Path) -> None:
    with pytest.raises(ModelArchiverError, match=r"nosuch\.mar"):
        send(Path("nosuch.mar"), torchserve_python)
