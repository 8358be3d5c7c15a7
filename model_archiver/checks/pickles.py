"""What a pickle would import, read from its opcodes: nothing is imported, called or built.

`pickletools` knows the opcodes. What they do to the stack is not followed.
"""

from __future__ import annotations

import pickletools
from io import BytesIO

from model_archiver.core.record import Record

MOST_OPCODES = 500_000  # of a pickle that is judged; a state_dict has about thirty for each of its tensors
_MOST_GLOBALS = 1000
_LONGEST_NAME = 1024
_LONGEST_LINE = 4096
_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_CONTAINERS = ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_SET", "EMPTY_TUPLE")


class Pickle(Record):
    """What a pickle would do."""

    globals: tuple[str, ...]  # the dotted names of what it imports, each once, in its order
    is_module: bool  # whether it builds a torch.nn.Module, not something that holds one
    count: int  # how many opcodes it has
    end: int  # where it ends, or the data does
    is_whole: bool  # whether it ends before the data does


def read_pickle(data: bytes, start: int = 0) -> Pickle | None:
    """Return what the pickle at `start` would do, or None if there is none, or it is too long to be judged."""
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
        is_opcode = end == len(data) or chr(data[end]) in _CODES
        if not is_opcode or file.tell() < len(data):
            return None
        return Pickle(tuple(machine.globals), machine.is_module, count, len(data), is_whole=False)
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

    def take(self, opcode: pickletools.OpcodeInfo, argument: object) -> None:
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


_CODES = {opcode.code for opcode in pickletools.opcodes}
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


def rejected_globals(pickle: Pickle) -> tuple[str, ...]:
    """Return the globals that ``torch.load`` certainly rejects since 2.6 (see ``torch._weights_only_unpickler``)."""
    return tuple(name for name in pickle.globals if not _is_allowed(name))


def _is_allowed(name: str) -> bool:
    is_tensor = name.startswith("torch.") and name.endswith(("Storage", "Tensor"))
    return is_tensor or name in _ALLOWED or name.startswith(_ALLOWED_BEGINNINGS)
