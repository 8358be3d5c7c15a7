"""Trials with the workers of the real servers: what they say of models that fail, and that nothing of them is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from model_archiver import try_archive
from model_archiver.core.problems import ModelArchiverError

from . import environments
from .conftest import ENVIRONMENTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_archiver.trial.report import TrialReport
    from tests.conftest import Command

    Packer = Callable[..., Path]

pytestmark = pytest.mark.servers

REPOSITORY = Path(__file__).parents[2]
DIGITS = REPOSITORY / "examples" / "digits"
IRIS = REPOSITORY / "examples" / "mms_numpy"
ANSWERS = "def handle(data, context):\n    return ['x' for _ in data or ['load']]\n"
SLEEP = "sleep", "77771"


@pytest.fixture(scope="session")
def torchserve_python() -> Path:
    return environments.TORCHSERVE.python(ENVIRONMENTS)


@pytest.fixture(scope="session")
def mms_python() -> Path:
    return environments.MMS.python(ENVIRONMENTS)


@pytest.fixture
def pack(work: Path, run: Command) -> Packer:
    def pack(handler: str, *flags: object, **files: str | bytes) -> Path:
        Path("handler.py").write_text(handler)
        for name, content in files.items():
            Path(name.replace("__", "/")).parent.mkdir(exist_ok=True)
            Path(name.replace("__", "/").replace("_dot_", ".")).write_text(content)
        words = ("--model-name", "m", "--handler", "handler.py", "--no-checks", "--force")
        assert run(*words, *flags).status == 0
        return Path("m.mar")

    return pack


@pytest.fixture
def own_tmp(work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder that a trial leaves empty."""
    folder = work / "tmp"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr("tempfile.tempdir", None)
    return folder


def send(archive: Path, python: Path, *bodies: str, **settings: object) -> TrialReport:
    for number, body in enumerate(bodies):
        Path(f"request{number}.txt").write_text(body)
    inputs = [f"request{number}.txt" for number in range(len(bodies))]
    return try_archive(archive, inputs, python=python, **settings)


