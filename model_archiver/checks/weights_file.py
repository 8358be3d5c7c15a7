"""What a weights file is, by a few of its bytes: nothing is unpickled, and little is read."""

from __future__ import annotations

from model_archiver.core.problems import NotSampledError
from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from model_archiver.checks.pickle_file import Pickle
    from model_archiver.core.plan import Member
    from model_archiver.reading.content import SampledFile

_LARGEST_PICKLE = 1 << 24  # bytes of the largest pickle that is judged
_LARGEST_DIRECTORY = 1 << 22
_HEAD = 1024
_ZIP = b"PK\x03\x04"
_DAMAGES = ("empty", "html", "git lfs")
_MOST_FIELDS = 10_000  # of an ONNX model at its top level
_IR_VERSION, _GRAPH = 1, 7  # the fields that every ModelProto has
_VARINT, _64_BITS, _BYTES, _32_BITS = 0, 1, 2, 5  # the wire types of protobuf
_LONGEST_VARINT = 10
_WINDOWS = (1 << 16, 1 << 20, _LARGEST_PICKLE)
_FEWEST_OPCODES = 4  # random bytes that begin as a pickle hardly have more


class WeightsFile(Record):
    """What a weights file is."""

    kind: str = "unknown"  # or a key of `file_kind.DESCRIPTIONS`
    pickle: Pickle | None = None  # what its pickle would import and build; None without one, or if it is not judged
    damage: str = ""  # why nothing can read it: "empty", "truncated", "html" or "git lfs"

    @property
    def is_module(self) -> bool:
        """Return whether it certainly holds a whole ``torch.nn.Module``."""
        return getattr(self.pickle and self.pickle.value, "is_module", False)


def read_weights(weights: Member | SampledFile) -> WeightsFile | None:
    """Return what a weights file is, or None if the bytes that show it were not kept."""
    try:
        with weights.open() as file:
            head, size = file.read(_HEAD), weights.size
            if head.startswith(_ZIP):
                return _read_zip(file, size)
            from model_archiver.reading.file_kind import kind_of  # noqa: PLC0415 - most weights are zips

            kind = kind_of(head, size)
            if kind in _DAMAGES:
                return WeightsFile(damage=kind)
            special = {"saved": _read_pickles, "pickle": _read_pickles, "safetensors": _read_safetensors}
            return special.get(kind, _read_onnx)(file, size, kind)
    except NotSampledError:
        return None


def _read_zip(file: BinaryIO, size: int) -> WeightsFile:
    """Return what a zip is, by the names in it, with the pickle of a file from torch.save."""
    from model_archiver.core.running import no_progress  # noqa: PLC0415 - only with a zip, as all of these
    from model_archiver.reading.archive import ArchiveFile  # noqa: PLC0415
    from model_archiver.reading.zip_headers import find_end, kind_of_zip, read_central, read_local  # noqa: PLC0415

    archive = ArchiveFile(file, size, no_progress)
    end = find_end(archive)
    if end is None or end.position < end.start + end.size:
        return WeightsFile(damage="truncated")
    if not end.is_plain or end.position != end.start + end.size or end.size > _LARGEST_DIRECTORY:
        return WeightsFile()
    headers = [header for header in read_central(archive, end.start, end.position) if header is not None]
    entries = {header.text: header for header in headers}
    kind = kind_of_zip(entries)
    if kind != "saved":
        return WeightsFile(kind)
    from model_archiver.checks.pickle_file import read_pickle  # noqa: PLC0415

    saved = entries[f"{next(iter(entries)).partition('/')[0]}/data.pkl"]
    # torch never compresses; and the system rejects a place that no file has.
    is_read = saved.method == 0 and saved.size <= _LARGEST_PICKLE and saved.offset < size
    local = read_local(archive, saved.offset, size) if is_read else None
    data = b"".join(archive.iter_range(local.data_start, local.data_start + saved.size)) if local is not None else b""
    pickle = read_pickle(data)
    return WeightsFile(kind, pickle if pickle is not None and pickle.is_whole else None)


