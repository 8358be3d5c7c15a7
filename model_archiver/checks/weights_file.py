"""What a weights file is, by a few of its bytes: nothing is unpickled, and little is read.

What a pickle would import is read from its opcodes. What they do to the stack is not followed.
"""

from __future__ import annotations

from io import BytesIO

from model_archiver.core.problems import NotSampledError
from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pickletools import OpcodeInfo
    from typing import BinaryIO

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
MOST_OPCODES = 500_000  # of a pickle that is judged; a state_dict has about thirty for each of its tensors
_MOST_GLOBALS = 1000
_LONGEST_NAME = 1024
_LONGEST_LINE = 4096
_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_CONTAINERS = ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_SET", "EMPTY_TUPLE")
_ALLOWED = {
    *("collections.OrderedDict", "collections.Counter", "_codecs.encode", "builtins.set", "builtins.bytearray"),
    *("builtins.complex", "torch.Size", "torch.device", "torch.nn.parameter.Parameter"),
    *("torch.serialization._get_layout", "torch._tensor._rebuild_from_type_v2"),
}
_ALLOWED_BEGINNINGS = (
    *("torch.nested.", "torch.distributed.", "torch._dynamo."),  # which allow their classes when they are imported
    *("torch._utils._rebuild_", "torch.per_tensor_", "torch.per_channel_"),
    *(f"torch.{kind}" for kind in ("bool", "int", "uint", "qint", "quint", "bits", "float", "bfloat", "complex")),
)


class Pickle(Record):
    """What a pickle would do."""

    globals: tuple[str, ...]  # the dotted names of what it imports, each once, in its order
    is_module: bool  # whether it builds a torch.nn.Module, not something that holds one
    count: int  # how many opcodes it has
    end: int  # where it ends, or the data does
    is_whole: bool  # whether it ends before the data does


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
    pickle = read_pickle(data)
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
    pickle = read_pickle(data)
    if pickle is None or pickle.count < _FEWEST_OPCODES:
        return WeightsFile()
    if pickle.is_whole:
        return WeightsFile("pickle", pickle)
    is_other = any(name.startswith("joblib.") for name in pickle.globals)  # it writes arrays between the opcodes
    return WeightsFile(damage="" if is_other else "truncated")


def _read_torch_pickles(data: bytes) -> WeightsFile:
    """Read a magic number, a version, facts on the system, the object, and the keys of its tensors."""
    pickles: list[Pickle] = []
    for _ in range(5):
        pickle = read_pickle(data, pickles[-1].end if pickles else 0)
        if pickle is None or not pickle.is_whole:
            return WeightsFile("saved", damage="" if pickle is None else "truncated")
        pickles.append(pickle)
    return WeightsFile("saved", pickles[3])


def _read_safetensors(file: BinaryIO, size: int, length: int) -> WeightsFile:
    """Return whether all tensors are in a file whose header says where each of them ends."""
    import re  # noqa: PLC0415 - only with safetensors

    file.seek(8)
    header = file.read(length) if 8 + length <= size and length <= LARGEST_PICKLE else b""
    ends = re.finditer(rb'"data_offsets"\s*:\s*\[\s*\d{1,18}\s*,\s*(\d{1,18})\s*\]', header)
    last = max((int(match[1]) for match in ends), default=0)
    return WeightsFile(damage="truncated") if 8 + length + last > size else WeightsFile("safetensors")


def read_pickle(data: bytes, start: int = 0) -> Pickle | None:
    """Return what the pickle at `start` would do, or None if there is none, or it is too long to be judged."""
    import pickletools  # noqa: PLC0415 - only with a pickle

    file, machine, count = _File(data), _Machine(), 0
    end = file.seek(start)
    try:
        for opcode, argument, _ in pickletools.genops(file):
            count, end = count + 1, file.tell()
            if count > MOST_OPCODES:
                return None
            machine.take(opcode, argument)
    except LookupError:  # no unpickler takes it
        return None
    except (ValueError, AssertionError):  # the data ends, or is not what the opcode needs
        is_cut = file.tell() == len(data)
        return Pickle(tuple(machine.globals), machine.is_module, count, len(data), is_whole=False) if is_cut else None
    return Pickle(tuple(machine.globals), machine.is_module, count, end, is_whole=True)


class _File(BytesIO):
    """A pickle, of which no line is long."""

    def readline(self, _size: int | None = -1, /) -> bytes:
        return super().readline(_LONGEST_LINE)


class _Machine:
    """The names in a pickle. What no unpickler can do with them raises a LookupError."""

    def __init__(self) -> None:
        self.globals: dict[str, None] = {}
        self._first = ""
        self._words: set[str] = set()
        self._recent: list[object] = [None, None]
        self._memo: dict[object, object] = {}

    @property
    def is_module(self) -> bool:
        """Return whether the pickle builds a module: it begins with a class, and holds the names of its state."""
        is_own = not all(map(_is_allowed, list(self.globals)[:1]))
        return self._first not in _CONTAINERS and is_own and {"_parameters", "_modules"} <= self._words

    def take(self, opcode: OpcodeInfo, argument: object) -> None:
        """Note what an opcode names."""
        name = opcode.name
        self._first = self._first or ("" if name in ("PROTO", "FRAME") else name)
        if name in ("GLOBAL", "INST"):
            self._import(*str(argument).split(" ", 1))
        elif name == "STACK_GLOBAL":
            self._import(*self._recent[-2:])
        if name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if argument is None else argument] = self._recent[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._recent = [self._recent[-1], self._memo[argument]]
        elif name not in ("POP", "MARK"):
            self._recent = [self._recent[-1], argument if isinstance(argument, str) else None]
            self._words.update({argument} if isinstance(argument, str) and argument.startswith("_") else ())

    def _import(self, module: object, name: object) -> None:
        if type(module) is not str or type(name) is not str:
            raise LookupError
        found = f"{_PYTHON_2.get(module, module)}.{name}"
        self.globals[found] = None
        if len(found) > _LONGEST_NAME or len(self.globals) > _MOST_GLOBALS or not found.isprintable():
            raise LookupError


def rejected_globals(pickle: Pickle) -> tuple[str, ...]:
    """Return the globals that ``torch.load`` certainly rejects since 2.6 (see ``torch._weights_only_unpickler``)."""
    return tuple(name for name in pickle.globals if not _is_allowed(name))


def _is_allowed(name: str) -> bool:
    is_tensor = name.startswith("torch.") and name.endswith(("Storage", "Tensor"))
    return is_tensor or name in _ALLOWED or name.startswith(_ALLOWED_BEGINNINGS)
