"""Many models from one call: results, failures, executors, signals, and what an interruption leaves."""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

import model_archiver
from model_archiver import ModelArchiverConfig, ModelArchiverError, build_many
from model_archiver.commands.build_many import BuildResult, build_one, run_many
from model_archiver.core.problems import MissingInputError, Problem, UsageError, error
from model_archiver.reading.archive import DamageError
from model_archiver.trial.report import TrialFailedError, TrialReport
from tests.archives import FORMATS, members, output, tree
from tests.forks import hidden
from tests.packing import HANDLER, make

# Builds many models with two processes; `act` is called in the process of a model that has begun to write.
PROGRAM = """
import os, signal, sys
from pathlib import Path
from model_archiver.core.running import interrupted_by_signals
from model_archiver.commands.build_many import run_many
from model_archiver.core.request import ModelArchiverConfig

def stop(name):
    Path("begun", str(os.getpid())).touch()
    os.kill(os.getpid(), signal.SIGSTOP)

def die(name):
    if name == "m1":
        os.kill(os.getpid(), signal.SIGKILL)

def hook(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".building/new"):
        act(Path(arguments[0]).parent.name.split(".")[1])

signal.signal(signal.SIGINT, signal.default_int_handler)  # pytest in the background ignores it
act = {{"stop": stop, "die": die}}["{act}"]
sys.addaudithook(hook)
names = [f"m{{number}}" for number in range({count})]
requests = [ModelArchiverConfig(name, "handler.py", export_path="out", force=True) for name in names]
try:
    with interrupted_by_signals():
        for result in run_many(requests, jobs=2, keep_going={keep_going}):
            print(result and (result.exception or result.report.path.name))
except KeyboardInterrupt:
    sys.exit(130)
"""
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the processes are not forks, and have no hook")


@pytest.fixture
def requests(work: Path) -> list[ModelArchiverConfig]:
    """Six requests, of which the third and fifth cannot be built."""
    make("handler.py", text=HANDLER)
    made = [ModelArchiverConfig(f"m{number}", "handler.py", version=f"{number}") for number in range(6)]
    made[2].handler, made[4].model_name = "missing.py", "no name"
    return made


def start(act: str, count: int = 6, *, keep_going: bool = True) -> subprocess.Popen[str]:
    make("handler.py", text=HANDLER)
    Path("begun").mkdir()
    program = PROGRAM.format(act=act, count=count, keep_going=keep_going)
    return subprocess.Popen([sys.executable, "-c", program], stdout=-1, stderr=-1, text=True, start_new_session=True)


def stopped_workers() -> list[int]:
    """Wait until both processes have stopped, and return their numbers."""
    while len(list(Path("begun").iterdir())) < 2:
        time.sleep(0.02)
    pids = [int(path.name) for path in Path("begun").iterdir()]
    while any(state(pid) != "T" for pid in pids):
        time.sleep(0.02)
    return pids


