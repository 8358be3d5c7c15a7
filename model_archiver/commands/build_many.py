"""Building many models side by side, in processes of this machine or in an executor of the caller's."""

from __future__ import annotations

import gc
import multiprocessing
import os
import queue
import signal
import sys
import threading
import time
from concurrent.futures import CancelledError, Future
from contextlib import closing, suppress
from functools import partial
from itertools import islice, takewhile
from multiprocessing.connection import wait
from pathlib import PurePosixPath

from model_archiver.commands.diff import compare
from model_archiver.commands.package import build_planned, plan_package
from model_archiver.core.manifest import MANIFEST_PATH, SAMPLES_PATH, parse_manifest
from model_archiver.core.problems import ModelArchiverError, Problem, ProblemList, as_error, as_seen, raise_errors
from model_archiver.core.record import Record
from model_archiver.core.report import ArchiveEntry
from model_archiver.core.request import ArchiveFormat, ModelArchiverConfig
from model_archiver.core.running import add_total, block_signals, interrupted_by_signals, no_progress
from model_archiver.core.sums import file_sha256, sha256
from model_archiver.planning.gathering import rebased
from model_archiver.planning.kserve import config_content
from model_archiver.planning.planner import available_cores, make_plan
from model_archiver.reading.opening import check_sums, read_files
from model_archiver.writing.build import plan_report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator
    from concurrent.futures import Executor
    from multiprocessing.connection import Connection
    from typing import Any

    from model_archiver.core.plan import Plan
    from model_archiver.core.report import ArchiveReport
    from model_archiver.core.running import Progress, Unblocked
    from model_archiver.trial.report import TrialReport

    Task = Callable[..., "BuildResult"]
    Waiting = Iterator[tuple[int, ModelArchiverConfig]]  # requests with their indexes, up to a failure
    Finished = Generator[tuple[int, "BuildResult | ModelArchiverError"], None, None]

_LARGE = 1 << 26  # from this size on, in bytes, the threads of one build are as fast as builds side by side
_MOST_WAITING = 1000  # models: an executor keeps in memory what it is given
_POLL_SECONDS = 1  # without a limit, a wait on Windows would not end with Ctrl-C
_PATIENCE = 10  # seconds that a process has to remove its staging directory
_METADATA = 1 << 26  # more bytes than builds write into MAR-INF
# What an existing file has that is not a damaged archive, but another file or a larger archive.
_FOREIGN = {"archive-unknown", "file-unreadable", "manifest-missing", "unpacked-too-large"}
_NO_TEST = {"test": False, "test_python": None, "test_timeout": None, "install_requirements": False}


class BuildResult(Record):
    """The result of one request.

    Attributes:
        request: the request.
        report: what was written, with all warnings, or the unchanged archive; None if the build failed.
        exception: why nothing was written; None if nothing failed.
        trial: what the trial found, if the request asks for one.
        notes: what was decided because the request does not say, a sentence each.
        unchanged: whether the existing archive is what the build would give, and was left as it was.
        plan: what would be written, if nothing is to be written; else None.
    """

    request: ModelArchiverConfig
    report: ArchiveReport | None = None
    exception: ModelArchiverError | None = None
    trial: TrialReport | None = None
    notes: tuple[str, ...] = ()
    unchanged: bool = False
    plan: Plan | None = None


def build_many(
    requests: Iterable[ModelArchiverConfig],
    executor: Executor | None = None,
    on_result: Callable[[BuildResult], object] | None = None,
) -> list[BuildResult]:
    """Build many models, and return the results in the order of the requests. A failed one stops no other.

    Without an executor, small models are built side by side in forks of this process, and then the large ones by
    threads; where a fork is not safe (on Linux if there are other threads, and elsewhere), all are built by threads.

    Args:
        requests: what to build.
        executor: runs the builds: anything with the interface of ``concurrent.futures.Executor``. It is not shut down.
        on_result: is called with each result, in order of completion.

    Raises:
        TypeError: a request or the executor is something else; nothing is built.
    """
    given = list(requests)
    for request in given:
        if not isinstance(request, ModelArchiverConfig):
            raise TypeError(f"a request must be a ModelArchiverConfig, not {type(request).__name__}")
    if executor is not None and not hasattr(executor, "submit"):
        raise TypeError(f"an executor must be a concurrent.futures.Executor, not {type(executor).__name__}")
    # A new interpreter would run the script again whose call is not below `if __name__ == "__main__"`.
    return [result for result in run_many(given, executor, on_result, may_spawn=False) if result]


