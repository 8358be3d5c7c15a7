"""What a file is, by its first bytes, whatever its name is."""

from __future__ import annotations

import re

HEAD = 1024  # bytes that `kind_of` is given, or all of a smaller file
_LARGEST_SAFETENSORS_HEADER = 100_000_000  # as its documentation says
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_TORCH_MAGIC = b"\x8a\x0a" + 0x1950A86A20F9469CFC6C.to_bytes(10, "little") + b"."  # of its older format
_HTML = (b"<!doctype html>", b"<!doctype html ", b"<html>", b"<html ", b"<html\n")
_GIT_LFS = b"version https://git-lfs.github.com/spec/v1\n"
# The first field of a ModelProto, ir_version or producer_name, and the tag of the next one (onnx/onnx.proto).
_ONNX = re.compile(rb"(?:\x08[\x01-\x1f]|\x12[\x00-\x7f][\x20-\x7e]*)[\x12\x1a\x22\x28\x32\x3a\x42]")
_SIGNATURES: dict[str, bytes | tuple[bytes, ...]] = {
    "zip": b"PK\x03\x04",
    "gzip": b"\x1f\x8b",
    "bzip2": b"BZh91AY&SY",
    "xz": b"\xfd7zXZ\x00",
    "HDF5": b"\x89HDF\r\n\x1a\n",
    "GGUF": b"GGUF",
    "NumPy": b"\x93NUMPY",
    "library": (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"),
}
_DESCRIPTIONS = {
    "empty": "an empty file",
    "unknown": "a file of an unknown kind",
    "html": "an HTML page",
    "xml": "an XML document",
    "git lfs": "a Git LFS pointer",
    "archive": "a zip file",
    "workflow": "a workflow archive",
    "tar": "a tar archive without compression",
    "torchscript": "TorchScript",
    "saved": "a file from torch.save",
    "exported": "an exported program (torch.export)",
    "pickle": "a plain pickle",
    "onnx": "an ONNX model",
    "library": "a shared library",
    "xz": "an xz file",
    "HDF5": "an HDF5 file",
}
"""What people call a kind where that is not "a ... file"."""
HINTS = {
    **dict.fromkeys(("html", "xml"), "download the file itself"),
    "git lfs": "run git lfs pull",
    **dict.fromkeys(("zip", "archive", "workflow", "gzip", "bzip2", "xz", "tar"), "unpack it and give what is in it"),
}
"""What to do with a file of a kind that is never what it should be."""


def kind_of(head: bytes, size: int) -> str:
    """Return the kind of a file of this size, by its first bytes; "unknown" if they do not show it."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:15].lower()
    length = int.from_bytes(head[:8], "little")
    tests = {
        "empty": not head,
        "html": text.startswith(_HTML),
        "xml": text.startswith(b"<?xml "),
        "git lfs": head.startswith(_GIT_LFS) and size < HEAD,
        "saved": head.startswith(_PICKLES) and _TORCH_MAGIC in head[:64],
        "pickle": head.startswith(_PICKLES),
        "safetensors": head[8:10] == b'{"' and length <= _LARGEST_SAFETENSORS_HEADER,
        "onnx": _ONNX.match(head) is not None,
        "tar": head[257:262] == b"ustar",
        **{kind: head.startswith(signature) for kind, signature in _SIGNATURES.items()},
    }
    return next((kind for kind, is_met in tests.items() if is_met), "unknown")


def describe(kind: str) -> str:
    """Return what people call a file of a known kind."""
    return _DESCRIPTIONS.get(kind, f"a {kind} file")
