"""The threads of a build, where the step beside their work fails."""

from __future__ import annotations

import threading
import time

import pytest

from model_archiver.writing.deflate import Workers


def _work_until_stopped(workers: Workers, started: threading.Event) -> bool:
    """Something long that gives up when it is told to, as hashing a file does; whether it was told."""
    started.set()
    while not workers.stopped:
        time.sleep(0.01)
    return workers.stopped


def test_long_work_stops_where_the_step_next_to_it_fails() -> None:
    started = threading.Event()
    with Workers(1, lambda _: None) as workers:
        work = workers.hashing.submit(_work_until_stopped, workers, started)
        assert started.wait()
        with pytest.raises(OSError, match="the disk is full"), workers.joining(work):
            raise OSError("the disk is full")
        assert work.done()
        assert work.result()


def test_the_failure_of_the_step_is_raised_and_not_that_of_the_work() -> None:
    with Workers(1, lambda _: None) as workers:
        work = workers.hashing.submit(int, "no number")
        with pytest.raises(OSError, match="the disk is full"), workers.joining(work):
            raise OSError("the disk is full")
        assert isinstance(work.exception(), ValueError)


def test_work_that_is_done_stops_nothing() -> None:
    with Workers(1, lambda _: None) as workers:
        work = workers.hashing.submit(int, "3")
        with workers.joining(work):
            pass
        assert (work.result(), workers.stopped) == (3, False)
    assert workers.stopped
