"""What torch and others write as weights."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import pickle
import struct
import tarfile
import warnings
import zipfile
from typing import Any

import pytest

torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 2)

    def forward(self, rows):
        return self.linear(rows)


def saved(value: Any, **options: Any) -> bytes:
    file = io.BytesIO()
    torch.save(value, file, **options)
    return file.getvalue()


def old_saved(value: Any) -> bytes:
    return saved(value, _use_new_zipfile_serialization=False)


def old_save_of(pickled: bytes) -> bytes:
    """Return what older versions of torch write of a value that has this pickle and no tensors."""
    head = [pickle.dumps(value, protocol=2) for value in (0x1950A86A20F9469CFC6C, 1001, {})]
    return b"".join([*head, pickled, pickle.dumps([], protocol=2)])


def safetensors(end: int = 24) -> bytes:
    header = json.dumps({"rows": {"dtype": "F32", "shape": [6], "data_offsets": [0, end]}}).encode()
    return struct.pack("<Q", len(header)) + header + bytes(24)


def _exported() -> bytes:
    file = io.BytesIO()
    torch.export.save(torch.export.export(Net(), (torch.zeros(1, 3),)), file)
    return file.getvalue()


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    SCRIPTED = torch.jit.script(Net()).save_to_buffer()
    EXPORTED = _exported()
STATE = Net().state_dict()


def _zipped(**files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return file.getvalue()


def _tarred(content: bytes) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        member = tarfile.TarInfo("net.pt")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def _arrays(save: Any) -> bytes:
    file = io.BytesIO()
    save(file, STATE["linear.bias"].numpy())
    return file.getvalue()


OTHER = {
    "zip": _zipped(**{"net.pt": saved(STATE)}),
    "zip of a folder": _zipped(**{"net/model.pt": saved(STATE), "net/config.json": b"{}"}),
    "tar": _tarred(saved(STATE)),
    "tar.gz": gzip.compress(_tarred(saved(STATE))),
    "gzip": gzip.compress(saved(STATE)),
    "bzip2": bz2.compress(saved(STATE)),
    "hdf5": b"\x89HDF\r\n\x1a\n" + bytes(88),
    "gguf": b"GGUF\x03" + bytes(91),
    "mar": _zipped(**{"handler.py": b"", "net.pt": saved(STATE), "MAR-INF/MANIFEST.json": b"{}"}),
    "npy": _arrays(np.save),
    "npz": _arrays(np.savez),
    "xml": b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>AccessDenied</Code></Error>',
    "safetensors": safetensors(),
}
"""Files that no function of torch loads."""
FILES = {
    "torchscript": SCRIPTED,
    "state-dict": saved(STATE),
    "old-state-dict": old_saved(STATE),
    "whole": saved(Net()),
    "old-whole": old_saved(Net()),
    "exported": EXPORTED,
    "pickle": pickle.dumps({name: tensor.numpy() for name, tensor in STATE.items()}),
    "safetensors": safetensors(),
    "onnx": b"\x08\x09\x12\x07pytorch\x1a\x062.13.0:\x05graph",
    "library": b"\x7fELF" + bytes(60),
    "raw": bytes(range(256)) * 8,
    "empty": b"",
    "html": b"\n<!DOCTYPE html>\n<html><body>404</body></html>",
    "git lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
    "truncated": saved(STATE)[:-30],
}
