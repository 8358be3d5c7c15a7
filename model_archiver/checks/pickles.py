"""What a pickle would import and build, read from its opcodes: nothing is imported, called or built.

An unpickler's stack and memo are followed, with stand-ins for what would be there. `pickletools` knows the opcodes and
what each of them does to the stack.
"""

from __future__ import annotations

import pickletools
from io import BytesIO

from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_OPCODES = 500_000
"""Opcodes of the longest pickle that is judged; a state_dict has about thirty for each of its tensors."""

_MOST_GLOBALS = 1000
_LONGEST_NAME = 1024
_LONGEST_LINE = 4096
_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}


class PickledObject:
    """A stand-in for an object that a pickle builds.

    Attributes:
        maker: the dotted name of what makes it; "dict", "list" or "set" if an opcode does; empty if it is not known.
        items: what a dict holds under each key that is a string.
        is_module: whether it is given the state of a ``torch.nn.Module``.
    """

    __slots__ = ("is_module", "items", "maker")

    def __init__(self, maker: str) -> None:
        self.maker = maker
        self.items: dict[str, object] = {}
        self.is_module = False


class Pickle(Record):
    """What a pickle would do.

    Attributes:
        globals: the dotted names of what it imports, each once, in its order.
        built: the object that comes out.
        count: how many opcodes it has.
        end: where it ends, or the data does.
        is_whole: whether it ends before the data does.
    """

    globals: tuple[str, ...]
    built: PickledObject
    count: int
    end: int
    is_whole: bool


def read_pickle(data: bytes, start: int = 0) -> Pickle | None:
    """Return what a pickle would do, or None if the data is not a pickle, or one that is too long to be judged.

    Args:
        data: the pickle, and what follows it.
        start: where it begins.
    """
    file, machine, count = _File(data), _Machine(), 0
    end = file.seek(start)
    try:
        for opcode, argument, _ in pickletools.genops(file):
            count, end = count + 1, file.tell()
            if count > MOST_OPCODES:
                return None
            machine.take(opcode.name, argument)
    except LookupError:  # no unpickler takes it
        return None
    except (ValueError, AssertionError):  # the data ends, or is not what the opcode needs
        is_opcode = end == len(data) or chr(data[end]) in _CODES
        if not is_opcode or file.tell() < len(data):
            return None
        return Pickle(tuple(machine.globals), machine.built, count, len(data), is_whole=False)
    return Pickle(tuple(machine.globals), machine.built, count, end, is_whole=True)


class _File(BytesIO):
    """A pickle, of which no line is long."""

    def readline(self, _size: int | None = -1, /) -> bytes:
        return super().readline(_LONGEST_LINE)


class _Global(str):
    """The dotted name of what a pickle imports."""

    __slots__ = ()


class _Machine:
    """An unpickler's stack and memo. What it cannot do raises a LookupError."""

    def __init__(self) -> None:
        self.globals: dict[str, None] = {}
        self.built = PickledObject("")
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[object, object] = {}

    def take(self, name: str, argument: object) -> None:
        """Do what an opcode does."""
        if name == "MARK":
            self._marks.append(len(self._stack))
        elif name == "POP" and self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        elif name == "DUP":
            self._stack.append(self._stack[-1])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self._memo[len(self._memo) if argument is None else argument] = self._stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            self._stack.append(self._memo[argument])
        else:
            below, takes_mark, pushes = _SHAPES[name]
            above = self._pop(len(self._stack) - self._marks[-1]) if takes_mark else []
            if takes_mark:
                self._marks.pop()
            value = self._build(_ACTIONS.get(name, ""), [*self._pop(below), *above], argument)
            if pushes:
                self._stack.append(value)

    def _pop(self, count: int) -> list[object]:
        place = len(self._stack) - count
        if place < (self._marks[-1] if self._marks else 0):
            raise LookupError
        popped = self._stack[place:]
        del self._stack[place:]
        return popped

    def _build(self, action: str, parts: list[object], argument: object) -> object:
        """Return what comes of some values from the stack, or of the opcode's argument."""
        value = parts[0] if parts else argument
        if action in ("dict", "list", "set"):
            value = PickledObject(action)
            _set_items(value, parts)
        elif action == "tuple":
            value = tuple(parts)
        elif action == "import":
            value = self._import(parts if argument is None else str(argument).split(" ", 1))
        elif action == "call":
            maker = value if argument is None else self._import(str(argument).split(" ", 1))
            value = PickledObject(maker if isinstance(maker, _Global) else "")
        elif action == "fetch":  # a storage next to the pickle; in older files the class of a module, too
            value = value[1] if isinstance(value, tuple) else None
        elif isinstance(value, PickledObject) and action == "set items":
            _set_items(value, parts[1:])
        elif isinstance(value, PickledObject) and action == "set state":
            _set_state(value, parts[1])
        elif isinstance(value, PickledObject) and action == "stop":
            self.built = value
        return value

    def _import(self, names: Sequence[object]) -> _Global:
        module, name = names
        if type(module) is not str or type(name) is not str:
            raise LookupError
        found = _Global(f"{_PYTHON_2.get(module, module)}.{name}")
        self.globals[found] = None
        if len(found) > _LONGEST_NAME or len(self.globals) > _MOST_GLOBALS or not found.isprintable():
            raise LookupError
        return found


def _set_items(target: PickledObject, items: list[object]) -> None:
    target.items.update((key, value) for key, value in zip(items[::2], items[1::2], strict=False) if type(key) is str)


def _set_state(target: PickledObject, state: object) -> None:
    if isinstance(state, tuple) and state:  # the second part is the state of its slots
        state = state[0]
    target.is_module = isinstance(state, PickledObject) and {"_parameters", "_modules"} <= state.items.keys()


_CODES = {opcode.code for opcode in pickletools.opcodes}
_ACTIONS = {
    **dict.fromkeys(("EMPTY_DICT", "DICT"), "dict"),
    **dict.fromkeys(("EMPTY_LIST", "LIST"), "list"),
    **dict.fromkeys(("EMPTY_SET", "FROZENSET"), "set"),
    **dict.fromkeys(("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"), "tuple"),
    **dict.fromkeys(("GLOBAL", "STACK_GLOBAL"), "import"),
    **dict.fromkeys(("REDUCE", "NEWOBJ", "NEWOBJ_EX", "OBJ", "INST"), "call"),
    **dict.fromkeys(("SETITEM", "SETITEMS"), "set items"),
    "BUILD": "set state",
    "BINPERSID": "fetch",
    "STOP": "stop",
}
_SHAPES = {
    opcode.name: (
        [*opcode.stack_before, pickletools.markobject].index(pickletools.markobject),
        pickletools.markobject in opcode.stack_before,
        bool(opcode.stack_after),
    )
    for opcode in pickletools.opcodes
}
"""How many values an opcode takes below a mark, whether it takes a mark and all above, and whether it pushes one."""

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
