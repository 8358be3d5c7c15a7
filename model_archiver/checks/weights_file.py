"""What a weights file is, by a few of its bytes: nothing is unpickled, and little is read."""

from __future__ import annotations

import io
from collections.abc import Sequence
from contextlib import suppress

from model_archiver.core.plan import Member
from model_archiver.core.problems import NotSampledError
from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pickletools import OpcodeInfo

    from model_archiver.reading.content import SampledFile

_LARGEST_PICKLE = 1 << 24  # bytes of the largest pickle that is judged
_LARGEST_DIRECTORY = 1 << 22
_HEAD = 1024
_WINDOWS = (1 << 16, 1 << 20, _LARGEST_PICKLE)
_FEWEST_OPCODES = 4  # random bytes that begin as a pickle hardly have more
MOST_OPCODES = 500_000  # of a pickle that is judged; a state_dict has about thirty for each of its tensors
_MOST_GLOBALS = 1000
_LONGEST_NAME = 1024
_LONGEST_LINE = 4096
_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_DICTS = ("collections.OrderedDict", "collections.defaultdict", "builtins.dict")
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


class Built(Record, frozen=False):
    """What stands for an object that is neither a string, a number, a list, a tuple nor a dict."""

    maker: str  # the dotted name of what it is, or of what makes it
    state: object = None

    @property
    def is_tensor(self) -> bool:
        """Return whether it certainly is a tensor."""
        return self.maker.startswith("torch._utils._rebuild_")


class Pickle(Record):
    """What a pickle would do."""

    globals: tuple[str, ...]  # the dotted names of what it imports, each once, in its order
    value: object  # what it builds; of a dict only the keys that are strings, of a list nothing
    count: int  # how many opcodes it has
    end: int  # where it ends, or the data does
    is_whole: bool  # whether it ends before the data does


class WeightsFile(Record):
    """What a weights file is."""

    kind: str = "unknown"  # or another one of `kind_of` and `kind_of_zip`
    pickle: Pickle | None = None  # what its pickle would import and build; None without one, or if it is not judged
    damage: str = ""  # why nothing can read it: "empty", "truncated", "html" or "git lfs"

    @property
    def is_module(self) -> bool:
        """Return whether it certainly holds a whole ``torch.nn.Module``."""
        state = getattr(self.value, "state", None)
        return isinstance(state, dict) and {"_parameters", "_modules"} <= state.keys()

    @property
    def value(self) -> object:
        """Return what torch.save wrote, or None if that is not known."""
        return self.pickle.value if self.pickle is not None and self.kind == "saved" else None


def read_weights(weights: Member | SampledFile) -> WeightsFile | None:
    """Return what a weights file is, or None if the bytes that show it were not kept."""
    with suppress(NotSampledError), weights.open() as file:
        head, size = file.read(_HEAD), weights.size
        if head.startswith(b"PK\x03\x04"):
            return _read_zip(file, size)
        from model_archiver.reading.file_kind import kind_of  # noqa: PLC0415 - most weights are zips

        kind = kind_of(head, size)
        if kind in ("empty", "html", "git lfs"):
            return WeightsFile(damage=kind)
        special = {"saved": _read_pickles, "pickle": _read_pickles, "safetensors": _read_safetensors}
        return special[kind](file, size, kind) if kind in special else WeightsFile(kind)
    return None


def _read_zip(file: io.FileIO, size: int) -> WeightsFile:
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
    entries = {header.text: header for header in read_central(archive, end.start, end.position) if header is not None}
    kind = kind_of_zip(entries)
    if kind != "saved":
        return WeightsFile(kind)
    saved = entries[f"{next(iter(entries)).partition('/')[0]}/data.pkl"]
    # torch never compresses; and the system rejects a place that no file has.
    is_read = saved.method == 0 and saved.size <= _LARGEST_PICKLE and saved.offset < size
    local = read_local(archive, saved.offset, size) if is_read else None
    data = b"".join(archive.iter_range(local.data_start, local.data_start + saved.size)) if local is not None else b""
    pickle = read_pickle(data)
    return WeightsFile(kind, pickle if pickle is not None and pickle.is_whole else None)


def _read_pickles(file: io.FileIO, size: int, kind: str) -> WeightsFile:
    """Return what a pickle is, or the several ones that torch.save wrote before it wrote zips."""
    for window in _WINDOWS:
        file.seek(0)
        data = file.read(window)
        found = _read_torch_pickles(data) if kind == "saved" else _read_plain_pickle(data)
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


