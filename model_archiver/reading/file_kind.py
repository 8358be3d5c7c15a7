"""What a file is, by its first bytes, whatever its name is."""

from __future__ import annotations

HEAD = 1024  # bytes that `kind_of` is given, or all of a smaller file
TORCH_MAGIC = b"\x8a\x0a" + 0x1950A86A20F9469CFC6C.to_bytes(10, "little") + b"."  # in what older versions wrote
_LARGEST_SAFETENSORS_HEADER = 100_000_000  # as its documentation says
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_HTML = (b"<!doctype html>", b"<!doctype html ", b"<html>", b"<html ", b"<html\n")
_GIT_LFS = b"version https://git-lfs.github.com/spec/v1\n"
_SIGNATURES: dict[str, bytes | tuple[bytes, ...]] = {
    "zip": b"PK\x03\x04",
    "gzip": b"\x1f\x8b",
    "bzip2": b"BZh91AY&SY",
    "xz": b"\xfd7zXZ\0",
    "zstd": b"\x28\xb5\x2f\xfd",
    "7z": b"7z\xbc\xaf\x27\x1c",
    "numpy": b"\x93NUMPY",
    "hdf5": b"\x89HDF\r\n\x1a\n",
    "gguf": b"GGUF",
    "library": (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe"),
}
_TAR_MAGIC, _TAR_MAGIC_OFFSET = b"ustar", 257

DESCRIPTIONS = {
    "empty": "an empty file",
    "html": "an HTML page",
    "xml": "an XML document",
    "git lfs": "a Git LFS pointer",
    "zip": "a zip file",
    "gzip": "a gzip file",
    "bzip2": "a bzip2 file",
    "xz": "an xz file",
    "zstd": "a zstd file",
    "7z": "a 7-Zip file",
    "tar": "a tar archive",
    "archive": "a model archive",
    "workflow": "a workflow archive",
    "torchscript": "TorchScript",
    "saved": "a file from torch.save",
    "exported": "an exported program (torch.export)",
    "pickle": "a plain pickle",
    "safetensors": "a safetensors file",
    "onnx": "an ONNX model",
    "library": "a shared library",
    "numpy": "a NumPy array",
    "arrays": "a file of NumPy arrays",
    "hdf5": "an HDF5 file",
    "gguf": "a GGUF file",
}
"""What people call each kind."""
PACKED = ("zip", "gzip", "bzip2", "xz", "zstd", "7z", "tar")
"""The kinds that contain other files."""
WEIGHTS = (
    *("torchscript", "saved", "exported", "pickle", "safetensors", "onnx", "library", "numpy", "arrays", "hdf5"),
    "gguf",
)
"""The kinds that a handler may load."""


def kind_of(head: bytes, size: int) -> str:
    """Return the kind of a file of this size, a key of `DESCRIPTIONS`, by its first bytes; else "unknown"."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")[:15].lower()
    is_pickle, length = head.startswith(_PICKLES), int.from_bytes(head[:8], "little")
    tests = {
        "empty": not head,
        "html": text.startswith(_HTML),
        "xml": text.startswith(b"<?xml "),
        "git lfs": head.startswith(_GIT_LFS) and size < HEAD,
        "saved": is_pickle and TORCH_MAGIC in head[:64],
        "pickle": is_pickle,
        "safetensors": head[8:10] == b'{"' and length <= _LARGEST_SAFETENSORS_HEADER,
        "tar": head[_TAR_MAGIC_OFFSET:].startswith(_TAR_MAGIC),
        **{kind: head.startswith(signature) for kind, signature in _SIGNATURES.items()},
        "onnx": _begins_as_onnx(head),
    }
    return next((kind for kind, is_met in tests.items() if is_met), "unknown")


def _begins_as_onnx(head: bytes) -> bool:
    """Return whether it begins with ir_version and producer_name of a ModelProto (onnx/onnx.proto)."""
    if len(head) < 5 or head[0] != 0x08 or head[2] != 0x12 or not (0 < head[1] < 0x20 and 0 < head[3] < 0x80):
        return False
    name = head[4 : 4 + head[3]]
    return len(name) == head[3] and name.isascii() and name.decode().isprintable()
