"""What a pickle would import and build, told by its opcodes: nothing of it is imported, called or built.

Only so much of an unpickler's stack and memo is followed as it takes to know the globals, the maker of what comes out,
and the storages that torch keeps beside the pickle. The opcodes are those of Python's ``pickletools``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from model_archiver.checks.weights_files.pickle_opcodes import EndlessPickleError, NotPickleError, Opcodes

if TYPE_CHECKING:
    from collections.abc import Callable

    from model_archiver.checks.weights_files.pickle_opcodes import Argument

MOST_OPCODES = 500_000
"""Of a pickle that is judged; a state_dict has some thirty for each of its tensors."""

_MOST_GLOBALS = 1000
_LONGEST_NAME = 1024
_OPAQUE = object()
_MODULE_STATE = frozenset((b"_parameters", b"_modules"))
_NO_KEYS: frozenset[bytes] = frozenset()  # one for all, for there may be many
_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_CONTAINERS = {**dict.fromkeys(b"}d", "dict"), **dict.fromkeys(b"]l", "list"), **dict.fromkeys(b"\x8f\x91", "set")}


class TooLongError(Exception):
    """A pickle that is too long, or names too much, to be judged."""


@dataclass(frozen=True)
class Pickle:
    """What a pickle would do.

    Attributes:
        globals: the dotted names of what it imports, each once, in its order.
        opcodes: the codes of the opcodes that occur in it.
        maker: the dotted name of what makes the object that comes out, ``dict`` or the like where an opcode does, or
            empty where that is nothing of the kind.
        is_module: whether that object is given the state of a ``torch.nn.Module``.
        storages: what torch keeps beside it: the bytes of each, or None where they cannot be told.
        count: how many opcodes it has.
        end: where it ends, or the data does.
        is_whole: whether it ends before the data does.
    """

    globals: tuple[str, ...]
    opcodes: frozenset[int]
    maker: str
    is_module: bool
    storages: tuple[int | None, ...]
    count: int
    end: int
    is_whole: bool


def read_pickle(data: bytes, start: int = 0) -> Pickle:
    """Follow a pickle to its end.

    Args:
        data: the pickle, and what follows it.
        start: where it begins.

    Raises:
        NotPickleError: it is none.
        TooLongError: it cannot be judged.
    """
    machine = _Machine()
    opcodes = Opcodes(data, start)
    try:
        for code, argument in opcodes:
            if opcodes.count > MOST_OPCODES:
                raise TooLongError
            machine.take(code, argument)
    except EndlessPickleError:
        return machine.result(opcodes, is_whole=False)
    return machine.result(opcodes, is_whole=True)


class _Global(str):
    """The dotted name of what a pickle imports."""

    __slots__ = ()


class _Object:
    """Something that a pickle makes, by whatever has that name."""

    __slots__ = ("is_module", "keys", "maker")

    def __init__(self, maker: str) -> None:
        self.maker = maker
        self.is_module = False
        self.keys = _NO_KEYS


class _Machine:
    """An unpickler's stack and memo, with stand-ins for what would lie there."""

    def __init__(self) -> None:
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[int, object] = {}
        self._globals: dict[str, None] = {}
        self._storages: dict[bytes, int | None] = {}

    def result(self, opcodes: Opcodes, *, is_whole: bool) -> Pickle:
        """What was found, when the last opcode was taken."""
        top = self._pop() if is_whole else None
        made = top if isinstance(top, _Object) else _Object("")
        return Pickle(
            globals=tuple(self._globals),
            opcodes=frozenset(opcodes.met),
            maker=made.maker,
            is_module=made.is_module,
            storages=tuple(self._storages.values()),
            count=opcodes.count,
            end=opcodes.end,
            is_whole=is_whole,
        )

    def take(self, code: int, argument: Argument) -> None:
        """Do what an opcode does."""
        action = _ACTIONS.get(code)
        if action is not None:
            action(self)
        elif code in _WITH_INDEX and isinstance(argument, int):
            _WITH_INDEX[code](self, argument)
        elif isinstance(argument, tuple):
            self._import(*argument, is_called=code == ord("i"))
        elif code in _CONTAINERS:
            self._contain(code)
        else:
            self._stack.append(_OPAQUE if argument is None else argument)

    def _contain(self, code: int) -> None:
        if code in b"dl\x91":
            self._drop_to_mark()
        self._stack.append(_Object(_CONTAINERS[code]))

    def _pop(self) -> object:
        if not self._stack or (self._marks and len(self._stack) <= self._marks[-1]):
            raise NotPickleError
        return self._stack.pop()

    def _top(self) -> object:
        if not self._stack:
            raise NotPickleError
        return self._stack[-1]

    def _drop_to_mark(self) -> list[object]:
        """What lies above the last mark, which is taken away."""
        if not self._marks:
            raise NotPickleError
        mark = self._marks.pop()
        items = self._stack[mark:]
        del self._stack[mark:]
        return items

    def _nothing(self) -> None:
        """Of no consequence here."""

    def _mark(self) -> None:
        self._marks.append(len(self._stack))

    def _discard(self) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._pop()

    def _discard_to_mark(self) -> None:
        self._drop_to_mark()

    def _append(self) -> None:
        self._pop()

    def _duplicate(self) -> None:
        self._stack.append(self._top())

    def _put(self, index: int) -> None:
        self._memo[index] = self._top()

    def _memoize(self) -> None:
        self._memo[len(self._memo)] = self._top()

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise NotPickleError
        self._stack.append(self._memo[index])

    def _tuple(self) -> None:
        self._stack.append(tuple(self._drop_to_mark()))

    def _tuple_1(self) -> None:
        self._stack.append((self._pop(),))

    def _tuple_2(self) -> None:
        second, first = self._pop(), self._pop()
        self._stack.append((first, second))

    def _tuple_3(self) -> None:
        third, second, first = self._pop(), self._pop(), self._pop()
        self._stack.append((first, second, third))

    def _set_item(self) -> None:
        _, key = self._pop(), self._pop()
        self._note_keys([key])

    def _set_items(self) -> None:
        self._note_keys(self._drop_to_mark()[::2])

    def _note_keys(self, keys: list[object]) -> None:
        target = self._top()
        told = {key for key in keys if type(key) is bytes and key in _MODULE_STATE}
        if told and isinstance(target, _Object):
            target.keys |= told

    def _build(self) -> None:
        state = self._pop()
        if isinstance(state, tuple) and state:  # and what its slots hold
            state = state[0]
        target = self._top()
        if isinstance(target, _Object) and isinstance(state, _Object) and state.keys == _MODULE_STATE:
            target.is_module = True

    def _import(self, module: bytes, name: bytes, *, is_called: bool) -> None:
        found = self._note(module, name)
        if is_called:
            self._drop_to_mark()
            self._make(found)
        else:
            self._stack.append(found)

    def _import_from_stack(self) -> None:
        name, module = self._pop(), self._pop()
        if type(name) is not bytes or type(module) is not bytes:
            raise NotPickleError
        self._stack.append(self._note(module, name))

    def _note(self, module: bytes, name: bytes) -> _Global:
        if len(module) + len(name) > _LONGEST_NAME or len(self._globals) >= _MOST_GLOBALS:
            raise TooLongError
        text = module.decode("utf-8", "replace")
        full = _Global(f"{_PYTHON_2.get(text, text)}.{name.decode('utf-8', 'replace')}")
        self._globals[full] = None
        return full

    def _object(self) -> None:
        items = self._drop_to_mark()
        self._make(items[0] if items else None)

    def _call(self) -> None:
        self._pop()
        self._make(self._pop())

    def _call_with_names(self) -> None:
        self._pop()
        self._call()

    def _make(self, maker: object) -> None:
        self._stack.append(_Object(str(maker) if isinstance(maker, _Global) else "?"))

    def _fetch(self) -> None:
        """What lies beside the pickle: storages, and in torch's older files the classes of modules."""
        told = self._pop()
        if not isinstance(told, tuple) or len(told) < 2 or not isinstance(told[1], _Global):
            self._stack.append(_OPAQUE)
            return
        if told[0] == b"storage" and len(told) >= 5 and type(told[2]) is bytes:
            self._storages[told[2]] = _storage_size(told[1], told[4])
        self._stack.append(told[1] if told[0] == b"module" else _OPAQUE)


