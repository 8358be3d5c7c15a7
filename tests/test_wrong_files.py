"""Files that are not model archives, or that have the name of the other format, given to a command that reads one."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import pickle
import shutil
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.foreign import HONEST, mar, zip_bytes
from tests.packing import build

COMMANDS = ("inspect", "verify", "extract", "diff", "test")
REJECTS = "so the server rejects it"
AGAIN = "download or copy the archive again, or package the model again"
UNPACK = "unpack it, and name the model archive in it"
DOWNLOAD = "download the file itself"
MANIFEST = b'{"model": {}}'


def zipped(**files: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def tarred(*, form: int = tarfile.PAX_FORMAT, **files: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


WHOLE = zip_bytes(HONEST)
TAR = tarred(**{"m/handler.py": b"x = 1\n", "m/MAR-INF/MANIFEST.json": MANIFEST})
WORKFLOW = zipped(**{"spec.yaml": b"models:\n", "handler.py": b"", "WAR-INF/MANIFEST.json": MANIFEST})
SAVED = zipped(**{"net/data.pkl": pickle.dumps({}, protocol=2), "net/version": b"3\n"})
SCRIPT = zipped(**{"net/code/__torch__.py": b"", "net/constants.pkl": b"", "net/version": b"3\n"})
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
AS_TAR = "this is a zip file, but TorchServe reads a file of this name as a gzipped tar and rejects it"
AS_ZIP = "this is a gzip file, but TorchServe reads a file of this name as a zip and rejects it"
BARE = "this is a tar archive without compression, but TorchServe reads a file of this name as"
AS_WORKFLOW = "this is a workflow archive, which TorchServe registers at /workflows only"
PACK = "package it: torch-model-archiver --model-name NAME --serialized-file"
WRONG = {
    "a zip named .tar.gz": ("m.tar.gz", WHOLE, AS_TAR, "run mv m.tar.gz m.mar"),
    "a zip named .zip": ("m.zip", WHOLE, AS_TAR, "run mv m.zip m.mar"),
    "a zip named .MAR": ("m.MAR", WHOLE, AS_TAR, "run mv m.MAR m.mar"),
    "a zip without a suffix": ("my model", WHOLE, AS_TAR, "run mv 'my model' 'my model.mar'"),
    "a tar.gz named .mar": ("m.mar", gzip.compress(TAR), AS_ZIP, "run mv m.mar m.tar.gz"),
    "a tar named .tar": ("m.tar", TAR, f"{BARE} a gzipped tar and rejects it", "run gzip m.tar"),
    "a tar named .tar.gz": (
        *("m.tar.gz", TAR, f"{BARE} a gzipped tar and rejects it"),
        "run mv m.tar.gz m.tar && gzip m.tar",
    ),
    "a tar named .mar": ("m.mar", TAR, f"{BARE} a zip and rejects it", "run mv m.mar m.tar && gzip m.tar"),
    "a GNU tar": (
        "m.tar",
        tarred(form=tarfile.GNU_FORMAT, x=b""),
        f"{BARE} a gzipped tar and rejects it",
        "run gzip m.tar",
    ),
    "a web page": ("m.mar", b"<!DOCTYPE html>\n<html></html>", f"this is an HTML page, {REJECTS}", DOWNLOAD),
    "an answer of a store": (
        "m.tar.gz",
        b'<?xml version="1.0"?>\n<Error/>',
        f"this is an XML document, {REJECTS}",
        DOWNLOAD,
    ),
    "nothing": ("m.mar", b"", f"this is an empty file, {REJECTS}", AGAIN),
    "a Git LFS pointer": ("m.mar", POINTER, f"this is a Git LFS pointer, {REJECTS}", "run git lfs pull"),
    "a workflow": ("w.war", WORKFLOW, AS_WORKFLOW, "name the .mar file of one of its models"),
    "a workflow named .mar": ("w.mar", WORKFLOW, AS_WORKFLOW, "name the .mar file of one of its models"),
    "a file from torch.save": ("net.pt", SAVED, f"this is a file from torch.save, {REJECTS}", f"{PACK} net.pt"),
    "TorchScript named .mar": ("net.mar", SCRIPT, f"this is TorchScript, {REJECTS}", f"{PACK} net.mar"),
    "arrays": ("x.npy", b"\x93NUMPY\x01\0" + bytes(120), f"this is a NumPy array, {REJECTS}", f"{PACK} x.npy"),
    "several arrays": (
        *("x.npz", zipped(**{"a.npy": b"", "b.npy": b""}), f"this is a file of NumPy arrays, {REJECTS}"),
        f"{PACK} x.npz",
    ),
    "safetensors": (
        *("n.safetensors", struct.pack("<Q", 2) + b'{"' + bytes(20), f"this is a safetensors file, {REJECTS}"),
        f"{PACK} n.safetensors",
    ),
    "a pickle": ("n.pkl", pickle.dumps([1, 2, 3]), f"this is a plain pickle, {REJECTS}", f"{PACK} n.pkl"),
    "a truncated zip named .zip": ("m.zip", WHOLE[:-40], AS_TAR, "run mv m.zip m.mar"),
    "another zip": ("docs.zip", zipped(**{"a.txt": b"x"}), f"this is a zip file, {REJECTS}", UNPACK),
    "a gzip of a .mar": ("m.mar.gz", gzip.compress(WHOLE), f"this is a gzip file, {REJECTS}", UNPACK),
    "gzip twice": (
        *("m.tar.gz", gzip.compress(gzip.compress(TAR)), f"this is a gzip file, {REJECTS}"),
        UNPACK,
    ),
    "bzip2": ("m.tar.bz2", bz2.compress(TAR), f"this is a bzip2 file, {REJECTS}", UNPACK),
    "xz": ("m.tar.xz", lzma.compress(TAR), f"this is an xz file, {REJECTS}", UNPACK),
    "another file": (
        "a.py",
        b"x = 1\n",
        f"this is not an archive, {REJECTS}",
        "name a .mar file, a .tar.gz file or a model folder",
    ),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("name", "content", "message", "hint"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_model_archive_is_one_error(work, run: Command, command, name, content, message, hint) -> None:
    Path(name).write_bytes(content)
    words = [name, mar(path="other.mar")] if command == "diff" else [name]
    result = run(command, *words)
    assert result.err.splitlines() == [f"torch-model-archiver: error: {name}: {message}; {hint} [archive-unknown]"]
    assert (result.status, result.out) == (2 if command == "diff" else 1, "")
    assert sorted(path.name for path in work.iterdir()) == sorted({name, "other.mar"} & {*map(str, words), name})


SERVED = {
    "m.mar": "default",
    "stored.mar": "zip-store",
    "m.tar.gz": "tgz",
    "m.tgz": "tgz",
    "model": "tgz",
    "m.v2.mar": "default",
    "folder.mar": "no-archive",
    "folder.tar.gz": "no-archive",
}


@pytest.mark.parametrize(("name", "archive_format"), SERVED.items())
def test_what_the_server_reads_is_accepted_by_every_name_that_it_accepts(model, run, name, archive_format) -> None:
    shutil.move(build(run, archive_format=archive_format), f"moved-{name}")
    name = f"moved-{name}"
    assert run("inspect", name).status == 0
    assert (run("verify", name, "--strict").status, run("diff", name, name).status) == (0, 0)
    assert run("extract", name, "--to", "out").status == 0


def test_an_old_tar_and_a_damaged_one_are_read(work, run: Command) -> None:
    old = bytearray(TAR)
    for start in (0, 1024):  # without the magic word of later tars
        block = bytes(old[start : start + 512])
        plain = block[:148] + b" " * 8 + block[156:257] + bytes(255)
        old[start : start + 512] = plain[:148] + b"%06o\0 " % sum(plain) + plain[156:]
    Path("m.tar.gz").write_bytes(gzip.compress(old))
    assert "[archive-unknown]" not in run("verify", "m.tar.gz").err
    Path("m.tar.gz").write_bytes(gzip.compress(TAR)[:40])
    assert "[entry-damaged]" in run("verify", "m.tar.gz").err
    Path("m.mar").write_bytes(WHOLE[:-40])
    assert "[archive-cut]" in run("verify", "m.mar").err
    Path("m.mar").write_bytes(b"#!/bin/sh\n" + WHOLE)
    assert "[archive-prefix]" in run("verify", "m.mar").err


def test_a_model_archive_that_looks_like_weights_is_one(work, run: Command) -> None:
    Path("data.pkl").write_bytes(b"x")
    Path("version").write_bytes(b"3")
    archive = build(run, "--extra-files", "data.pkl,version")
    assert run("verify", archive, "--strict").status == 0
    with zipfile.ZipFile("n.mar", "w") as other:
        for path in ("m/data.pkl", "m/code/a.py", "m/constants.pkl"):
            other.writestr(path, b"x")
        for entry in HONEST:
            other.writestr(entry.name.decode(), entry.content)
    assert run("verify", "n.mar").errors == []
