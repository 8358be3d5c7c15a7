"""Raw deflate, as one stream whose blocks are compressed on several cores.

Each block is compressed by itself and ends with a sync flush, the last one with the end of the stream. Blocks have a
fixed size, so that the number of cores never shows in the bytes. TorchServe's reader takes such a stream as any other.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from model_archiver.formats.workers import Workers
from model_archiver.planning.source import FileSource

if TYPE_CHECKING:
    from concurrent.futures import Future

BLOCK = 1 << 20
"""Bytes that are compressed at a time."""

MOST_BLOCKS = 48
"""Blocks that are on their way at a time, at most: memory must not grow with the number of cores."""

_SAMPLES = 16
_SAMPLE_SIZE = 1 << 16
_WORTH = 0.75  # saves at least a quarter
_REPETITIVE = 0.05
_RAW = -15


class Engine(NamedTuple):
    """What deflates.

    Attributes:
        library: ``isal.isal_zlib`` or ``zlib``, which have one interface.
        quick: its level for blocks of large files, on which a higher one hardly packs better.
        best: its level for small files, which cost next to nothing.
    """

    library: Any
    quick: int
    best: int


@cache
def engine() -> Engine:
    """ISA-L, at 20 to 30 times the speed of zlib on weights; the standard library's zlib where there is no wheel."""
    try:
        from isal import isal_zlib  # noqa: PLC0415
    except ImportError:
        return Engine(zlib, quick=6, best=9)
    return Engine(isal_zlib, quick=1, best=3)


def deflate_whole(data: bytes) -> bytes:
    """A small file as one stream, packed as well as the engine can."""
    return b"".join(_deflate(data, engine().best, last=True))


def is_worth_it(share: float) -> bool:
    """Whether deflating to this share of the size saves enough to make up for what the server pays at every start."""
    return share <= _WORTH


def sampled_share(source: FileSource) -> float:
    """The share of its size that a large file would have when deflated, judged on blocks spread over all of it."""
    step = max(source.size // _SAMPLES, 1)
    with source.open() as file:
        blocks = [_read_at(file, offset) for offset in range(0, source.size, step)]
    packed = [piece for block in blocks for piece in _deflate(block, engine().quick, last=True)]
    return sum(map(len, packed)) / max(sum(map(len, blocks)), 1)


def _read_at(file: BinaryIO, offset: int) -> bytes:
    file.seek(offset)
    return file.read(_SAMPLE_SIZE)


class DeflateStream:
    """One raw deflate stream; what is written to it goes compressed, in order, to a sink.

    Attributes:
        packed: how many bytes the sink was given.
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
        self._blocks: deque[Future[tuple[bytes, bytes]]] = deque()
        self.packed = 0
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
        self._blocks.append(self._workers.deflating.submit(_deflate, block, engine().quick, last=last))
        while len(self._blocks) > min(2 * self._workers.jobs, MOST_BLOCKS):
            self._drain()

    def _drain(self) -> None:
        for packed in self._blocks.popleft().result():
            self._sink(packed)
            self.packed += len(packed)

    def _take_crc32(self, block: bytes | memoryview) -> None:
        self.crc32 = engine().library.crc32(block, self.crc32)


def _deflate(block: bytes | memoryview, level: int, *, last: bool) -> tuple[bytes, bytes]:
    chosen = engine().library
    packed = _deflate_by(chosen, block, level, last=last)
    # What repeats itself over and over, ISA-L was seen to pack in one of several equally long ways, about once in a
    # thousand times. There zlib packs better, is quick too, and always gives the same bytes.
    if chosen is not zlib and sum(map(len, packed)) < len(block) * _REPETITIVE:
        return _deflate_by(zlib, block, 6, last=last)
    return packed


def _deflate_by(library: Any, block: bytes | memoryview, level: int, *, last: bool) -> tuple[bytes, bytes]:  # noqa: ANN401
    compressor = library.compressobj(level, library.DEFLATED, _RAW)
    return compressor.compress(block), compressor.flush(library.Z_FINISH if last else library.Z_SYNC_FLUSH)
