"""The .mar file, read front to back as TorchServe reads it, and by other people's tools."""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import zipfile
import zlib
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pytest

from model_archiver.core.entries import DEFLATED, STORED
from model_archiver.writing.mar import ZipEntry, central_header, end_of_directory, local_header, needs_zip64
from tests import packing
from tests.archives import MANIFEST, SUMS
from tests.conftest import Command
from tests.foreign import needs_java, run_java
from tests.packing import make

MEGABYTE = 1 << 20
GIGABYTE = 1 << 30
LIMIT = 0xFFFFFFFF
LOCAL = struct.Struct("<4s5H3L2H")
UTF8 = 0x800


@dataclass(frozen=True)
class Local:
    name: str
    version: int
    flags: int
    method: int
    crc32: int
    packed: int
    size: int
    extra: bytes
    data: bytes

    def content(self) -> bytes:
        """Its bytes, unpacked; a deflated entry is one stream that ends where the entry does."""
        if self.method == STORED:
            return self.data
        stream = zlib.decompressobj(-15)
        content = stream.decompress(self.data)
        assert stream.eof
        assert stream.unused_data == b""
        return content


def read_locals(archive: Path) -> dict[str, Local]:
    """Every entry by its local header, from the first byte on until the central directory begins."""
    entries = {}
    with archive.open("rb") as file:
        while (header := file.read(LOCAL.size))[:4] == b"PK\3\4":
            _, version, flags, method, time, date, crc, packed, size, name, extra = LOCAL.unpack(header)
            assert (time, date) == (0, 33)
            local = Local(
                file.read(name).decode("utf-8" if flags & UTF8 else "ascii"),
                *(version, flags, method, crc, packed, size),
                extra=file.read(extra),
                data=file.read(packed),
            )
            assert local.name not in entries
            entries[local.name] = local
        assert header[:4] == b"PK\1\2"
    return entries


def build(run: Command, *words: object) -> Path:
    return packing.build(run, "-f", "--extra-files", "sources", *words)


@pytest.fixture
def sources(work: Path) -> Path:
    """Files of every kind that matters to a zip."""
    folder = work / "sources"
    (folder / "package").mkdir(parents=True)
    rng = random.Random(0)
    (folder / "weights.bin").write_bytes(rng.randbytes(3 * MEGABYTE))
    (folder / "small.bin").write_bytes(rng.randbytes(5000))
    (folder / "vocabulary.txt").write_bytes(b"word after word\n" * 300_000)
    (folder / "one_byte.txt").write_bytes(b"1")
    (folder / "empty.txt").touch()
    (folder / "package" / "größe 模型.json").write_text('{"a": 1}' * 100)
    (folder / "run.sh").write_text("#!/bin/sh\n")
    (folder / "run.sh").chmod(0o755)
    return folder


def check_against(archive: Path, sources: Path) -> dict[str, Local]:
    """Whether an archive holds the sources, by its local headers; these."""
    entries = read_locals(archive)
    files = {path.relative_to(sources).as_posix(): path for path in sources.rglob("*") if path.is_file()}
    assert list(entries) == [*sorted(files), SUMS, MANIFEST]
    for name, path in files.items():
        assert entries[name].content() == path.read_bytes()
    for entry in entries.values():
        assert entry.flags in (0, UTF8)  # bit 3 would be a data descriptor, which the server refuses
        assert entry.method in (STORED, DEFLATED)
        assert entry.size == len(entry.content())
        assert entry.crc32 == zlib.crc32(entry.content())
        assert (entry.extra, entry.version) == (b"", 20)
    return entries


@pytest.mark.parametrize(
    "words", [[], ["--archive-format", "zip-store"], ["--deflate", "always"], ["--deflate", "never"]], ids=" ".join
)
def test_every_entry_is_complete_and_has_its_size_in_front(sources, run, words: list[str]) -> None:
    check_against(build(run, *words), sources)


def test_an_entry_is_deflated_where_that_saves_a_quarter(sources: Path, run: Command) -> None:
    entries = check_against(build(run), sources)
    deflated = {name for name, entry in entries.items() if entry.method == DEFLATED}
    assert deflated - {SUMS, MANIFEST} == {"vocabulary.txt", "package/größe 模型.json"}
    assert all(entry.packed <= 0.75 * entry.size for entry in entries.values() if entry.method == DEFLATED)
    assert entries["package/größe 模型.json"].flags == UTF8
    assert entries["weights.bin"].flags == 0