def state(pid: int) -> str:
    """Return the letter that Linux gives a process; empty if there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def go_on(pids: list[int]) -> None:
    for pid in pids:
        os.kill(pid, signal.SIGCONT)


def wait_until_gone(pids: list[int]) -> None:
    while any(state(pid) not in ("", "Z") for pid in pids):
        time.sleep(0.02)


def check(results: list[BuildResult], requests: list[ModelArchiverConfig]) -> None:
    assert [result.request for result in results] == requests
    assert [result.exception is None for result in results] == [True, True, False, True, False, True]
    assert isinstance(results[2].exception, FileNotFoundError)
    assert [problem.code for problem in results[2].exception.problems] == ["file-missing"]
    assert "name-invalid" in {problem.code for problem in results[4].exception.problems}
    reports = [result.report for result in results if result.report]
    assert [report.manifest["model"]["modelVersion"] for report in reports] == ["0", "1", "3", "5"]
    assert all(report.path.is_file() and report.digest for report in reports)
    assert hidden(Path()) == []


def test_results_are_in_the_order_of_the_requests_and_a_failed_one_stops_no_other(requests) -> None:
    seen: list[BuildResult] = []
    results = build_many(iter(requests), on_result=seen.append)
    check(results, requests)
    assert sorted(map(id, seen)) == sorted(map(id, results))
    assert all(result.request is request for result, request in zip(results, requests, strict=True))


@pytest.mark.parametrize("jobs", [1, 3])
def test_processes_and_one_process_build_the_same_bytes(requests, monkeypatch, jobs: int) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    check(run_many(requests, jobs=jobs), requests)
    single = requests[0].replace(export_path="single")
    assert build_one(single).exception is None
    assert Path("m0.mar").read_bytes() == Path("single/m0.mar").read_bytes()


@pytest.mark.parametrize(
    "make_executor",
    [lambda: ThreadPoolExecutor(3), lambda: ProcessPoolExecutor(2, get_context("spawn"))],
    ids=["threads", "processes"],
)
def test_an_executor_of_ones_own_builds_and_is_not_shut_down(requests, make_executor: Callable[[], Executor]) -> None:
    with make_executor() as executor:
        check(build_many(requests, executor), requests)
        assert executor.submit(int, "3").result() == 3


def test_an_executor_that_is_shut_down_fails_each_model(requests) -> None:
    with ThreadPoolExecutor(1) as executor:
        pass
    results = build_many(requests, executor)
    assert [type(result.exception) for result in results] == [ModelArchiverError] * len(requests)
    assert "cannot schedule new futures after shutdown" in str(results[0].exception)


@pytest.mark.parametrize(
    ("failure", "shown"), [(OSError("it broke:\n\nlook there"), "OSError: it broke"), (TimeoutError(), "TimeoutError")]
)
def test_of_what_an_executor_says_the_first_line_is_shown(requests, failure: Exception, shown: str) -> None:
    class Broken(Executor):
        def submit(self, *words: object):
            raise failure

    assert str(build_many(requests[:1], Broken())[0].exception) == f"the executor failed: {shown}"


def test_an_executor_never_has_more_than_a_thousand_models(requests) -> None:
    waiting = most = 0

    class Counting(ThreadPoolExecutor):
        def submit(self, *words: object):
            nonlocal waiting, most
            waiting += 1
            most = max(most, waiting)
            return super().submit(*words)

    def count(result: BuildResult) -> None:
        nonlocal waiting
        waiting -= 1

    with Counting(2) as executor:
        results = build_many([requests[2]] * 1500, executor, count)
    assert (len(results), most) == (1500, 1000)


def test_the_folder_of_the_program_counts_and_not_that_of_the_executor(requests, tmp_path: Path) -> None:
    with ProcessPoolExecutor(1, get_context("spawn"), os.chdir, (tmp_path,)) as executor:
        results = build_many(requests, executor)
    check(results, requests)
    assert results[0].report.path == Path("m0.mar").resolve()
    assert str(Path("missing.py")) in str(results[2].exception)


@pytest.mark.parametrize("archive_format", FORMATS)
def test_twelve_threads_build_side_by_side(work: Path, archive_format: str) -> None:
    make("handler.py", text=HANDLER)
    for number in range(12):
        make(f"data{number}/file.txt")
        Path(f"data{number}/large.bin").write_bytes(os.urandom(700_000))
    requests = [
        ModelArchiverConfig(f"m{number}", "handler.py", extra_files=f"data{number}", archive_format=archive_format)
        for number in range(12)
    ]
    with ThreadPoolExecutor(12) as executor:
        results = build_many(requests, executor)
    assert [result.exception for result in results] == [None] * 12
    for number in range(12):
        assert members(output(f"m{number}", archive_format)) == {"handler.py", "file.txt", "large.bin"}
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {signal.SIGINT, signal.SIGTERM}


def test_after_a_failure_nothing_more_is_begun_without_keep_going(requests) -> None:
    results = run_many(requests, jobs=1, keep_going=False)
    assert [result is None for result in results] == [False, False, False, True, True, True]
    assert sorted(path.name for path in Path().glob("*.mar")) == ["m0.mar", "m1.mar"]
    with ThreadPoolExecutor(1) as executor:
        results = run_many([requests[2], *requests], executor, keep_going=False)
    assert [result is None for result in results] == [False] + [True] * 6


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_progress_is_all_bytes_however_they_are_built(requests, jobs: int) -> None:
    class Bar:
        total = done = 0

        def add_total(self, total: int) -> None:
            self.total += total

        def __call__(self, count: int) -> None:
            self.done += count

    Path("weights.pt").write_bytes(bytes(500_000))
    for request in requests:
        request.serialized_file = "weights.pt"
    bar = Bar()
    run_many(requests, jobs=jobs, progress=bar)
    handlers = 5 * len(HANDLER)  # one is missing
    assert bar.total == bar.done == 6 * 500_000 + handlers


def test_a_dry_run_returns_plans_and_writes_nothing(requests) -> None:
    before = tree(Path())
    results = run_many(requests, jobs=2, dry_run=True)
    assert tree(Path()) == before
    assert [result.plan is None for result in results] == [False, False, True, False, True, False]
    assert results[0].plan.name == "m0"


def test_notes_and_warnings_are_in_the_result_and_not_in_the_log(work: Path, caplog) -> None:
    make("model.pt")
    [result] = build_many([ModelArchiverConfig("m", serialized_file="model.pt", extra_files="no*", checks=False)])
    assert "no --handler is given" in result.notes[0]
    assert [problem.code for problem in result.report.problems] == ["pattern-unmatched"]
    assert caplog.records == []


def test_a_wrong_request_is_a_failed_one(work: Path) -> None:
    [result] = build_many([ModelArchiverConfig("m", serialized_file=3)])
    assert "serialized_file" in str(result.exception)


def test_an_internal_error_is_a_failed_one(requests, monkeypatch) -> None:
    monkeypatch.setattr("model_archiver.commands.package.make_plan", lambda *_: 1 / 0)
    result = build_one(requests[0])
    assert str(result.exception) == "internal error: ZeroDivisionError: division by zero; please report it"
    assert isinstance(result.exception.__cause__, ZeroDivisionError)


@pytest.mark.parametrize("wrong", ["x", None, {"model_name": "m"}])
def test_what_is_not_a_request_is_an_error_before_anything_is_built(requests, wrong: object) -> None:
    with pytest.raises(TypeError, match=f"^a request must be a ModelArchiverConfig, not {type(wrong).__name__}$"):
        build_many([requests[0], wrong])
    with pytest.raises(TypeError, match=r"not str$"):
        build_many("abc")
    with pytest.raises(TypeError, match=r"^an executor must be a concurrent\.futures\.Executor, not int$"):
        build_many(requests, executor=5)
    assert not list(Path().glob("*.mar"))


def test_a_few_models_share_all_cores(requests) -> None:
    few = run_many(requests[:2], jobs=8, dry_run=True)
    many = run_many(requests, jobs=3, dry_run=True)
    assert [result.plan.jobs for result in few] == [4, 4]
    assert {result.plan.jobs for result in many if result.plan} == {1}


def test_without_requests_there_is_nothing_to_do(work: Path) -> None:
    assert build_many([]) == []


def test_everything_survives_pickling(requests) -> None:
    [result] = build_many(requests[:1])
    trial = TrialReport(result.report, [Problem("error", "trial-failed", "no")], [], [], {"load": 1.0}, {})
    for value in (requests[0], result, trial, result.report, *result.report.problems):
        assert pickle.loads(pickle.dumps(value)) == value
    problem = Problem("error", "file-missing", "no such file", "look", "a.pt", 3)
    failures = [
        ModelArchiverError("only a message"),
        MissingInputError(problems=[problem]),
        UsageError(problems=[problem]),
        TrialFailedError(trial),
        DamageError("entry-damaged", "is damaged", path="m.mar"),
        error("disk-full", "is full"),
    ]
    for failure in failures:
        again = pickle.loads(pickle.dumps(failure))
        assert (type(again), str(again), vars(again)) == (type(failure), str(failure), vars(failure))


@LINUX
def test_a_killed_process_fails_its_model_and_no_other(work: Path) -> None:
    process = start("die")
    out, err = process.communicate()
    lines = out.splitlines()
    assert (process.returncode, err) == (0, "")
    assert lines[:1] + lines[2:] == ["m0.mar", "m2.mar", "m3.mar", "m4.mar", "m5.mar"]
    assert lines[1] == "its process ended with exit code -9; if memory ran out, use fewer --jobs"


@LINUX
def test_without_keep_going_what_has_begun_is_finished(work: Path) -> None:
    out, _ = start("die", 20, keep_going=False).communicate()
    lines = out.splitlines()
    assert lines[0] == "m0.mar"
    assert lines.count("None") >= 16
    assert {path.name for path in Path("out").glob("m*")} == {line for line in lines if line.endswith(".mar")}


@LINUX
@pytest.mark.parametrize("to_group", [False, True], ids=["the parent", "its group"])
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_an_interrupted_run_ends_its_processes_and_leaves_what_was_there(work: Path, name: str, to_group: bool) -> None:
    make("out/m0.mar", "out/m1.mar", text="the previous build")
    process = start("stop")
    pids = stopped_workers()
    assert len(hidden(Path("out"))) == 2
    (os.killpg if to_group else os.kill)(process.pid, signal.Signals[name])
    time.sleep(0.2)
    go_on(pids)
    out, err = process.communicate()
    assert (process.returncode, out, err) == (130, "", "")
    wait_until_gone(pids)
    assert tree(Path("out")) == {"m0.mar": b"the previous build", "m1.mar": b"the previous build"}


@LINUX
def test_the_processes_of_a_killed_run_end_too(work: Path) -> None:
    Path("out").mkdir()  # else the builds that end remove it
    process = start("stop")
    pids = stopped_workers()
    process.kill()
    process.wait()
    go_on(pids)
    wait_until_gone(pids)
    assert hidden(Path("out")) == []
    assert process.communicate() == ("", "")


def test_a_program_with_threads_is_not_forked(requests) -> None:
    ended = threading.Event()
    thread = threading.Thread(target=ended.wait)
    thread.start()
    try:
        check(run_many(requests, jobs=2), requests)
    finally:
        ended.set()
        thread.join()


def test_a_script_with_threads_and_without_a_guard_is_not_run_again(requests) -> None:
    script = """