def sleepers() -> list[str]:
    """Return the processes that the handlers of these tests leave behind, zombies too."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if SLEEP[1].encode() in command or (int(parent) == os.getpid() and not command):
            found.append(process.name)
    return found


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


@dataclass(frozen=True)
class Broken:
    """A handler that fails.

    Attributes:
        source: its code; ``HANDLE`` begins a function ``handle`` that returns at load.
        says: a part of the message.
        hint: a part of the hint; empty where there is nothing certain to advise.
        code: of the problem.
        line: the line of ``handler.py`` that is named.
        files: that are packed below ``data/``.
    """

    source: str
    says: str
    hint: str = ""
    code: str = "trial-load"
    line: int | None = None
    files: dict[str, str] = field(default_factory=dict)


HANDLE = "def handle(data, context):\n    if data is None: return\n"
AT_LOAD = "import torch\ndef handle(data, context):\n"
LOAD = f"{AT_LOAD}    torch.nn.Linear(2, 2).load_state_dict"
ZEROS = "torch.zeros(2, 2)"
BROKEN = {
    "a library that is missing": Broken("import nosuch\n", "No module named 'nosuch'", "-r", "trial-import", 1),
    "a module that is not at the root": Broken(
        "import own\n", "No module named 'own'", "data/own.py", "trial-import", 1, {"own.py": ""}
    ),
    "a syntax error": Broken("\ndef handle(data, context)\n", "SyntaxError: expected ':'", "", "trial-import", 2),
    "an unknown name at import": Broken("\nx = y\n", "name 'y' is not defined", "", "trial-import", 2),
    "a relative import": Broken("from .a import b\n", "attempted relative import", "", "trial-import", 1),
    "arguments that are parsed": Broken(
        "import argparse\nargparse.ArgumentParser().parse_args()\n", "command line", "parse_known_args", "trial-import"
    ),
    "sys.exit": Broken("import sys\nsys.exit(3)\n", "ended with status 3", "sys.exit"),
    "os._exit": Broken(
        "import os\nprint('bye')\nos._exit(7)\n", "status 7, without an exception (last line: bye)", "os."
    ),
    "a kill": Broken("import os\nos.kill(os.getpid(), 9)\n", "SIGKILL", "memory"),
    "a crash": Broken("import ctypes\nctypes.string_at(0)\n", "SIGSEGV", "compiled code"),
    "no entry": Broken("x = 1\n", "Expected only one class", "define handle(data, context)"),
    "a RuntimeError": Broken(f"{AT_LOAD}    raise RuntimeError('boom')\n", "RuntimeError: boom", "", line=3),
    "a MemoryError": Broken(f"{AT_LOAD}    raise MemoryError\n", "MemoryError", "more memory", line=3),
    "an exception from another": Broken(
        f"{AT_LOAD}    try:\n        1 / 0\n    except ArithmeticError as e:\n        raise ValueError('no') from e\n",
        "ValueError: no",
        line=6,
    ),
    "keys with a prefix": Broken(
        f"{LOAD}({{'module.weight': {ZEROS}, 'module.bias': torch.zeros(2)}})\n",
        "Error(s) in loading state_dict for Linear",
        "remove the prefix module.",
        line=3,
    ),
    "keys without a prefix": Broken(
        f"{AT_LOAD}    m = torch.nn.Module()\n    m.net = torch.nn.Linear(2, 2)\n"
        f"    m.load_state_dict({{'weight': {ZEROS}, 'bias': torch.zeros(2)}})\n",
        "Missing key(s)",
        "add the prefix net.",
        line=5,
    ),
    "a checkpoint": Broken(
        f"{LOAD}({{'epoch': 1, 'model_state_dict': {{}}}})\n",
        "Unexpected key(s)",
        'checkpoint["model_state_dict"]',
        line=3,
    ),
    "weights of another size": Broken(
        f"{LOAD}({{'weight': torch.zeros(3, 2), 'bias': torch.zeros(2)}})\n", "size mismatch for weight", "", line=3
    ),
    "weights that are a whole module": Broken(
        f"{AT_LOAD}    torch.save(torch.nn.Linear(2, 2), 'm.pt')\n    torch.load('m.pt')\n",
        "Weights only load failed",
        "weights_only=False",
        line=4,
    ),
    "a file that is elsewhere": Broken(
        "def handle(data, context):\n    open('names.json')\n",
        "No such file or directory: 'names.json'",
        "data/names.json",
        line=2,
        files={"names.json": "{}"},
    ),
    "a file that is not packed": Broken(
        "def handle(data, context):\n    open('names.json')\n", "No such file", "--extra-files", line=2
    ),
    "an unknown name in a request": Broken(f"{HANDLE}    return [y]\n", "name 'y' is not", "", "trial-answer", 3),
    "a dict": Broken(f"{HANDLE}    return {{}}\n", "an object of the type dict", "return a list", "trial-answer"),
    "nothing": Broken(f"{HANDLE}    pass\n", "returned None", "return a list", "trial-answer"),
    "too many": Broken(f"{HANDLE}    return [1, 2, 3]\n", "3 answers for 1 request", "one answer", "trial-answer"),
    "one for both": Broken(
        f"{HANDLE}    return [1]\n",
        "requests 1, 2, sent together: the handler returned 1 answer for 2 requests",
        "one answer for each",
        "trial-answer",
    ),
    "a set": Broken(f"{HANDLE}    return [{{1}}]\n", "set is not JSON serializable", "json.dumps", "trial-answer"),
    "a coroutine": Broken(
        "async def handle(data, context):\n    return ['x']\n", "a coroutine", "asyncCommunication", "trial-answer"
    ),
    "a script whose input has another size": Broken(
        "import torch\n\n@torch.jit.script\ndef add(a, b):\n    return a + b\n\n"
        f"{HANDLE}    return add(torch.zeros(5), torch.zeros(13)).tolist()\n",
        "RuntimeError: The size of tensor a (5) must match the size of tensor b (13)",
        "",
        "trial-answer",
        9,
    ),
    "a tensor of a dict": Broken(
        f"import torch\n{HANDLE}    return torch.tensor([{{}}])\n",
        "Could not infer dtype of dict",
        "--envelope json",
        "trial-answer",
        4,
    ),
    "a reason that is not ASCII": Broken(
        f"{HANDLE}    context.set_response_status(400, 'trop tôt', 0)\n    return ['x']\n",
        "is not complete",
        "ASCII",
        "trial-answer",
    ),
    "a header that is a number": Broken(
        f"{HANDLE}    context.set_response_header(0, 'a', 1)\n    return ['x']\n",
        "no attribute 'encode'",
        "strings",
        "trial-answer",
    ),
    "a status that is a string": Broken(
        f"{HANDLE}    context.set_response_status('404', 'x', 0)\n    return ['x']\n",
        "not an integer",
        "an integer",
        "trial-answer",
    ),
    "an exception of the server's": Broken(
        f"from ts.utils.util import PredictionException\n{HANDLE}    raise PredictionException('too dark', 422)\n",
        "too dark",
        "",
        "trial-answer",
        4,
    ),
    "a sleep": Broken(f"import time\n{HANDLE}    time.sleep(999)\n", "within 3 seconds", "--timeout", "trial-timeout"),
    "a kill in a request": Broken(
        f"import os\n{HANDLE}    os.kill(os.getpid(), 9)\n",
        "request 1: the worker was killed",
        "memory",
        "trial-answer",
    ),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_it_says_what_failed_and_what_to_do(broken: Broken, pack: Packer, torchserve_python: Path) -> None:
    Path("data").mkdir()
    Path("data", "other.txt").touch()
    for name, content in broken.files.items():
        Path("data", name).write_text(content)
    timeout = 3 if broken.code == "trial-timeout" else 60
    report = send(pack(broken.source, "--include", "data"), torchserve_python, "a", "b", batch_size=2, timeout=timeout)
    problem = next(problem for problem in report.problems if problem.code.startswith("trial-"))
    assert (problem.code, problem.path, problem.line) == (broken.code, "handler.py", broken.line)
    assert broken.says in problem.message
    assert broken.hint in problem.hint
    assert bool(broken.hint) == bool(problem.hint)
    assert not report.is_ok
    assert report.log


def test_a_worker_that_does_not_start(pack: Packer, torchserve_python: Path) -> None:
    Path("logging.py").touch()
    report = send(pack(ANSWERS, "--extra-files", "logging.py"), torchserve_python, "a")
    assert [problem.code for problem in report.problems] == ["handler-shadows", "trial-start"]
    assert "module 'logging' has no attribute" in report.problems[1].message


def test_the_envelope_of_kserve_takes_no_batch(pack: Packer, torchserve_python: Path) -> None:
    archive = pack("def handle(data, context):\n    return data and [1 for _ in data]\n")
    Path("r.json").write_text('{"instances": [1]}')
    for size, is_ok in ((1, True), (2, False)):
        report = try_archive(
            archive, ["r.json", "r.json"], python=torchserve_python, batch_size=size, envelope="kserve"
        )
        assert report.is_ok == is_ok
    assert report.problems[-1].hint == "use the batch size 1 with it"
    report = send(archive, torchserve_python, "a", envelope="nosuch")
    assert "kservev2" in report.problems[-1].hint


MMS_BROKEN = {
    "an import": ("import nosuch\n", "No module named 'nosuch'", "trial-import"),
    "an exit": ("import os\nos._exit(3)\n", "ended without an exception", "trial-load"),
    "a dict": ("def handle(data, context):\n    return {} if data else None\n", "the type dict", "trial-answer"),
    "an exception": ("def handle(data, context):\n    return data and 1 / 0\n", "ZeroDivisionError", "trial-answer"),
    "a sleep": ("import time\ntime.sleep(999)\n", "within 3 seconds", "trial-timeout"),
}


@pytest.mark.parametrize(("source", "says", "code"), MMS_BROKEN.values(), ids=MMS_BROKEN)
def test_it_says_what_failed_on_mms(
    work: Path, run_mms: Command, mms_python: Path, own_tmp: Path, source: str, says: str, code: str
) -> None:
    Path("d").mkdir()
    Path("d", "s.py").write_text(LEFT["a child that nothing leads to"] + source)
    words = ("--model-name", "m", "--model-path", "d", "--handler", "s", "--no-checks")
    assert run_mms(*words).status == 0
    problem = send(Path("m.mar"), mms_python, "a", timeout=3 if "999" in source else 60).problems[-1]
    assert (problem.code, problem.path) == (code, "s.py")
    assert says in problem.message
    assert sleepers() == []
    assert not any(own_tmp.iterdir())


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


# Nothing escapes

START = f"import os, subprocess\ncommand = {list(SLEEP)}\n"
LEFT = {
    "a child": f"{START}subprocess.Popen(command)\n",
    "a child in a session of its own": f"{START}subprocess.Popen(command, start_new_session=True)\n",
    "a child that nothing leads to": (
        f"{START}if os.fork() == 0:\n    os.setsid()\n"
        "    subprocess.Popen(command, start_new_session=True, env={}, cwd='/')\n    os._exit(0)\n"
    ),
    "children that ignore signals": (
        f"{START}import signal\n"
        "for number in (signal.SIGTERM, signal.SIGINT):\n    signal.signal(number, signal.SIG_IGN)\n"
        "for _ in range(5):\n    if os.fork() == 0:\n        os.setsid()\n        os.execvp(command[0], command)\n"
    ),
    "a folder without permissions": (
        "import os, tempfile\nfolder = tempfile.mkdtemp()\nopen(folder + '/x', 'w').close()\nos.chmod(folder, 0)\n"
    ),
}
ENDS = {
    "serves": ANSWERS,
    "exits at once": "import os\nos._exit(1)\n",
    "fails": "1 / 0\n",
    "hangs": "import time\ntime.sleep(999)\n",
}


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("start", LEFT.values(), ids=LEFT)
def test_no_process_and_no_file_is_left(
    pack: Packer, torchserve_python: Path, own_tmp: Path, start: str, end: str
) -> None:
    report = send(pack(start + end), torchserve_python, "a", timeout=4 if "999" in end else 60)
    assert report.is_ok == (end == ANSWERS)
    assert sleepers() == []
    assert not any(own_tmp.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("started", ["load", "answer"])
def test_nothing_is_left_of_a_trial_that_is_interrupted(
    pack: Packer, torchserve_python: Path, own_tmp: Path, number: int, started: str
) -> None:
    stuck = "import time\nopen(os.environ['MARK'], 'w').close()\ntime.sleep(999)\n"
    in_request = HANDLE + "".join(f"    {line}\n" for line in stuck.splitlines())
    start = LEFT["a child in a session of its own"]
    archive = pack(start + (stuck if started == "load" else in_request))
    Path("in.txt").touch()
    mark = Path("mark").absolute()
    words = ["test", str(archive), "--input", "in.txt", "--python", str(torchserve_python)]
    command = [sys.executable, "-m", "model_archiver", *words]
    with subprocess.Popen(command, env={**os.environ, "MARK": str(mark)}, stderr=subprocess.DEVNULL) as process:
        while not mark.exists():
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
    assert process.returncode in (130, 143, -number)
    assert sleepers() == []
    assert not any(own_tmp.iterdir())


def test_a_log_of_a_gigabyte_is_kept_in_little_memory(pack: Packer, torchserve_python: Path) -> None:
    archive = pack(
        "import os\nblock = (b'x' * 1023 + b'\\n') * 1024\n"
        f"for _ in range(1024):\n    os.write(1, block)\nprint('last')\n{ANSWERS}"
    )
    program = (
        "import re, sys\nfrom pathlib import Path\nfrom model_archiver import try_archive\n"
        "report = try_archive(sys.argv[1], python=sys.argv[2])\n"
        "print(report.loads, 'last' in report.log,"
        " int(re.search(r'VmHWM:\\s*(\\d+)', Path('/proc/self/status').read_text())[1]) < 100_000)\n"
    )
    command = [sys.executable, "-c", program, str(archive), str(torchserve_python)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True"] * 3


def test_a_missing_archive_raises(work: Path, torchserve_python: Path) -> None:
    with pytest.raises(ModelArchiverError, match=r"nosuch\.mar"):
        send(Path("nosuch.mar"), torchserve_python)
