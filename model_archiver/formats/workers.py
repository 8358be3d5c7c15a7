"""The threads of one build. What they do - deflating, hashing, copying - runs outside of Python's lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

from model_archiver.progress import Progress

_MOST_UNHASHED = 8
_MOMENT = 0.1
_Result = TypeVar("_Result")
_HEAP = 1 << 24


class Workers:
    """Threads that deflate and one that hashes, for the time of a build.

    They leave signals to the main thread if they are started, as those of a build are, while signals are held back.

    Attributes:
        jobs: how many threads deflate.
        deflating: takes blocks.
        hashing: takes blocks or files, one after the other, in the order in which they are given.
        progress: is called from the main thread, often; what it raises ends the build.
        stopped: the build is over or has failed: who works on something long gives up.
    """

    def __init__(self, jobs: int, progress: Progress) -> None:
        # A heap that has seen a large block freed keeps the smaller ones for the next use (malloc's dynamic threshold);
        # else each block's memory goes back to the kernel, to be cleared again: a tenth of the time of a build.
        bytearray(_HEAP)
        self.jobs = jobs
        self.progress = progress
        self.stopped = False
        self.deflating = ThreadPoolExecutor(jobs, "deflate")
        self._unhashed: deque[Future[object]] = deque()
        self.hashing = ThreadPoolExecutor(1, "hash")

    def hash_later(self, update: Callable[[Any], object], block: bytes | memoryview) -> None:
        """Have a block hashed after those given before; waits where too many are still to be hashed."""
        self._unhashed.append(self.hashing.submit(update, block))
        while len(self._unhashed) > _MOST_UNHASHED:
            self._unhashed.popleft().result()

    def hashed(self) -> None:
        """Wait until all blocks given so far are hashed."""
        while self._unhashed:
            self._unhashed.popleft().result()

    def result(self, work: Future[_Result]) -> _Result:
        """What some long work gives."""
        while not wait([work], _MOMENT).done:
            self.progress(0)
        return work.result()

    @contextmanager
    def settling(self, work: Future[Any]) -> Iterator[None]:
        """Have some work ended when the block ends; where that fails, it gives up soon."""
        try:
            yield
        finally:
            self.stopped = not work.done()
            work.exception()

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stopped = True
        for pool in (self.deflating, self.hashing):
            pool.shutdown(wait=True, cancel_futures=True)