_WIDTHS = {
    **dict.fromkeys(("Byte", "Char", "Bool", "QInt8", "QUInt8"), 1),
    **dict.fromkeys(("Short", "Half", "BFloat16"), 2),
    **dict.fromkeys(("Int", "Float", "QInt32"), 4),
    **dict.fromkeys(("Long", "Double", "ComplexFloat"), 8),
    "ComplexDouble": 16,
}


def _storage_size(kind: str, count: object) -> int | None:
    """The bytes of a storage of so many elements."""
    width = _WIDTHS.get(kind.rpartition(".")[2].removesuffix("Storage"))
    return width * count if width is not None and type(count) is int else None


_ACTIONS: dict[int, Callable[[_Machine], None]] = {
    **dict.fromkeys(b"\x80\x95\x98.", _Machine._nothing),
    **dict.fromkeys(b"R\x81", _Machine._call),
    **dict.fromkeys(b"1e\x90", _Machine._discard_to_mark),
    ord("("): _Machine._mark,
    ord("0"): _Machine._discard,
    ord("2"): _Machine._duplicate,
    ord("a"): _Machine._append,
    ord("t"): _Machine._tuple,
    0x85: _Machine._tuple_1,
    0x86: _Machine._tuple_2,
    0x87: _Machine._tuple_3,
    0x92: _Machine._call_with_names,
    0x93: _Machine._import_from_stack,
    0x94: _Machine._memoize,
    ord("b"): _Machine._build,
    ord("o"): _Machine._object,
    ord("s"): _Machine._set_item,
    ord("u"): _Machine._set_items,
    ord("Q"): _Machine._fetch,
}

_WITH_INDEX: dict[int, Callable[[_Machine, int], None]] = {
    **dict.fromkeys(b"hjg", _Machine._get),
    **dict.fromkeys(b"qrp", _Machine._put),
}
