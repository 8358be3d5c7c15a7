"""The threads of one build, and what they do most: deflating. Both run outside of Python's global lock."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property

from model_archiver.core.plan import FileSource
from model_archiver.core.running import Progress
from model_archiver.core.sums import Crc32, fast_zlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor
    from typing import Any

_BLOCK = 1 << 20  # bytes that are compressed at a time
_MOST_BLOCKS = 48  # that wait for a thread or the sink: memory must not grow with the number of cores
_MOST_UNHASHED = 8
_MOST_THREADS = 64
_HEAP = 1 << 24
_POLL_SECONDS = 0.1

_SAMPLES = 16
_SAMPLE_SIZE = 1 << 16
WORTH = 0.75  # deflating to this share of the size saves enough: the server pays for it at every start
_RAW = -15
_ZLIB_LEVEL = 6
_BLOCK_LEVEL = 1
_HISTORY = 8  # bytes; between 4 and 16


class Workers:
    """Threads that deflate, and one that hashes, for the time of a build.

    Start them while signals are blocked: they then leave all signals to the main thread.
    """

    def __init__(self, jobs: int, progress: Progress) -> None:
        self.jobs = jobs  # how many threads deflate
        self.progress = progress  # is called from the main thread, often; what it raises ends the build
        self.stopped = False  # the build is over or has failed; long work in a thread stops early
        self._pools: list[ThreadPoolExecutor] = []
        self._unhashed: deque[Future[object]] = deque()

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped = True
        for pool in self._pools:
            pool.shutdown(wait=True, cancel_futures=True)

    @cached_property
    def deflating(self) -> ThreadPoolExecutor:
        """The threads that take blocks to deflate."""
        return self._pool(min(self.jobs, _MOST_THREADS), "deflate")

    @cached_property
    def hashing(self) -> ThreadPoolExecutor:
        """The thread that takes blocks or files, one after the other, in the order in which they are given."""
        return self._pool(1, "hash")

    def _pool(self, threads: int, name: str) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - small builds do not need threads

        # Once a heap has seen a large block freed, it keeps smaller ones for the next use (malloc's dynamic
        # threshold). Otherwise the kernel takes back and clears the memory of every block: 10 % of a build's time.
        bytearray(_HEAP)
        self._pools.append(ThreadPoolExecutor(threads, name))
        return self._pools[-1]

    def hash_later(self, update: Callable[[Any], object], block: bytes | memoryview) -> None:
        """Let a thread hash a block after those given before; wait if too many are waiting."""
        self._unhashed.append(self.hashing.submit(update, block))
        self.wait_until_hashed(_MOST_UNHASHED)

    def wait_until_hashed(self, most: int = 0) -> None:
        """Wait until all blocks given to `hash_later`, but for the last few, are hashed."""
        while len(self._unhashed) > most:
            self._unhashed.popleft().result()

    @contextmanager
    def joining(self, *works: Future[Any], report: Callable[[], object] = lambda: None) -> Iterator[None]:
        """Wait for long work when the block ends, and call `report` meanwhile; if anything fails, it stops early."""
        from concurrent.futures import wait  # noqa: PLC0415 - as in _pool

        try:
            yield
            while wait(works, _POLL_SECONDS).not_done:
                report()
            for work in works:
                work.result()
        except BaseException:
            self.stopped = True
            wait(works)
            raise


def deflate_whole(data: bytes) -> bytes:
    """Return a small file deflated by zlib, which packs it 10 % better than ISA-L, always into the same bytes."""
    return b"".join(_deflate_by_zlib(data, last=True))


def sampled_share(source: FileSource) -> float:
    """Return the estimated ratio of deflated to original size of a large file, from blocks spread over it."""
    step = max(source.size // _SAMPLES, 1)
    blocks = []
    with source.open() as file:
        for offset in range(0, source.size, step):
            file.seek(offset)
            blocks.append(file.read(_SAMPLE_SIZE))
    deflated = [piece for block in blocks for piece in _deflate(block, last=True)]
    return sum(map(len, deflated)) / max(sum(map(len, blocks)), 1)


class DeflateStream:
    """One raw deflate stream: it passes what is written to it on to a sink, compressed and in order."""

    def __init__(self, sink: Callable[[bytes], object], workers: Workers) -> None:
        """Create a stream whose sink is called in the thread that writes; the workers deflate and sum."""
        self._sink = sink
        self._workers = workers
        self._parts: list[memoryview] = []
        self._room = _BLOCK
        self._blocks: deque[Future[tuple[bytes, ...]]] = deque()
        self.crc32 = Crc32()  # of what was written; valid when the stream is finished

    def write(self, data: bytes) -> None:
        """Compress any number of bytes."""
        rest = memoryview(data)
        while rest:
            # A full block is held back until more follows: only the last one ends the stream.
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
        self._workers.wait_until_hashed()

    def _submit(self, *, last: bool) -> None:
        parts, self._parts, self._room = self._parts, [], _BLOCK
        block = parts[0] if len(parts) == 1 else b"".join(parts)
        self._workers.hash_later(self.crc32.update, block)
        self._blocks.append(self._workers.deflating.submit(_deflate, block, last=last))
        while len(self._blocks) > min(2 * self._workers.jobs, _MOST_BLOCKS):
            self._drain()

    def _drain(self) -> None:
        for piece in self._blocks.popleft().result():
            self._sink(piece)


def _deflate(block: bytes | memoryview, *, last: bool) -> tuple[bytes, ...]:
    """Return a block of a large file deflated: ISA-L is 20 to 30 times as fast as zlib on weights.

    At the start of a stream without history, ISA-L hashes the address of its own state (igzip_icf_body_h1_gr_bt.asm),
    so the same block can become other bytes in another process. So some bytes are flushed first: they take another
    path in ISA-L, and are the history of the rest.
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
