"""Runnable attacks: archives that were made to harm whoever unpacks, checks or lists them."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import tarfile
import zipfile
import zlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from tests import work as work_counts
from tests.archives import MANIFEST, tree
from tests.conftest import Command
from tests.foreign import (
    DEFLATED,
    HANDLER,
    HONEST,
    Raw,
    deflate,
    honest_members,
    manifest_bytes,
    mar,
    special,
    tar_bytes,
    tgz,
    zip_bytes,
)

LIMIT = 1 << 30  # bytes that an archive may unpack to
BLOCK = 1 << 18  # bytes that are unpacked at a time
MOST_READ = 10 << 20  # bytes, with the modules that a command imports: archives of 0.4 MB are read once

WAYS_OUT = (
    *("../escape", "a/../../escape", "/escape", "//escape", "./../escape", "..", "a/..", "MAR-INF/../../escape"),
    *("..\\escape", "a\\..\\..\\escape", "\\escape", "\\\\host\\share\\escape", "C:\\escape", "C:/escape", "c:escape"),
    *("a/../handler.py", "esc\x00ape", "escape\n", "\x1b]0;title\x07", "\u2028", "\x85"),
)


def _refused_everywhere(run: Command, archive: Path, code: str) -> None:
    """The archive is refused, and nothing in or beside the working directory is written."""
    outside = Path().resolve().parent
    before = tree(outside)
    verified, extracted = run("verify", archive), run("extract", archive, "--to", "out")
    assert (verified.status, extracted.status) == (1, 1)
    assert f"[{code}]" in verified.err
    assert f"[{code}]" in extracted.err
    assert tree(outside) == before


@pytest.mark.parametrize("name", WAYS_OUT)
def test_no_name_leads_out_of_a_zip(work, run: Command, name: str) -> None:
    _refused_everywhere(run, mar(Raw(name.encode(), b"evil"), *HONEST), "path-invalid")


@pytest.mark.parametrize("name", [name for name in WAYS_OUT if "\0" not in name])
@pytest.mark.parametrize("top", ["", "m/"])
def test_no_name_leads_out_of_a_tar(work, run: Command, name: str, top: str) -> None:
    _refused_everywhere(run, tgz(tar_bytes({f"{top}{name}": b"evil", **honest_members()})), "path-invalid")


@pytest.mark.parametrize("target", ["..", "/etc", "../outside", "handler.py"])
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_nothing_is_written_through_a_link_in_a_tar(work, run: Command, target: str, kind: bytes) -> None:
    members = {"link": special("m/link", kind, target), "m/link/passwd": b"evil", **honest_members()}
    _refused_everywhere(run, tgz(tar_bytes(members)), "entry-link")


def test_nothing_is_written_through_a_link_in_a_zip(work, run: Command) -> None:
    link = Raw(b"link", b"..", mode=stat.S_IFLNK | 0o777)
    _refused_everywhere(run, mar(link, Raw(b"link/evil", b"evil"), *HONEST), "entry-link")


def test_nothing_is_written_through_a_link_that_lies_at_the_target(work, run: Command) -> None:
    (work.parent / "outside").mkdir()
    Path("out").mkdir()
    Path("out/sub").symlink_to(work.parent / "outside")
    archive = mar(Raw(b"sub/evil", b"evil"), *HONEST)
    before = tree(work.parent)
    result = run("extract", archive, "--to", "out", "-f")
    assert result.status == 1
    assert "[target-in-the-way]" in result.err
    assert tree(work.parent) == before


@pytest.mark.parametrize(
    ("one", "other"),
    [("model.PY", "model.py"), ("é", "e\u0301"), ("Sub/a", "sub/b"), ("A", "a/b"), ("mar-inf/MANIFEST.json", MANIFEST)],
)
def test_names_that_are_one_elsewhere_are_not_unpacked(work, run: Command, one: str, other: str) -> None:
    names = [name.encode() for name in (one, other) if name != MANIFEST]
    archive = mar(*(Raw(name, b"x") for name in names), *HONEST)
    result = run("extract", archive)
    assert result.status == 1
    assert "[path-case-clash]" in result.err
    assert not Path("m").exists()


def test_two_folders_that_are_one_elsewhere_are_one_line(work, run: Command) -> None:
    names = [f"{folder}/{number}.txt".encode() for number in range(9) for folder in ("sub", "Sub")]
    result = run("extract", mar(*(Raw(name, b"x") for name in names), *HONEST))
    assert sum("is the same path as" in line and ".txt" not in line for line in result.errors) == 1


def test_files_of_one_name_are_not_unpacked(work, run: Command) -> None:
    result = run("extract", mar(Raw(b"handler.py", b"evil"), *HONEST))
    assert result.status == 1
    assert "handler.py: appears twice" in result.errors[0]
    assert not Path("m").exists()


def test_what_only_the_server_or_only_a_zip_tool_sees_is_refused(work, run: Command) -> None:
    handler, manifest = HONEST
    shown = replace(handler, central_name=b"evil.py")
    _refused_everywhere(run, mar(shown, manifest, path="renamed.mar"), "headers-differ")
    hidden = replace(handler, content=b"evil", is_listed=False)
    _refused_everywhere(run, mar(handler, hidden, manifest, path="hidden.mar"), "headers-differ")
    outer = Raw(b"outer", zip_bytes([handler])[: -22 - 46 - 10])
    inside = replace(handler, before=b"", offset=35)
    _refused_everywhere(run, mar(outer, replace(inside, name=b"in"), manifest, path="inside.mar"), "headers-differ")


def _run_counted(*words: str) -> tuple[subprocess.CompletedProcess[str], dict[str, int]]:
    """Run a command in a process of its own, which may take 300 MB of memory, and count its work."""
    program = [sys.executable, "-c", Path(work_counts.__file__).read_text()]
    command = ["sh", "-c", 'ulimit -v 300000; exec "$@"', "sh", *program, *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done, json.loads(work_counts.COUNTS.read_text())


def _is_refused_as_too_large(path: Path, most_unpacked: int) -> None:
    for words in (("verify", str(path)), ("extract", str(path), "--to", "out")):
        done, counts = _run_counted(*words)
        assert done.returncode == 1
        assert "[unpacked-too-large]" in done.stdout + done.stderr
        assert "--max-size" in done.stdout + done.stderr
        assert not Path("out").exists()
        assert counts["unpacked"] <= most_unpacked


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".mar", ".tar.gz"])
def test_half_a_million_members_take_less_than_600_mb(work, suffix: str) -> None:
    count, archive = 499_998, Path(f"m{suffix}")
    if suffix == ".mar":
        with zipfile.ZipFile(archive, "w") as zipped:
            for number in range(count):
                zipped.writestr(zipfile.ZipInfo(f"data/images/n{number:07}/{number:07}.png"), b"")
            for name, content in honest_members("").items():
                zipped.writestr(name, content)
    else:
        names = (f"m/data/images/n{number:07}/{number:07}.png" for number in range(count))
        tgz(tar_bytes({**dict.fromkeys(names, b""), **honest_members()}))
    # Not resource.getrusage, which begins with the memory that this process had when it started the other one.
    program = "import sys; from model_archiver.cli import main; status = main(sys.argv[1:]); "
    program += "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]); sys.exit(status)"
    done = subprocess.run(
        [sys.executable, "-c", program, "verify", archive], capture_output=True, text=True, check=True
    )
    verdict, peak = done.stdout.splitlines()
    assert "OK, 500,000 files" in verdict
    assert int(peak) < 600 << 10  # KiB


@cache
def _zeros(megabytes: int, wbits: int = -15, before: bytes = b"") -> bytes:
    """So many bytes, of zeros but for what stands before them, compressed."""
    compressor, block = zlib.compressobj(1, zlib.DEFLATED, wbits), bytes(1 << 20)
    blocks = [compressor.compress(before), *(compressor.compress(block) for _ in range(megabytes))]
    return b"".join([*blocks, compressor.flush()])


@pytest.mark.skipif(os.name == "nt", reason="needs limits of processes")
def test_flat_bombs_are_refused(work) -> None:
    bomb = Raw(b"zeros", method=DEFLATED, packed=_zeros(1025), size=1025 << 20, crc32=1)
    _is_refused_as_too_large(mar(bomb, *HONEST), most_unpacked=0)
    # One that lies about its size is found out where the lie ends, however much follows.
    lying = replace(bomb, size=10)
    Path("lying.mar").write_bytes(zip_bytes([lying, *HONEST]))
    done, counts = _run_counted("verify", "lying.mar")
    assert "[entry-damaged]" in done.stdout + done.stderr
    assert 0 < counts["unpacked"] < 2 * BLOCK
    # One that says its size neither before nor in the directory is met on the way.
    silent = replace(bomb, flags=8, local_sizes=(0, 0, 0), central_size=10)
    _is_refused_as_too_large(mar(silent, *HONEST), most_unpacked=LIMIT + BLOCK)
    # One that is not in the directory is not unpacked.
    done, counts = _run_counted("verify", str(mar(replace(silent, is_listed=False), *HONEST)))
    assert "[headers-differ]" in done.stdout + done.stderr
    assert counts["unpacked"] < BLOCK


@pytest.mark.skipif(os.name == "nt", reason="needs limits of processes")
def test_a_flat_bomb_of_a_tar_is_refused(work) -> None:
    header = tarfile.TarInfo("m/zeros")
    header.size = 20 << 30
    Path("claimed.tar.gz").write_bytes(_zeros(0, 31, header.tobuf()))
    _is_refused_as_too_large(Path("claimed.tar.gz"), most_unpacked=BLOCK)
    header.size = 1 << 30  # which may be, and is more than all that may be together with its header
    Path("met.tar.gz").write_bytes(_zeros(1025, 31, header.tobuf()))
    _is_refused_as_too_large(Path("met.tar.gz"), most_unpacked=2 * BLOCK)


@pytest.mark.skipif(os.name == "nt", reason="needs limits of processes")
def test_overlapping_entries_are_refused_at_once(work) -> None:
    size = 20 << 20
    entries = [Raw(b"0", method=DEFLATED, packed=_zeros(20), size=size, crc32=1)]
    entries += [Raw(b"%d" % number, method=DEFLATED, packed=b"", size=size, offset=number) for number in range(1, 200)]
    _is_refused_as_too_large(mar(*entries, *HONEST), most_unpacked=size)
    small = [Raw(b"%d" % number, deflate(b"x"), size=1, offset=0) for number in range(5000)]
    done, counts = _run_counted("verify", str(mar(*small, *HONEST)))
    assert "[headers-differ]" in done.stdout + done.stderr
    assert counts["read"] < MOST_READ


@pytest.mark.skipif(os.name == "nt", reason="needs limits of processes")
def test_headers_that_each_claim_the_rest_of_the_file_cost_no_more_than_one(work) -> None:
    size = 30 * 5000
    entries = [Raw(b"%05d" % number, local_sizes=(1, size, size)) for number in range(5000)]
    done, counts = _run_counted("verify", str(mar(*entries, *HONEST)), "--quiet")
    assert done.returncode == 1
    assert counts["read"] < MOST_READ


def test_a_nested_bomb_is_not_opened(work, run: Command) -> None:
    inner = zip_bytes([Raw(b"zeros", method=DEFLATED, packed=_zeros(64), size=64 << 20, crc32=1)])
    archive = mar(Raw(b"inner.zip", inner), *HONEST)
    assert run("verify", archive).status == 0
    assert run("extract", archive).status == 0
    assert Path("m/inner.zip").read_bytes() == inner


def test_what_a_user_trusts_may_be_larger(work, run: Command) -> None:
    content = bytes(3 << 20)
    archive = mar(Raw(b"zeros", content, DEFLATED), *HONEST)
    assert run("extract", archive, "--max-size", "3M").status == 1
    assert not Path("m").exists()
    result = run("extract", archive, "--max-size", "3.1 MiB")
    assert result.status == 0
    assert Path("m/zeros").read_bytes() == content


@pytest.mark.parametrize("size", ["much", "-1", " ", "1X", "1e9", "\u0661"])
def test_an_invalid_size_is_refused(work, run: Command, size: str) -> None:
    result = run("extract", mar(), f"--max-size={size}")
    assert result.status == 2
    assert "is not a size" in result.err


@pytest.mark.parametrize("command", ["inspect", "verify", "extract"])
def test_control_characters_never_reach_the_terminal(work, run: Command, command: str) -> None:
    evil = "\x1b[31mred\x07\r\x9b\u2028.py"
    model = {"modelName": "m\x1b[2J", "handler": evil, "modelVersion": "\x1b]0;x\x07", "modelFile": evil}
    manifest = manifest_bytes(model=model, createdOn="\r\x1b[1A", runtime="\x1b")
    archive = mar(Raw(evil.encode(), HANDLER), Raw(MANIFEST.encode(), manifest))
    result = run(command, archive, *(["--to", "out"] if command == "extract" else []))
    assert not set(result.out + result.err) & set("\x1b\x07\r\x9b\u2028")
    other = mar(path="other.mar")
    compared = run("diff", archive, other)
    assert compared.status in (1, 2)
    assert not set(compared.out + compared.err) & set("\x1b\x07\r\x9b\u2028")


def test_json_holds_no_control_characters(work, run: Command) -> None:
    archive = mar(Raw(b"\x1b[31m\xff\x9b", b"x"), *HONEST)
    result = run("verify", archive, "--json")
    assert result.out.replace("\n", "").isprintable()
    assert result.out.isascii()
    assert json.loads(result.out)["problems"][0]["code"] == "path-invalid"
