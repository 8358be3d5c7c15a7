"""The threads of one build. What they do - deflating, hashing, copying - runs outside of Python's lock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

from model_archiver.progress import Progress

_MOST_UNHASHED = 8
_MOMENT = 0.1
_Result = TypeVar("_Result")
_HEAP = 1 << 24
_MOST_THREADS = 64


class Workers:
    """Threads that deflate and one that hashes, for the time of a build.

    They leave signals to the main thread if they are started, as those of a build are, while signals are held back.

    Attributes:
        jobs: how many threads deflate.
        progress: is called from the main thread, often; what it raises ends the build.
        stopped: the build is over or has failed: who works on something long gives up.
    """

    def __init__(self, jobs: int, progress: Progress) -> None:
        self.jobs = jobs
        self.progress = progress
        self.stopped = False
        self._pools: list[ThreadPoolExecutor] = []
        self._unhashed: deque[Future[object]] = deque()

    @cached_property
    def deflating(self) -> ThreadPoolExecutor:
        """Takes blocks."""
        return self._pool(min(self.jobs, _MOST_THREADS), "deflate")

    @cached_property
    def hashing(self) -> ThreadPoolExecutor:
        """Takes blocks or files, one after the other, in the order in which they are given."""
        return self._pool(1, "hash")

    def _pool(self, threads: int, name: str) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - small builds do without threads

        # A heap that has seen a large block freed keeps the smaller ones for the next use (malloc's dynamic threshold);
        # else each block's memory goes back to the kernel, to be cleared again: a tenth of the time of a build.
        bytearray(_HEAP)
        self._pools.append(ThreadPoolExecutor(threads, name))
        return self._pools[-1]

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
        from concurrent.futures import wait  # noqa: PLC0415 - as below

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
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)