@pytest.mark.parametrize("size", [4000, 3 * MEGABYTE])
@pytest.mark.parametrize(("share", "method"), [(0.20, STORED), (0.30, DEFLATED)])
def test_what_saves_less_than_a_quarter_is_stored(work, run: Command, size: int, share: float, method: int) -> None:
    Path("sources").mkdir()
    unit = 1000
    zeros = int(unit * share)
    rng = random.Random(1)
    data = b"".join(rng.randbytes(unit - zeros) + bytes(zeros) for _ in range(size // unit))
    Path("sources/data.bin").write_bytes(data)
    assert read_locals(build(run))["data.bin"].method == method


@pytest.mark.parametrize("size", [0, 1, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, MEGABYTE, MEGABYTE + 1, 5 * MEGABYTE])
@pytest.mark.parametrize("content", ["text", "noise"])
@pytest.mark.parametrize("deflate", ["always", "auto", "never"])
def test_files_of_every_size_are_whole(work: Path, run: Command, size: int, content: str, deflate: str) -> None:
    Path("sources").mkdir()
    data = random.Random(size).randbytes(size) if content == "noise" else (b"some text\n" * (size // 10 + 1))[:size]
    Path("sources/data.bin").write_bytes(data)
    entry = check_against(build(run, "--deflate", deflate), Path("sources"))["data.bin"]
    assert entry.packed <= size + (size >> 12) + (1 << 16)  # what the choice of zip64 relies on


def test_other_peoples_tools_agree(sources: Path, run: Command, tmp_path: Path) -> None:
    archive = build(run)
    with zipfile.ZipFile(archive) as opened:
        assert opened.testzip() is None
        names = opened.namelist()
        assert opened.getinfo("run.sh").external_attr >> 16 == 0o100755
        assert opened.getinfo("small.bin").external_attr >> 16 == 0o100644
    assert names == list(read_locals(archive))
    if shutil.which("unzip"):
        assert "No errors detected" in _output("unzip", "-t", archive)
    if shutil.which("jar"):
        assert _output("jar", "tf", archive).splitlines() == names
    if shutil.which("sha256sum") and shutil.which("unzip"):
        _output("unzip", "-q", "-d", tmp_path / "unpacked", archive)
        subprocess.run(["sha256sum", "--quiet", "-c", SUMS], cwd=tmp_path / "unpacked", check=True)


def _output(*words: object) -> str:
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    return subprocess.run(list(map(str, words)), capture_output=True, text=True, check=True, env=environment).stdout


@needs_java
@pytest.mark.parametrize("deflate", ["auto", "always", "never"])
def test_the_servers_reader_gets_every_byte(sources: Path, run: Command, deflate: str) -> None:
    archive = build(run, "--deflate", deflate)
    expected = [f"m.mar\t{name}\t{entry.size}\t{entry.crc32}" for name, entry in read_locals(archive).items()]
    assert run_java("ZipReader", archive) == expected


@needs_java
def test_seventy_thousand_entries(work: Path, run: Command) -> None:
    make(*(f"sources/{folder}/{file}" for folder in range(70) for file in range(1000)))
    archive = build(run)
    with zipfile.ZipFile(archive) as opened:
        assert len(opened.namelist()) == 70_002
    assert len(run_java("ZipReader", archive)) == 70_002
    if shutil.which("unzip"):
        assert "No errors detected" in _output("unzip", "-tq", archive)


@needs_java
@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [["--archive-format", "zip-store"], ["--deflate", "always"]], ids=["stored", "deflated"]
)
def test_an_entry_of_more_than_four_gigabytes(work: Path, run: Command, words: list[str]) -> None:
    Path("sources").mkdir()
    with Path("sources/weights.bin").open("wb") as file:
        file.truncate(4 * GIGABYTE + 17)
    Path("sources/z.txt").write_text("an entry that begins behind the limit")
    archive = build(run, *words)
    with zipfile.ZipFile(archive) as opened:
        assert opened.getinfo("weights.bin").file_size == 4 * GIGABYTE + 17
        assert (opened.getinfo("z.txt").header_offset > LIMIT) == ("zip-store" in words)
        assert opened.read("z.txt") == b"an entry that begins behind the limit"
    lines = run_java("ZipReader", archive)
    assert [line.split("\t")[1:3] for line in lines[:2]] == [["weights.bin", str(4 * GIGABYTE + 17)], ["z.txt", "37"]]
    if shutil.which("unzip"):
        assert "No errors detected" in _output("unzip", "-tq", archive)


ENTRY = ZipEntry("a", executable=False, method=STORED, size=1, compressed_size=1, crc32=7, offset=0, zip64=False)


@pytest.mark.parametrize(
    ("size", "needed"),
    [(0, False), (4 * GIGABYTE - 2 * MEGABYTE, False), (LIMIT - 1, True), (LIMIT, True), (LIMIT + 1, True)],
)
def test_a_local_header_has_room_for_large_sizes_only_where_they_may_come(size: int, needed: bool) -> None:
    assert needs_zip64(size) == needed
    header = local_header(ENTRY.replace(size=size, compressed_size=size, zip64=needed))
    sizes = LOCAL.unpack_from(header)[7:9]
    if needed:
        assert sizes == (LIMIT, LIMIT)
        assert header[LOCAL.size + 1 :] == struct.pack("<2H2Q", 1, 16, size, size)
    else:
        assert sizes == (size, size)
        assert len(header) == LOCAL.size + 1


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT, LIMIT + 1])
@pytest.mark.parametrize("offset", [0, LIMIT - 1, LIMIT, LIMIT + 1])
def test_the_directory_is_read_right_around_the_limits(size: int, offset: int) -> None:
    entry = ENTRY.replace(size=size, compressed_size=size, offset=offset, zip64=True)
    header = central_header(entry)
    assert (b"\1\0" in header[46 + 1 :]) == (size >= LIMIT or offset >= LIMIT)
    # Python's reader takes a directory that stands alone for the end of a file whose beginning is cut off.
    with zipfile.ZipFile(BytesIO(header + end_of_directory(1, 0, len(header)))) as opened:
        info = opened.infolist()[0]
    assert (info.file_size, info.compress_size, info.header_offset, info.CRC) == (size, size, offset, 7)


@pytest.mark.parametrize("entries", [0xFFFE, 0xFFFF, 0x10000])
def test_the_end_counts_more_than_65534_entries_in_a_record_of_its_own(entries: int) -> None:
    end = end_of_directory(entries, 10, 20)
    assert (end[:4] == b"PK\6\6") == (entries >= 0xFFFF)
    assert end[-22:] == struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, min(entries, 0xFFFF), min(entries, 0xFFFF), 20, 10, 0)
