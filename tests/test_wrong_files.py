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
AGAIN = "download or copy the archive again, or package the model again"
UNPACK = "unpack it and give what is in it"
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
BARE = "a tar archive without compression"
WORKFLOWS = "register it at /workflows, and give the .mar file of one of its models here"
PACK = "package it: torch-model-archiver --model-name NAME --serialized-file"
WRONG = {
    "a zip named .tar.gz": ("m.tar.gz", WHOLE, "a zip file", "run mv m.tar.gz m.mar"),
    "a zip named .zip": ("m.zip", WHOLE, "a zip file", "run mv m.zip m.mar"),
    "a zip named .MAR": ("m.MAR", WHOLE, "a zip file", "run mv m.MAR m.mar"),
    "a zip without a suffix": ("my model", WHOLE, "a zip file", "run mv 'my model' 'my model.mar'"),
    "a truncated zip named .zip": ("m.zip", WHOLE[:-40], "a zip file", "run mv m.zip m.mar"),
    "a tar.gz named .mar": ("m.mar", gzip.compress(TAR), "a gzip file", "run mv m.mar m.tar.gz"),
    "a tar named .tar": ("m.tar", TAR, BARE, "run gzip m.tar"),
    "a tar named .tar.gz": ("m.tar.gz", TAR, BARE, "run mv m.tar.gz m.tar && gzip m.tar"),
    "a tar named .mar": ("m.mar", TAR, BARE, "run mv m.mar m.tar && gzip m.tar"),
    "a GNU tar": ("m.tar", tarred(form=tarfile.GNU_FORMAT, x=b""), BARE, "run gzip m.tar"),
    "a web page": ("m.mar", b"<!DOCTYPE html>\n<html></html>", "an HTML page", DOWNLOAD),
    "an answer of a store": ("m.tar.gz", b'<?xml version="1.0"?>\n<Error/>', "an XML document", DOWNLOAD),
    "nothing": ("m.mar", b"", "an empty file", AGAIN),
    "a Git LFS pointer": ("m.mar", POINTER, "a Git LFS pointer", "run git lfs pull"),
    "a workflow": ("w.war", WORKFLOW, "a workflow archive", WORKFLOWS),
    "a workflow named .mar": ("w.mar", WORKFLOW, "a workflow archive", WORKFLOWS),
    "a file from torch.save": ("net.pt", SAVED, "a file from torch.save", f"{PACK} net.pt"),
    "TorchScript named .mar": ("net.mar", SCRIPT, "TorchScript", f"{PACK} net.mar"),
    "an array": ("x.npy", b"\x93NUMPY\x01\0" + bytes(120), "a NumPy file", f"{PACK} x.npy"),
    "arrays": ("x.npz", zipped(**{"a.npy": b"", "b.npy": b""}), "a NumPy file", f"{PACK} x.npz"),
    "safetensors": ("n.bin", struct.pack("<Q", 2) + b'{"' + bytes(20), "a safetensors file", f"{PACK} n.bin"),
    "a pickle": ("n.pkl", pickle.dumps([1, 2, 3]), "a plain pickle", f"{PACK} n.pkl"),
    "another zip": ("docs.zip", zipped(**{"a.txt": b"x"}), "a zip file", UNPACK),
    "bzip2": ("m.tar.bz2", bz2.compress(TAR), "a bzip2 file", UNPACK),
    "xz": ("m.tar.xz", lzma.compress(TAR), "an xz file", UNPACK),
    "another file": ("a.py", b"x = 1\n", "not an archive", "name a .mar file, a .tar.gz file or a model folder"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(("name", "content", "what", "hint"), WRONG.values(), ids=WRONG.keys())
def test_what_is_not_a_model_archive_is_one_error(work, run: Command, command, name, content, what, hint) -> None:
    Path(name).write_bytes(content)
    result = run(command, name, *([mar(path="other.mar")] if command == "diff" else []))
    reads = f"TorchServe reads a file of this name as a {'zip' if name.endswith('.mar') else 'gzipped tar'}"
    assert result.errors == [f"{name}: this is {what}, but {reads} and rejects it; {hint} [archive-unknown]"]
    assert (result.status, result.out) == (2 if command == "diff" else 1, "")
    assert len(result.lines) == 1


SERVED = {
    "m.mar": "default",
    "stored.mar": "zip-store",
    "m.tar.gz": "tgz",
    "m.tgz": "tgz",
    "model": "tgz",
    "m.v2.mar": "default",
    "mms.model": "default",
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
