"""What a weights file is, told by a few of its bytes: nothing of it is unpickled, and little of it is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

from model_archiver.checks.weights_files.pickle_globals import TooLongError, read_pickle
from model_archiver.checks.weights_files.pickle_opcodes import NotPickleError
from model_archiver.checks.weights_files.torch_zip import LARGEST_PICKLE, CutShortError, TorchZip
from model_archiver.core.running import no_progress
from model_archiver.reading.archive import ArchiveFile
from model_archiver.reading.zip_headers import LOCAL_SIGNATURE

if TYPE_CHECKING:
    from model_archiver.checks.weights_files.pickle_globals import Pickle

Kind = Literal["torchscript", "saved", "exported", "tar", "pickle", "safetensors", "onnx", "library", "unknown"]
Fault = Literal["empty", "cut short", "html", "git lfs"]

_HEAD = 1024
_HTML = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html)\b", re.IGNORECASE)
_GIT_LFS = b"version https://git-lfs.github.com/spec/v1\n"
_LIBRARY = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_ONNX = re.compile(rb"\x08[\x01-\x1f]\x12([\x01-\x7f])[ -~]+", re.DOTALL)
_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_MAGIC = b"\x8a\x0a" + 0x1950A86A20F9469CFC6C.to_bytes(10, "little") + b"."
_TAR_MEMBERS = (b"sys_info\0", b"pickle\0", b"tensors\0", b"storages\0")
_LARGEST_HEADER = 100_000_000  # as the safetensors format says
_LARGEST_READ_HEADER = 1 << 24
_DATA_OFFSETS = re.compile(rb'"data_offsets"\s*:\s*\[\s*\d{1,18}\s*,\s*(\d{1,18})\s*\]')
_WINDOWS = (1 << 16, 1 << 20, LARGEST_PICKLE)
_FEWEST_OPCODES = 4  # that random bytes do not make a pickle


@dataclass(frozen=True)
class WeightsFile:
    """What a weights file is.

    Attributes:
        kind: what wrote it, by its own telling; ``saved`` whether as a zip or as the pickles of older versions.
        pickle: what it would import and build; None where it is no pickle, or one that cannot be judged.
        problem: why nothing can read it, where that is certain.
    """

    kind: Kind
    pickle: Pickle | None = None
    problem: Fault | None = None


_UNKNOWN = WeightsFile("unknown")
_CUT = WeightsFile("unknown", problem="cut short")


def read_weights(file: BinaryIO, size: int) -> WeightsFile:
    """What a weights file is.

    Args:
        file: open for reading from any place.
        size: its bytes.

    Raises:
        NotKeptError: what tells it was not kept.
    """
    file.seek(0)
    head = file.read(_HEAD)
    if not head:
        return WeightsFile("unknown", problem="empty")
    if head.startswith(LOCAL_SIGNATURE):
        return _read_zip(ArchiveFile(file, size, no_progress))
    if _PICKLE.match(head):
        return _read_pickles(file, size)
    if head[8:10] == b'{"' and int.from_bytes(head[:8], "little") <= _LARGEST_HEADER:
        return _read_safetensors(file, size, int.from_bytes(head[:8], "little"))
    return _tell(head, size)


def _tell(head: bytes, size: int) -> WeightsFile:
    """What a file is of which the first bytes tell all that can be told."""
    if _HTML.match(head):
        return WeightsFile("unknown", problem="html")
    if head.startswith(_GIT_LFS) and size < _HEAD:
        return WeightsFile("unknown", problem="git lfs")
    if head.startswith(_LIBRARY):
        return WeightsFile("library")
    if head[257:262] == b"ustar" and head.startswith(_TAR_MEMBERS):
        return WeightsFile("tar")
    producer = _ONNX.match(head)
    if producer and producer.end() - producer.end(1) >= producer[1][0]:
        return WeightsFile("onnx")
    return _UNKNOWN


def _read_zip(file: ArchiveFile) -> WeightsFile:
    try:
        found = TorchZip(file)
    except CutShortError:
        return _CUT
    data = found.pickle() if found.kind == "saved" else None
    pickle = _judged(data) if data is not None else None
    return WeightsFile(found.kind, pickle if pickle and pickle.is_whole else None)


def _read_pickles(file: BinaryIO, size: int) -> WeightsFile:
    """A pickle, or the several ones that older versions of torch write before the tensors."""
    told = _UNKNOWN
    for window in _WINDOWS:
        file.seek(0)
        data = file.read(window)
        is_whole_file = len(data) >= size
        read = _read_torch_pickles if _MAGIC in data[:64] else _read_plain_pickle
        told = read(data, size)
        if told.problem is None or told.pickle is not None or is_whole_file:
            return told
    return WeightsFile(told.kind)


def _read_plain_pickle(data: bytes, _size: int) -> WeightsFile:
    pickle = _judged(data)
    if pickle is None:
        return _UNKNOWN
    if pickle.is_whole:
        return WeightsFile("pickle", pickle)
    # joblib writes arrays between the opcodes, which end nowhere; and random bytes are a few opcodes at the most.
    is_other = pickle.count < _FEWEST_OPCODES or any(name.startswith("joblib.") for name in pickle.globals)
    return _UNKNOWN if is_other else _CUT


def _read_torch_pickles(data: bytes, size: int) -> WeightsFile:
    """What ``torch.save`` wrote before it wrote zips: three pickles, the object, its storages' keys, the storages."""
    position = 0
    pickles: list[Pickle] = []
    while len(pickles) < 5:
        pickle = _judged(data, position)
        if pickle is None:
            return WeightsFile("saved")
        if not pickle.is_whole:
            return WeightsFile("saved", problem="cut short")
        pickles.append(pickle)
        position = pickle.end
    saved = pickles[3]
    sizes = [8 + storage for storage in saved.storages if storage is not None]
    is_cut = position + sum(sizes) > size and len(sizes) == len(saved.storages)
    return WeightsFile("saved", saved, "cut short" if is_cut else None)


def _judged(data: bytes, start: int = 0) -> Pickle | None:
    """A pickle, where there is one that can be judged."""
    try:
        return read_pickle(data, start)
    except (NotPickleError, TooLongError):
        return None


def _read_safetensors(file: BinaryIO, size: int, header: int) -> WeightsFile:
    """A file of which the header says where each tensor ends."""
    if 8 + header > size:
        return _CUT
    if header > _LARGEST_READ_HEADER:
        return WeightsFile("safetensors")
    file.seek(8)
    ends = (int(match[1]) for match in _DATA_OFFSETS.finditer(file.read(header)))
    return _CUT if 8 + header + max(ends, default=0) > size else WeightsFile("safetensors")
