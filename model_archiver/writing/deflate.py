"""The threads of one build. What they do - deflating, hashing, copying - runs outside of Python's lock."""

from __future__ import annotations

import zlib
from collections import deque
from contextlib import contextmanager
from functools import cached_property

from model_archiver.core.sums import crc32, fast_zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, BinaryIO, TypeVar

    _Result = TypeVar("_Result")
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future, ThreadPoolExecutor
    from types import TracebackType

    from model_archiver.core.plan import FileSource
    from model_archiver.core.running import Progress


_MOST_UNHASHED = 8
_MOMENT = 0.1
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


BLOCK = 1 << 20
"""Bytes that are compressed at a time."""

MOST_BLOCKS = 48
"""Blocks that are on their way at a time, at most: memory must not grow with the number of cores."""

_SAMPLES = 16
_SAMPLE_SIZE = 1 << 16
_WORTH = 0.75  # saves at least a quarter
_RAW = -15
_ZLIB_LEVEL = 6
_BLOCK_LEVEL = 1
_HISTORY = 8  # bytes; between 4 and 16


def deflate_whole(data: bytes) -> bytes:
    """Return a small file as one deflate stream.

    The standard library's zlib packs small files 10 % better than ISA-L, always into the same bytes.
    """
    return b"".join(_deflate_by_zlib(data, last=True))


def is_worth_it(share: float) -> bool:
    """Whether deflating to this share of the size saves enough to make up for what the server pays at every start."""
    return share <= _WORTH


def sampled_share(source: FileSource) -> float:
    """The share of its size that a large file would have when deflated, judged on blocks spread over all of it."""
    step = max(source.size // _SAMPLES, 1)
    with source.open() as file:
        blocks = [_read_at(file, offset) for offset in range(0, source.size, step)]
    packed = [piece for block in blocks for piece in _deflate(block, last=True)]
    return sum(map(len, packed)) / max(sum(map(len, blocks)), 1)


def _read_at(file: BinaryIO, offset: int) -> bytes:
    file.seek(offset)
    return file.read(_SAMPLE_SIZE)


class DeflateStream:
    """One raw deflate stream; what is written to it goes compressed, in order, to a sink.

    Attributes:
        compressed_size: how many bytes the sink was given.
        crc32: of what was written; right when the stream is finished.
    """

    def __init__(self, sink: Callable[[bytes], object], workers: Workers) -> None:
        """Make a stream.

        Args:
            sink: takes the compressed bytes, in the thread that writes.
            workers: compress, and compute the checksum.
        """
        self._sink = sink
        self._workers = workers
        self._parts: list[memoryview] = []
        self._room = BLOCK
        self._blocks: deque[Future[tuple[bytes, ...]]] = deque()
        self.compressed_size = 0
        self.crc32 = 0

    def write(self, data: bytes) -> None:
        """Compress some bytes, of any number."""
        rest = memoryview(data)
        while rest:
            # A full block waits for what follows it: the last one has to end the stream.
            if not self._room:
                self._submit(last=False)
            part = rest[: self._room]
            self._parts.append(part)
            self._room -= len(part)
            rest = rest[len(part) :]

    def finish(self) -> None:
        """End the stream."""
        self._submit(last=True)
        while self._blocks:
            self._drain()
        self._workers.hashed()

    def _submit(self, *, last: bool) -> None:
        parts, self._parts, self._room = self._parts, [], BLOCK
        block = parts[0] if len(parts) == 1 else b"".join(parts)
        self._workers.hash_later(self._take_crc32, block)
        self._blocks.append(self._workers.deflating.submit(_deflate, block, last=last))
        while len(self._blocks) > min(2 * self._workers.jobs, MOST_BLOCKS):
            self._drain()

    def _drain(self) -> None:
        for packed in self._blocks.popleft().result():
            self._sink(packed)
            self.compressed_size += len(packed)

    def _take_crc32(self, block: bytes | memoryview) -> None:
        self.crc32 = crc32(block, self.crc32)


def _deflate(block: bytes | memoryview, *, last: bool) -> tuple[bytes, ...]:
    """Return a block of a large file compressed: ISA-L is 20 to 30 times as fast as zlib on weights.

    ISA-L hashes the address of its state together with the first bytes of a stream that has no history
    (igzip_icf_body_h1_gr_bt.asm), so that the same block can become other bytes in another process. A few bytes that
    are flushed first go another way and are the history of what follows.
    """
    library = fast_zlib()
    if library is zlib:
        return _deflate_by_zlib(block, last=last)
    compressor = library.compressobj(_BLOCK_LEVEL, library.DEFLATED, _RAW)
    first = (compressor.compress(block[:_HISTORY]), compressor.flush(library.Z_SYNC_FLUSH))
    rest = compressor.compress(block[_HISTORY:])
    return (*first, rest, compressor.flush(library.Z_FINISH if last else library.Z_SYNC_FLUSH))


def _deflate_by_zlib(block: bytes | memoryview, *, last: bool) -> tuple[bytes, ...]:
    compressor = zlib.compressobj(_ZLIB_LEVEL, zlib.DEFLATED, _RAW)
    return compressor.compress(block), compressor.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)