def run_many(  # noqa: PLR0913 - a flag each
    requests: Iterable[ModelArchiverConfig],
    executor: Executor | None = None,
    on_result: Callable[[BuildResult], object] | None = None,
    *,
    jobs: int | None = None,
    if_changed: bool = False,
    dry_run: bool = False,
    keep_going: bool = True,
    may_spawn: bool = True,
    progress: Progress = no_progress,
) -> list[BuildResult | None]:
    """Build many models as `build_many` and `build_one` do, with None for each that was given up after a failure."""
    given, jobs = list(requests), jobs or available_cores()
    results: list[BuildResult | None] = [None] * len(given)
    sizes = [_source_size(request) for request in given]
    left, may_begin = sizes.copy(), True
    add_total(progress, sum(sizes))
    task = partial(build_one, if_changed=if_changed, dry_run=dry_run)

    def waiting(indexes: Iterable[int]) -> Waiting:
        return ((index, given[index]) for index in takewhile(lambda _: may_begin, indexes))

    def count_bytes(index: int, count: int) -> None:
        count = min(count, left[index])  # a trial, and an existing archive, have more than was announced
        left[index] -= count
        progress(count)

    def in_turn(indexes: Iterable[int]) -> Finished:
        for index, request in waiting(indexes):
            yield index, task(request, jobs=jobs, progress=partial(count_bytes, index))

    if executor is not None:
        most = _MOST_WAITING if keep_going else getattr(executor, "_max_workers", 1)
        ways = [_in_executor(executor, partial(task, jobs=1), waiting(range(len(given))), most)]
    else:
        may_start = (may_spawn or _can_fork()) and not multiprocessing.current_process().daemon
        is_shared = may_start and min(jobs, len(given)) > 1
        small = [index for index, size in enumerate(sizes) if is_shared and size < _LARGE]
        large = sorted({*range(len(given))}.difference(small))
        threads = max(jobs // max(len(small), 1), 1)
        ways = [_in_processes(jobs, partial(task, jobs=threads), waiting(small)), in_turn(large)]
    for way in ways:
        with closing(way) as finished:
            for index, outcome in finished:
                result = outcome if isinstance(outcome, BuildResult) else BuildResult(given[index], exception=outcome)
                results[index] = result = result.replace(request=given[index])
                may_begin = may_begin and (keep_going or result.exception is None)
                count_bytes(index, left[index])
                if on_result:
                    on_result(result)
    return results


def build_one(
    request: ModelArchiverConfig,
    *,
    jobs: int | None = None,
    if_changed: bool = False,
    dry_run: bool = False,
    progress: Progress = no_progress,
) -> BuildResult:
    """Build a model, and return what came of it, whatever is wrong; log nothing. It can be pickled, as its result can.

    With `if_changed`, an existing archive that is what the build would give is left; a `dry_run` writes nothing.
    """
    found, notes = [], []
    try:
        config = ModelArchiverConfig.from_args(request)
        config, report, trial = config.replace(jobs=jobs or config.jobs), None, None
        if if_changed:
            plan, problems, _ = plan_package(config.replace(force=True, **_NO_TEST))
            report, is_damaged = _existing_report(plan, progress)
            existing = plan.target.path / (MANIFEST_PATH if plan.target.in_place else "")
            if not (report or is_damaged or config.force) and existing.exists():
                message, hint = "differs from what the build would give", "use -f to replace it"
                message += ", or its configuration does" if plan.sidecars else ""
                found = [Problem("error", "target-exists", message, hint, str(as_seen(existing)))]
            config = config.replace(force=config.force or is_damaged or bool(found))
        unchanged = report is not None
        if not unchanged:
            plan, problems, trial = plan_package(config, dry_run=dry_run, found=found)
            if not dry_run:
                report = build_planned(plan, problems, trial, progress)
            elif trial:
                trial(progress=progress)
        if unchanged or dry_run:
            report = report or plan_report(plan, plan.size, None, [])
            report = report.replace(problems=problems.warnings, ignored=problems.ignored)
            if unchanged and config.test:
                notes = ["the archive is unchanged, so --test was not run"]
        tried, planned = trial.report if trial else None, plan if dry_run and not unchanged else None
        return BuildResult(request, report, None, tried, (*plan.notes, *notes), unchanged, planned)
    except Exception as failure:  # noqa: BLE001 - the other models must be built
        if isinstance(failure, (ModelArchiverError, OSError)):
            return BuildResult(request, exception=as_error(failure), trial=getattr(failure, "trial", None))
        reason = ModelArchiverError(f"internal error: {type(failure).__name__}: {failure}; please report it")
        reason.__cause__ = failure
        return BuildResult(request, exception=reason)


def _existing_report(plan: Plan, progress: Progress) -> tuple[ArchiveReport | None, bool]:
    """Return the report on the existing archive if it is what the plan gives, and whether it is a damaged one.

    A folder is damaged only if files are missing: what else differs in it may be the user's.
    """
    path, expected = plan.target.path, plan_report(plan, plan.size, None, [])
    if plan.target.in_place:
        text = (path / MANIFEST_PATH).read_bytes() if (path / MANIFEST_PATH).exists() else b""
        found = expected.replace(manifest=parse_manifest(text) or {})
        return found if compare(found, expected).same else None, False
    try:
        _, content, found = read_files(path, plan.size + _METADATA, progress)
        raise_errors([*found.problems, *check_sums(content, found.archive_format)])
    except ModelArchiverError as failure:
        if path.is_dir():
            return None, all(one.code == "sums-differ" and not (path / one.path).exists() for one in failure.problems)
        codes = {problem.code for problem in failure.problems if problem.level == "error"}
        return None, path.is_file() and (not codes <= _FOREIGN or not path.stat().st_size)
    packed = (*plan.members, *plan.samples)
    entries = [ArchiveEntry(each.path, each.size, None, file_sha256(each.source.path)) for each in packed]
    if plan.cases:
        entries.append(ArchiveEntry(PurePosixPath(SAMPLES_PATH), len(plan.cases), None, sha256(plan.cases)))
    is_same = compare(found, expected.replace(files=tuple(entries))).same and found.layout == expected.layout
    if plan.archive_format is ArchiveFormat.ZIP_STORE:  # any other is the format of some --deflate
        is_same &= all(entry.size == entry.compressed_size for entry in found.files)
    is_same &= all(side.is_file() and side.read_bytes() == config_content(plan, side) for side in plan.sidecars)
    return found.replace(excluded=plan.excluded, sidecars=plan.sidecars) if is_same else None, False


def _in_executor(executor: Executor, task: Task, waiting: Waiting, most: int) -> Finished:
    """Build in an executor of the caller's, which has so many models at a time."""
    running: dict[Future[BuildResult], int] = {}
    done: queue.SimpleQueue[Future[BuildResult]] = queue.SimpleQueue()
    here = os.getcwd()  # noqa: PTH109 - what runs the build may have another one
    # A cluster can lose its workers, and then one error is about all that is left.
    wait_for_workers, lost = getattr(executor, "wait_for_workers", lambda: None), getattr(executor, "lost", "")
    try:
        while True:
            for index, request in islice(waiting, most - len(running)):
                with suppress(ModelArchiverError):  # what is wrong with the request is a part of its result
                    request = rebased(ModelArchiverConfig.from_args(request), here, here)  # noqa: PLW2901
                try:
                    future = executor.submit(task, request)
                except Exception as failure:  # noqa: BLE001 - one that is broken or shut down can raise anything
                    future = Future()
                    future.set_exception(failure)
                running[future] = index
                future.add_done_callback(done.put)
            if not running:
                return
            try:
                future = done.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                try:
                    wait_for_workers()
                except Exception:  # noqa: BLE001 - as above
                    for future in tuple(running):
                        future.cancel()
                continue
            index = running.pop(future)
            try:
                yield index, future.result()
            except CancelledError:
                yield index, ModelArchiverError(lost or "the executor cancelled it")
                if lost:
                    return
            except Exception as failure:  # noqa: BLE001 - as above
                reason = f"{type(failure).__name__}: {failure}".splitlines()[0].rstrip(": ")
                yield index, ModelArchiverError(f"the executor failed: {reason}")
    finally:
        for future in tuple(running):
            future.cancel()


def _can_fork() -> bool:
    """Return whether a fork is safe: it has everything loaded, but only the thread that forks."""
    return sys.platform == "linux" and threading.active_count() == 1


def _in_processes(jobs: int, task: Task, waiting: Waiting) -> Finished:
    """Build in processes, each with one model at a time, so that it is known which one a process ended with."""
    context: Any = multiprocessing.get_context("fork" if _can_fork() else "spawn")
    processes: dict[Any, Any] = {}  # all of them, by their connections
    idle: list[Any] = []
    running: dict[Any, int] = {}
    try:
        while True:
            for index, request in islice(waiting, jobs - len(running)):
                if not idle:
                    connection, theirs = context.Pipe()
                    with theirs, block_signals() as unblocked:  # until the process is prepared for them
                        process = context.Process(target=_work, args=(theirs, task, unblocked), daemon=True)
                        processes[connection] = process
                        process.start()
                    idle.append(connection)
                connection = idle.pop()
                running[connection] = index
                with suppress(OSError):  # it was killed, which shows when its result is read
                    connection.send(request)
            if not running:
                return
            ready: Any = wait(running, _POLL_SECONDS)
            for connection in ready:
                index = running.pop(connection)
                try:
                    outcome = connection.recv()
                    idle.append(connection)
                except (EOFError, OSError):
                    process = processes.pop(connection)
                    process.join()
                    wrong = f"its process ended with exit code {process.exitcode}; if memory ran out, use fewer --jobs"
                    outcome = ModelArchiverError(wrong)
                yield index, outcome
    finally:
        for process in processes.values():
            process.terminate()  # a build that runs removes what it has written
        for process in processes.values():
            process.join(_PATIENCE)
            process.kill()
            process.join()


def _work(connection: Connection, task: Task, unblocked: Unblocked) -> None:
    """Build what comes through the connection, until a signal or the end of the parent ends this process."""
    gc.enable()  # which short commands have disabled
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(KeyboardInterrupt, EOFError, OSError), interrupted_by_signals(), unblocked():
        while True:
            connection.send(task(connection.recv()))


def _end_with_parent() -> None:
    """Wait for the end of the parent, in a thread that blocks signals, and then end this process as a signal does."""
    if parent := multiprocessing.parent_process():
        parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_PATIENCE)
    os._exit(1)


def _source_size(request: object) -> int:
    """Return how many bytes a model has; 0 where that cannot be known."""
    with suppress(ModelArchiverError, OSError):
        return make_plan(ModelArchiverConfig.from_args(request), None, ProblemList()).size
    return 0
