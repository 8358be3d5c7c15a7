"""The .tar.gz file: one gzip member, everything below one folder, sizes and names at every edge."""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import tarfile
import zlib
from io import BytesIO
from pathlib import Path

import pytest

from model_archiver.core.entries import TIME
from model_archiver.writing.tgz import tar_header
from tests import packing
from tests.archives import MANIFEST, SUMS, contents
from tests.conftest import Command
from tests.packing import make

MEGABYTE = 1 << 20
EDGES = [0, 1, 511, 512, 513, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, MEGABYTE - 1, MEGABYTE, MEGABYTE + 1]


def build(run: Command, *words: object) -> Path:
    return packing.build(run, "-f", "--extra-files", *words, archive_format="tgz")


def unzipped(archive: Path) -> bytes:
    """The tar in the one gzip member that an archive is; its trailer is right and nothing follows."""
    data = archive.read_bytes()
    stream = zlib.decompressobj(-15)
    assert data[:4] == b"\x1f\x8b\x08\0"  # no name, no comment, no extra field
    content = stream.decompress(data[10:])
    assert stream.eof
    assert stream.unused_data == struct.pack("<2L", zlib.crc32(content), len(content))
    return content


@pytest.mark.parametrize("content", ["text", "noise"])
def test_files_of_every_size_are_whole(work: Path, run: Command, content: str) -> None:
    Path("sources").mkdir()
    for size in [*EDGES, 2 * MEGABYTE - 512, 5 * MEGABYTE + 3]:
        data = random.Random(size).randbytes(size) if content == "noise" else (b"some text\n" * (size // 10 + 1))[:size]
        Path(f"sources/{size}.bin").write_bytes(data)
        Path(f"sources/{size}.bin").chmod(0o755 if size % 2 else 0o644)
    archive = build(run, "sources")
    unzipped(archive)
    packed = contents(archive)
    assert list(packed)[-2:] == [SUMS, MANIFEST]
    expected = {path.name: path.read_bytes() for path in Path("sources").iterdir()}
    assert {path: data for path, data in packed.items() if not path.startswith("MAR-INF/")} == expected


@pytest.mark.parametrize("size", [0, 8**11 - 1, 8**11, 1 << 40])
@pytest.mark.parametrize("letter", ["n", "ß"])
def test_headers_of_every_size_and_length_of_name_are_read_by_tarfile(letter: str, size: int) -> None:
    for name in (letter * length for length in (1, 84, 85, 86, 98, 99, 100, 101, 250, *range(970, 1000))):
        header = tar_header(name, size, 0o755)
        assert len(header) % tarfile.BLOCKSIZE == 0
        with tarfile.open(fileobj=BytesIO(header + bytes(tarfile.RECORDSIZE))) as opened:
            info = opened.next()
        assert (info.name, info.size, info.mode, info.mtime) == (name, size, 0o755, TIME)


@pytest.mark.parametrize("size", EDGES)
def test_one_gzip_member_holds_a_whole_tar(work: Path, run: Command, size: int) -> None:
    Path("data.bin").write_bytes(os.urandom(size))
    tar = unzipped(build(run, "data.bin"))
    assert len(tar) % tarfile.RECORDSIZE == 0
    assert tar.endswith(bytes(2 * tarfile.BLOCKSIZE))


@pytest.mark.parametrize("total", [MEGABYTE - 512, MEGABYTE, MEGABYTE + 512, 2 * MEGABYTE])
def test_a_tar_that_ends_with_a_block_of_the_compressor_is_whole(work: Path, run: Command, total: int) -> None:
    Path("data.bin").write_bytes(b"")
    rest = len(unzipped(build(run, "data.bin")))
    assert rest == tarfile.RECORDSIZE
    Path("data.bin").write_bytes(os.urandom(total - 5 * 512))
    archive = build(run, "data.bin")
    unzipped(archive)
    assert contents(archive)["data.bin"] == Path("data.bin").read_bytes()


@pytest.mark.parametrize("name", ["m", "resnet-18.v1.5"])
def test_everything_is_below_a_folder_of_the_models_name(model: Path, run: Command, name: str) -> None:
    archive = packing.build(run, "--extra-files", "model.py,index_to_name.json", name=name, archive_format="tgz")
    with tarfile.open(archive) as opened:
        assert opened.getnames() == [f"{name}/{path}" for path in ("index_to_name.json", "model.py", SUMS, MANIFEST)]
        assert all(member.isreg() for member in opened.getmembers())


def test_long_names_and_names_in_every_script_are_kept(work: Path, run: Command) -> None:
    names = [*("n" * length for length in (99, 100, 101, 250)), "größe", "模型" * 40, "a name with spaces"]
    names += ["naïve/" * 30 + "file", "/".join(["folder"] * 60) + "/file", "/".join(["d" * 200] * 4) + "/file"]
    for name in names:
        make(f"sources/{name}", text=name)
    archive = build(run, "sources")
    packed = contents(archive)
    expected = {name: name for name in names}
    assert {path: text.decode() for path, text in packed.items() if "MAR-INF" not in path} == expected
    if shutil.which("tar"):
        Path("unpacked").mkdir()
        subprocess.run(["tar", "xzf", archive, "-C", "unpacked"], check=True)
        assert {name: Path("unpacked", "m", name).read_text() for name in names} == expected
        subprocess.run(["sha256sum", "--quiet", "-c", SUMS], cwd="unpacked/m", check=True)


@pytest.mark.skipif(not shutil.which("tar"), reason="needs tar")
def test_tar_lists_it_silently(model: Path, run: Command) -> None:
    Path("model.py").chmod(0o755)
    listed = subprocess.run(
        ["tar", "tvzf", build(run, "model.py,model.pt")],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TZ": "UTC", "LC_ALL": "C"},
    )
    assert listed.stderr == ""
    words = [line.split() for line in listed.stdout.splitlines()]
    assert [line[0] for line in words] == ["-rw-r--r--", "-rwxr-xr-x", "-rw-r--r--", "-rw-r--r--"]
    assert {(line[1], line[3]) for line in words} == {("0/0", "1980-01-01")}


@pytest.mark.skipif(not shutil.which("gzip"), reason="needs gzip")
def test_gzip_finds_it_in_order(model: Path, run: Command) -> None:
    subprocess.run(["gzip", "-t", build(run, "model.pt")], check=True)
