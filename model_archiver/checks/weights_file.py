"""What a weights file is, by a few of its bytes: nothing is unpickled, and little is read."""

from __future__ import annotations

from model_archiver.core.problems import NotSampledError
from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

    from model_archiver.checks.pickles import Pickle
    from model_archiver.core.plan import Member
    from model_archiver.reading.content import SampledFile

LARGEST_PICKLE = 1 << 24  # bytes of the largest pickle that is judged
_LARGEST_DIRECTORY = 1 << 22
_LARGEST_HEADER = 100_000_000  # of safetensors, as its documentation says
_HEAD = 1024
_ZIP = b"PK\x03\x04"
_PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
_HTML = (b"<!doctype html>", b"<!doctype html ", b"<html>", b"<html ", b"<html\n")
_GIT_LFS = b"version https://git-lfs.github.com/spec/v1\n"
_LIBRARY = (b"\x7fELF", b"\xcf\xfa\xed\xfe", b"\xca\xfe\xba\xbe")
_MAGIC = b"\x8a\x0a" + 0x1950A86A20F9469CFC6C.to_bytes(10, "little") + b"."
_WINDOWS = (1 << 16, 1 << 20, LARGEST_PICKLE)
_FEWEST_OPCODES = 4  # random bytes that begin as a pickle hardly have more


class WeightsFile(Record):
    """What a weights file is."""

    # Or "torchscript", "saved" (torch.save), "exported" (torch.export), "pickle", "safetensors", "onnx", "library".
    kind: str = "unknown"
    pickle: Pickle | None = None  # what its pickle would import and build; None without one, or if it is not judged
    damage: str = ""  # why nothing can read it: "empty", "truncated", "html" or "git lfs"

    @property
    def is_module(self) -> bool:
        """Return whether it certainly holds a whole ``torch.nn.Module``."""
        return self.pickle is not None and self.pickle.is_module


def read_weights(weights: Member | SampledFile) -> WeightsFile | None:
    """Return what a weights file is, or None if the bytes that show it were not kept."""
    try:
        with weights.open() as file:
            head, size = file.read(_HEAD), weights.size
            if head.startswith(_ZIP):
                return _read_zip(file, size)
            if head.startswith(_PICKLES):
                return _read_pickles(file, size)
            length = int.from_bytes(head[:8], "little")
            if head[8:10] == b'{"' and length <= _LARGEST_HEADER:
                return _read_safetensors(file, size, length)
            return _read_head(head, size)
    except NotSampledError:
        return None


def _read_head(head: bytes, size: int) -> WeightsFile:
    """Return what a file is whose first bytes show all that can be known."""
    if not head:
        return WeightsFile(damage="empty")
    if head.lstrip(b"\xef\xbb\xbf \t\r\n")[:15].lower().startswith(_HTML):
        return WeightsFile(damage="html")
    if head.startswith(_GIT_LFS) and size < _HEAD:
        return WeightsFile(damage="git lfs")
    # The fields ir_version and producer_name of a ModelProto (onnx/onnx.proto).
    if len(head) > 4 and head[0] == 0x08 and head[2] == 0x12 and 0 < head[1] < 0x20 and 0 < head[3] < 0x80:
        name = head[4 : 4 + head[3]]
        is_name = len(name) == head[3] and name.isascii() and name.decode().isprintable()
        return WeightsFile("onnx" if is_name else "unknown")
    return WeightsFile("library" if head.startswith(_LIBRARY) else "unknown")


def _read_zip(file: BinaryIO, size: int) -> WeightsFile:
    """Return what a zip is, by the names in it (caffe2/serialize/inline_container.cc)."""
    from model_archiver.core.running import no_progress  # noqa: PLC0415 - only with a zip, as all of these
    from model_archiver.reading.archive import ArchiveFile  # noqa: PLC0415
    from model_archiver.reading.zip_headers import find_end, read_central, read_local  # noqa: PLC0415

    archive = ArchiveFile(file, size, no_progress)
    end = find_end(archive)
    if end is None or end.position < end.start + end.size:
        return WeightsFile(damage="truncated")
    if not end.is_plain or end.position != end.start + end.size or end.size > _LARGEST_DIRECTORY:
        return WeightsFile()
    headers = [header for header in read_central(archive, end.start, end.position) if header is not None]
    entries = {header.text: header for header in headers}
    root = next(iter(entries), "").partition("/")[0]
    has_code = any(name.startswith(f"{root}/code/") for name in entries)
    if has_code or f"{root}/constants.pkl" in entries:
        return WeightsFile("torchscript" if has_code and f"{root}/constants.pkl" in entries else "unknown")
    saved = entries.get(f"{root}/data.pkl")
    if saved is None:
        return WeightsFile("exported" if f"{root}/archive_format" in entries else "unknown")
    # torch never compresses; and the system rejects a place that no file has.
    is_read = saved.method == 0 and saved.size <= LARGEST_PICKLE and saved.offset < size
    local = read_local(archive, saved.offset, size) if is_read else None
    data = b"".join(archive.iter_range(local.data_start, local.data_start + saved.size)) if local is not None else b""
    pickle = _read_pickle(data)
    return WeightsFile("saved", pickle if pickle is not None and pickle.is_whole else None)


def _read_pickles(file: BinaryIO, size: int) -> WeightsFile:
    """Return what a pickle is, or the several ones that torch.save wrote before it wrote zips."""
    found = WeightsFile()
    for window in _WINDOWS:
        file.seek(0)
        data = file.read(window)
        found = _read_torch_pickles(data) if _MAGIC in data[:64] else _read_plain_pickle(data)
        if not found.damage or len(data) >= size:
            return found
    return WeightsFile(found.kind)


def _read_plain_pickle(data: bytes) -> WeightsFile:
    pickle = _read_pickle(data)
    if pickle is None or pickle.is_whole:
        return WeightsFile("unknown" if pickle is None else "pickle", pickle)
    # joblib writes arrays between the opcodes.
    is_other = pickle.count < _FEWEST_OPCODES or any(name.startswith("joblib.") for name in pickle.globals)
    return WeightsFile(damage="" if is_other else "truncated")


def _read_torch_pickles(data: bytes) -> WeightsFile:
    """Read a magic number, a version, facts on the system, the object, and the keys of its tensors."""
    pickles: list[Pickle] = []
    for _ in range(5):
        pickle = _read_pickle(data, pickles[-1].end if pickles else 0)
        if pickle is None or not pickle.is_whole:
            return WeightsFile("saved", damage="" if pickle is None else "truncated")
        pickles.append(pickle)
    return WeightsFile("saved", pickles[3])


def _read_pickle(data: bytes, start: int = 0) -> Pickle | None:
    from model_archiver.checks.pickles import read_pickle  # noqa: PLC0415 - only with a pickle

    return read_pickle(data, start)


def _read_safetensors(file: BinaryIO, size: int, length: int) -> WeightsFile:
    """Return whether all tensors are in a file whose header says where each of them ends."""
    import re  # noqa: PLC0415 - only with safetensors

    file.seek(8)
    header = file.read(length) if 8 + length <= size and length <= LARGEST_PICKLE else b""
    ends = re.finditer(rb'"data_offsets"\s*:\s*\[\s*\d{1,18}\s*,\s*(\d{1,18})\s*\]', header)
    last = max((int(match[1]) for match in ends), default=0)
    return WeightsFile(damage="truncated") if 8 + length + last > size else WeightsFile("safetensors")