def _read_pickles(file: BinaryIO, size: int, kind: str) -> WeightsFile:
    """Return what a pickle is, or the several ones that torch.save wrote before it wrote zips."""
    found = WeightsFile()
    for window in _WINDOWS:
        file.seek(0)
        data = file.read(window)
        found = _read_torch_pickles(data, size) if kind == "saved" else _read_plain_pickle(data)
        if not found.damage or found.pickle is not None or len(data) >= size:
            return found
    return WeightsFile(found.kind)


def _read_plain_pickle(data: bytes) -> WeightsFile:
    from model_archiver.checks.pickle_file import read_pickle  # noqa: PLC0415 - only with a pickle

    pickle = read_pickle(data)
    if pickle is None or pickle.count < _FEWEST_OPCODES:
        return WeightsFile()
    if pickle.is_whole:
        return WeightsFile("pickle", pickle)
    is_other = any(name.startswith("joblib.") for name in pickle.globals)  # it writes arrays between the opcodes
    return WeightsFile(damage="" if is_other else "truncated")


def _read_torch_pickles(data: bytes, size: int) -> WeightsFile:
    """Read a magic number, a version, facts on the system, the object, and the keys of its tensors."""
    from model_archiver.checks.pickle_file import read_pickle  # noqa: PLC0415 - only with a pickle

    pickles: list[Pickle] = []
    for _ in range(5):
        pickle = read_pickle(data, pickles[-1].end if pickles else 0)
        if pickle is None or not pickle.is_whole:
            return WeightsFile("saved", damage="" if pickle is None else "truncated")
        pickles.append(pickle)
    return WeightsFile("saved", pickles[3], "truncated" if pickles[4].end + pickles[3].storages > size else "")


def _read_safetensors(file: BinaryIO, size: int, kind: str) -> WeightsFile:
    """Return whether all tensors are in a file whose header says where each of them ends."""
    import re  # noqa: PLC0415 - only with safetensors

    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    header = file.read(length) if 8 + length <= size and length <= _LARGEST_PICKLE else b""
    ends = re.finditer(rb'"data_offsets"\s*:\s*\[\s*\d{1,18}\s*,\s*(\d{1,18})\s*\]', header)
    last = max((int(match[1]) for match in ends), default=0)
    return WeightsFile(damage="truncated") if 8 + length + last > size else WeightsFile(kind)


def _read_onnx(file: BinaryIO, size: int, kind: str) -> WeightsFile:
    """Return what a file of no other kind is: the fields of an ONNX model (onnx/onnx.proto) fill all of it."""
    fields, position = set[tuple[int, int]](), 0
    for _ in range(_MOST_FIELDS):
        if position >= size:
            break
        file.seek(position)
        data = file.read(2 * _LONGEST_VARINT)
        tag, start = _varint(data, 0)
        number, wire = tag >> 3, tag & 7
        value, end = _varint(data, start)
        lengths = {_VARINT: end, _64_BITS: start + 8, _BYTES: end + value, _32_BITS: start + 4}
        if not number or wire not in lengths or end > len(data):
            return WeightsFile("unknown" if kind == "onnx" else kind)
        fields.add((number, wire))
        position += lengths[wire]
    if kind == "onnx" and position > size:
        return WeightsFile(damage="truncated")
    is_onnx = position == size and {(_IR_VERSION, _VARINT), (_GRAPH, _BYTES)} <= fields
    return WeightsFile("onnx" if is_onnx else "unknown" if kind == "onnx" else kind)


def _varint(data: bytes, start: int) -> tuple[int, int]:
    """Return a number of protobuf, 7 bits in each byte, and where it ends; beyond the data if it does not end."""
    value = 0
    for position, byte in enumerate(data[start : start + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << 7 * position
        if byte < 0x80:
            return value, start + position + 1
    return value, len(data) + 1
