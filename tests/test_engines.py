"""With ISA-L and without it: the same content, whatever deflated it, and the same bytes on any number of cores."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from array import array
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model_archiver.writing import deflate
from tests import packing
from tests.archives import FORMATS, contents, output
from tests.conftest import Command

WITHOUT_ISAL = "import sys; sys.modules['isal'] = None; from model_archiver.cli import main; sys.exit(main())"
WITH_ISAL = "import sys; from model_archiver.cli import main; sys.exit(main())"


@pytest.fixture
def sources(work: Path) -> Path:
    """Files of all kinds: large and small, that shrink and that do not."""
    folder = work / "sources"
    folder.mkdir()
    draw = random.Random(0)
    weights = array("f", (draw.gauss(0, 1) for _ in range(1 << 16)))
    (folder / "weights.bin").write_bytes(weights.tobytes() * 16)
    (folder / "log.txt").write_text("".join(f"line {number * 7919 % 10007}\n" for number in range(300_000)))
    (folder / "small.txt").write_text("small " * 100)
    (folder / "empty").touch()
    return folder


def build(program: str, into: str, *words: object) -> None:
    command = [sys.executable, "-c", program, *packing.MODEL, "--quiet"]
    words = ("--extra-files", "sources", "--export-path", into, *words)
    environ = {**os.environ, "SOURCE_DATE_EPOCH": "0"}
    done = subprocess.run([*command, *map(str, words)], env=environ, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("deflate", ["auto", "always", "never"])
@pytest.mark.parametrize("archive_format", FORMATS)
def test_zlib_does_the_same_job_where_there_is_no_isal(sources: Path, archive_format: str, deflate: str) -> None:
    words = ["--archive-format", archive_format, "--deflate", deflate]
    build(WITH_ISAL, "isal", *words)
    build(WITHOUT_ISAL, "zlib", *words)
    with_isal, without = (output("m", archive_format, Path(folder)) for folder in ("isal", "zlib"))
    packed = {path.name: path.read_bytes() for path in sources.iterdir()}
    assert contents(without) == contents(with_isal)
    assert {path: data for path, data in contents(without).items() if path in packed} == packed
    if archive_format == "tgz" or (archive_format, deflate) == ("default", "always"):
        assert without.read_bytes() != with_isal.read_bytes()


@pytest.mark.parametrize("last", [True, False])
def test_a_block_becomes_the_same_bytes_wherever_isal_keeps_its_state(
    monkeypatch: pytest.MonkeyPatch, last: bool
) -> None:
    isal = pytest.importorskip("isal.isal_zlib")

    def variants(compress: Callable[[Any, bytes], bytes]) -> set[bytes]:
        """The outputs of one block that begins with four bytes of the address of the first of several states."""
        states = [isal.compressobj(1, isal.DEFLATED, -15) for _ in range(8)]
        address = (id(states[0]) + 48 >> 16 & 0xFFFFFFFF).to_bytes(4, "little")
        block = (address + os.urandom(28)) * 2048
        return {compress(state, block) for state in states}

    def as_the_build_does(state: Any, block: bytes) -> bytes:
        constants = {name: getattr(isal, name) for name in ("DEFLATED", "Z_FINISH", "Z_SYNC_FLUSH")}
        library = SimpleNamespace(compressobj=lambda *_: state, **constants)
        monkeypatch.setattr(deflate, "fast_zlib", lambda: library)
        return b"".join(deflate._deflate(block, last=last))

    if len(variants(lambda state, block: state.compress(block) + state.flush())) == 1:
        pytest.skip("this ISA-L does not hash an address")
    for _ in range(20):
        assert len(variants(as_the_build_does)) == 1


@pytest.mark.parametrize("program", [WITH_ISAL, WITHOUT_ISAL], ids=["isal", "zlib"])
@pytest.mark.parametrize("archive_format", ["default", "tgz"])
def test_the_number_of_cores_does_not_show(sources: Path, archive_format: str, program: str) -> None:
    archives = []
    for jobs in (1, 2, 7):
        build(program, f"jobs{jobs}", "--archive-format", archive_format, "--deflate", "always", "--jobs", jobs)
        archives.append(output("m", archive_format, Path(f"jobs{jobs}")).read_bytes())
    assert archives[0] == archives[1] == archives[2]


@pytest.mark.parametrize("archive_format", ["default", "zip-store", "tgz"])
def test_a_flipped_bit_in_any_of_a_hundred_places_is_found_by_reading(work, run: Command, archive_format: str) -> None:
    (work / "weights.bin").write_bytes(random.Random(1).randbytes(300_000))
    (work / "log.txt").write_text("".join(f"line {number * 7919 % 10007}\n" for number in range(30_000)))
    archive = packing.build(run, "--extra-files", "weights.bin,log.txt", archive_format=archive_format)
    whole = archive.read_bytes()
    assert run("verify", archive).status == 0
    draw = random.Random(2)
    for place in (draw.randrange(8 * len(whole)) for _ in range(100)):
        damaged = bytearray(whole)
        damaged[place // 8] ^= 1 << (place % 8)
        archive.write_bytes(damaged)
        assert run("verify", archive).status == 1, place


PEAK = """
import re, sys
from model_archiver.cli import main
status = main()
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])  # ru_maxrss begins at the parent's
sys.exit(status)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells it")
@pytest.mark.parametrize("archive_format", ["default", "tgz"])
def test_memory_does_not_grow_with_the_number_of_cores(work: Path, archive_format: str) -> None:
    (work / "weights.pt").write_bytes(random.Random(3).randbytes(1 << 20) * 160)
    words = ["--model-name", "m", "--serialized-file", "weights.pt", "--deflate", "always", "--jobs", "64"]
    command = [sys.executable, "-c", PEAK, *words, "--archive-format", archive_format]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert int(done.stdout) < 200 * 1024  # KiB; all blocks at a time would be 320 MiB