def _read_safetensors(file: io.FileIO, size: int, kind: str) -> WeightsFile:
    """Return whether all tensors are in a file whose header says where each of them ends."""
    import re  # noqa: PLC0415 - only with safetensors

    file.seek(0)
    length = int.from_bytes(file.read(8), "little")
    header = file.read(length) if 8 + length <= size and length <= _LARGEST_PICKLE else b""
    ends = re.finditer(rb'"data_offsets"\s*:\s*\[\s*\d{1,18}\s*,\s*(\d{1,18})\s*\]', header)
    last = max((int(match[1]) for match in ends), default=0)
    return WeightsFile(damage="truncated") if 8 + length + last > size else WeightsFile(kind)


def read_pickle(data: bytes, start: int = 0) -> Pickle | None:
    """Return what the pickle at `start` would do, or None if there is none, or it is too long to be judged."""
    import pickletools  # noqa: PLC0415 - only with a pickle

    file, machine, count = _File(data), _Machine(), 0
    end = file.seek(start)
    is_whole = True
    try:
        for opcode, argument, _ in pickletools.genops(file):
            count, end = count + 1, file.tell()
            if count > MOST_OPCODES:
                return None
            machine.take(opcode, argument)
    except LookupError:  # no unpickler takes it
        return None
    except (ValueError, AssertionError):  # the data ends, or is not what the opcode needs
        if file.tell() < len(data):
            return None
        is_whole, end = False, len(data)
    return Pickle(tuple(machine.globals), machine.stack[-1] if machine.stack else None, count, end, is_whole)


class _File(io.BytesIO):
    """A pickle, of which no line is long."""

    def readline(self, _size: int | None = -1, /) -> bytes:
        return super().readline(_LONGEST_LINE)


class _Machine:
    """The stack of an unpickler. What no unpickler can do raises a LookupError."""

    def __init__(self) -> None:
        self.globals: dict[str, None] = {}
        self.stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[object, object] = {}

    def take(self, opcode: OpcodeInfo, argument: object) -> None:
        """Follow an opcode."""
        name = opcode.name
        if name == "MARK":
            self._marks.append(len(self.stack))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if argument is None else argument] = self.stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self.stack.append(self._memo[argument])
        elif name == "POP" and self._marks[-1:] == [len(self.stack)]:
            self._marks.pop()
        elif name != "STOP":
            self.stack.extend(self._results(opcode, argument, self._pop(opcode)))

    def _pop(self, opcode: OpcodeInfo) -> list[object]:
        """Return what an opcode takes from the stack."""
        kinds = [kind.name for kind in opcode.stack_before]
        count = kinds.index("mark") if "mark" in kinds else len(kinds)
        start = (self._marks.pop() if "mark" in kinds else len(self.stack)) - count
        if start < (self._marks[-1] if self._marks else 0):
            raise LookupError
        taken = self.stack[start:]
        del self.stack[start:]
        return taken

    def _results(self, opcode: OpcodeInfo, argument: object, taken: list[object]) -> Sequence[object]:
        """Return what an opcode puts on the stack."""
        name = opcode.name
        if name in ("GLOBAL", "INST", "STACK_GLOBAL"):
            result: object = self._import(*(str(argument).split(" ", 1) if argument else taken))
        elif name in ("EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"):
            result = {} if "DICT" in name else taken.pop(0)
            if isinstance(result, dict):
                pairs = zip(taken[::2], taken[1::2], strict=False)
                result.update((key, value) for key, value in pairs if type(key) is str)
        elif name in ("APPEND", "APPENDS", "ADDITEMS", "BUILD"):
            result = taken[0]
            if name == "BUILD" and isinstance(result, Built):
                result.state = taken[1]
        elif name in ("REDUCE", "OBJ", "NEWOBJ", "NEWOBJ_EX"):
            maker = taken[0].maker if isinstance(taken[0], Built) else ""
            given = [each for items in taken[1:2] if isinstance(items, tuple) for each in items]
            state = next((each for each in given if type(each) is dict), None)  # it may be among the arguments
            result = {} if maker in _DICTS else Built(maker, state)
        elif "TUPLE" in name:
            result = tuple(taken)
        elif name in ("EMPTY_LIST", "LIST"):
            result = []
        else:
            return [argument] * len(opcode.stack_after)
        return [result]

    def _import(self, module: object, name: object) -> Built:
        if type(module) is not str or type(name) is not str:
            raise LookupError
        found = f"{_PYTHON_2.get(module, module)}.{name}"
        self.globals[found] = None
        if len(found) > _LONGEST_NAME or len(self.globals) > _MOST_GLOBALS or not found.isprintable():
            raise LookupError
        return Built(found)


def rejected_globals(pickle: Pickle) -> tuple[str, ...]:
    """Return the globals that ``torch.load`` certainly rejects since 2.6 (see ``torch._weights_only_unpickler``)."""
    names = [name for name in pickle.globals if name not in _ALLOWED and not name.startswith(_ALLOWED_BEGINNINGS)]
    return tuple(name for name in names if not (name.startswith("torch.") and name.endswith(("Storage", "Tensor"))))
