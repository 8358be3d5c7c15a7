"""What a pickle would import and build: its opcodes are followed, and nothing is imported, called or built."""

from __future__ import annotations

from io import BytesIO

from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pickletools import OpcodeInfo

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
_LENGTH = 8  # bytes in front of each storage
_ITEM_SIZES = {
    **dict.fromkeys(("Half", "BFloat16", "Short"), 2),
    **dict.fromkeys(("Float", "Int", "QInt32"), 4),
    **dict.fromkeys(("Double", "Long", "ComplexFloat"), 8),
    "ComplexDouble": 16,
}
"""The bytes of an item in the storages of torch that have more than one."""


class Built:
    """What stands for an object that is neither a string, a number, a list, a tuple nor a dict."""

    __slots__ = ("maker", "state")

    def __init__(self, maker: str, state: object = None) -> None:
        self.maker = maker  # the dotted name of what it is, or of what makes it
        self.state = state

    @property
    def is_module(self) -> bool:
        """Return whether it is a ``torch.nn.Module``."""
        return isinstance(self.state, dict) and {"_parameters", "_modules"} <= self.state.keys()


class Pickle(Record):
    """What a pickle would do."""

    globals: tuple[str, ...]  # the dotted names of what it imports, each once, in its order
    value: object  # what it builds; of a dict only the keys that are strings, of a list nothing
    storages: int  # the bytes that its tensors need at least behind it, where torch.save wrote no zip
    count: int  # how many opcodes it has
    end: int  # where it ends, or the data does
    is_whole: bool  # whether it ends before the data does


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
    storages = sum(machine.storages.values())
    return Pickle(tuple(machine.globals), machine.value, storages, count, end, is_whole)


class _File(BytesIO):
    """A pickle, of which no line is long."""

    def readline(self, _size: int | None = -1, /) -> bytes:
        return super().readline(_LONGEST_LINE)


class _Machine:
    """The stack of an unpickler. What no unpickler can do raises a LookupError."""

    def __init__(self) -> None:
        self.globals: dict[str, None] = {}
        self.storages: dict[str, int] = {}  # bytes, by key
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[object, object] = {}

    @property
    def value(self) -> object:
        """Return what was built last."""
        return self._stack[-1] if self._stack else None

    def take(self, opcode: OpcodeInfo, argument: object) -> None:
        """Follow an opcode."""
        name = opcode.name
        if name == "MARK":
            self._marks.append(len(self._stack))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if argument is None else argument] = self._stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[argument])
        elif name == "POP" and self._marks[-1:] == [len(self._stack)]:
            self._marks.pop()
        elif name != "STOP":
            taken = self._pop(opcode)
            self._stack += self._results(opcode, argument, taken)

    def _pop(self, opcode: OpcodeInfo) -> list[object]:
        """Return what an opcode takes from the stack."""
        kinds = [kind.name for kind in opcode.stack_before]
        count = kinds.index("mark") if "mark" in kinds else len(kinds)
        start = (self._marks.pop() if "mark" in kinds else len(self._stack)) - count
        if start < (self._marks[-1] if self._marks else 0):
            raise LookupError
        taken = self._stack[start:]
        del self._stack[start:]
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
            result = _made(taken)
        elif name == "BINPERSID":
            result = self._persistent(taken[0])
        elif "TUPLE" in name:
            result = tuple(taken)
        elif name in ("EMPTY_LIST", "LIST"):
            result = []
        elif name in ("EMPTY_SET", "FROZENSET"):
            result = Built("builtins.set")
        else:
            return (taken or [argument]) * len(opcode.stack_after)
        return [result]

    def _import(self, module: object, name: object) -> Built:
        if type(module) is not str or type(name) is not str:
            raise LookupError
        found = f"{_PYTHON_2.get(module, module)}.{name}"
        self.globals[found] = None
        if len(found) > _LONGEST_NAME or len(self.globals) > _MOST_GLOBALS or not found.isprintable():
            raise LookupError
        return Built(found)

    def _persistent(self, key: object) -> object:
        """Return what a persistent id of torch stands for: a class, or a storage, whose size is noted."""
        if isinstance(key, tuple) and key[:1] == ("module",) and len(key) > 1:
            return key[1]
        if isinstance(key, tuple) and key[:1] == ("storage",) and len(key) >= 5:
            kind, name, place, count = key[1:5]
            if isinstance(kind, Built) and type(name) is str and type(count) is int and place != "meta":
                type_name = kind.maker.rpartition(".")[2].removesuffix("Storage")
                self.storages[name] = count * _ITEM_SIZES.get(type_name, 1) + _LENGTH
        return Built("")


def _made(taken: list[object]) -> object:
    """Return what a call makes; the state of an object may be among the arguments."""
    maker, arguments = taken[0], taken[1:]
    name = maker.maker if isinstance(maker, Built) else ""
    if name in _DICTS:
        return {}
    given = arguments[0] if arguments and isinstance(arguments[0], tuple) else ()
    return Built(name, next((each for each in given if type(each) is dict), None))


def rejected_globals(pickle: Pickle) -> tuple[str, ...]:
    """Return the globals that ``torch.load`` certainly rejects since 2.6 (see ``torch._weights_only_unpickler``)."""
    return tuple(name for name in pickle.globals if not _is_allowed(name))


def _is_allowed(name: str) -> bool:
    is_tensor = name.startswith("torch.") and name.endswith(("Storage", "Tensor"))
    return is_tensor or name in _ALLOWED or name.startswith(_ALLOWED_BEGINNINGS)