import threading, time
from model_archiver import ModelArchiverConfig, build_many
threading.Thread(target=time.sleep, args=(5,), daemon=True).start()
print("begun", flush=True)
results = build_many([ModelArchiverConfig(f"m{number}", "handler.py") for number in range(3)])
print([result.report.path.name for result in results])
"""
    make("script.py", text=script)
    done = subprocess.run([sys.executable, "script.py"], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("begun\n['m0.mar', 'm1.mar', 'm2.mar']\n", "")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to see the peak of the memory")
def test_memory_does_not_grow_with_the_number_of_models(work: Path) -> None:
    program = """
import re, resource, sys
from pathlib import Path
from model_archiver.commands.build_many import run_many
from model_archiver.core.request import ModelArchiverConfig
names = [f"m{number}" for number in range(int(sys.argv[1]))]
results = run_many([ModelArchiverConfig(name, "handler.py", extra_files="data") for name in names], jobs=2)
assert not any(result.exception for result in results)
print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
    make("handler.py", text=HANDLER)
    Path("data").mkdir()
    Path("data/large.bin").write_bytes(bytes(3_000_000))
    peaks = []
    for count in (20, 200):
        done = subprocess.run([sys.executable, "-c", program, str(count)], check=True, capture_output=True, text=True)
        peaks.append([int(line) for line in done.stdout.split()])
        for path in Path().glob("*.mar"):
            path.unlink()
    assert all(many < 1.1 * few for few, many in zip(*peaks, strict=True)), peaks


def test_the_public_name_is_the_function() -> None:
    assert model_archiver.build_many is build_many
    assert "build_many" in dir(model_archiver)
