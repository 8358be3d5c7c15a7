"""The opcodes of a pickle, one by one, with their arguments as they are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_LINE = 1 << 16
_STOP = ord(".")
_LONG1 = 0x8A

_FIXED = {
    **dict.fromkeys(b"N\x88\x89]})\x8f(012.QRabdelostu\x81\x85\x86\x87\x90\x91\x92\x93\x94\x97\x98", 0),
    **dict.fromkeys(b"\x80Khq\x82", 1),
    **dict.fromkeys(b"M\x83", 2),
    **dict.fromkeys(b"Jjr\x84", 4),
    **dict.fromkeys(b"G\x95", 8),
}
"""The opcodes whose argument has a certain length, and that length."""

_COUNTED = {
    **dict.fromkeys(b"CU\x8c\x8a", 1),
    **dict.fromkeys(b"BTX\x8b", 4),
    **dict.fromkeys(b"\x8d\x8e\x96", 8),
}
"""The opcodes whose argument follows a count of its bytes, and the length of that count."""

_LINES = {**dict.fromkeys(b"FILPSVgp", 1), **dict.fromkeys(b"ci", 2)}
"""The opcodes whose argument is lines, and how many."""

_NUMBERS = b"hjqrKMJ"
"""Those of them that are followed: a place in the memo, or how many elements there are."""

_TEXTS = b"CUX\x8c\x8dTB"

Argument = int | bytes | tuple[bytes, bytes] | None
"""A number or a place in the memo, a text, or two names."""


class NotPickleError(Exception):
    """Bytes that are no pickle."""


class EndlessPickleError(Exception):
    """A pickle of which the end is missing."""


class Opcodes:
    """The opcodes from a place in some data to the end of the pickle that begins there.

    Attributes:
        met: the codes of those that went by.
        count: how many went by.
        end: where the last of them ended.
    """

    def __init__(self, data: bytes, start: int) -> None:
        self.met: set[int] = set()
        self.count = 0
        self.end = start
        self._data = data

    def __iter__(self) -> Iterator[tuple[int, Argument]]:
        """Each opcode's code, and its number, text or two lines; None where it has none that matters.

        Raises:
            EndlessPickleError: the data ends before the pickle does.
            NotPickleError: there is no such opcode.
        """
        code = -1
        while code != _STOP:
            code = self._byte()
            self.met.add(code)
            self.count += 1
            if code in _FIXED:
                length = _FIXED[code]
                argument = self._number(length, signed=code == ord("J")) if length else None
                yield code, argument if code in _NUMBERS else None
            elif code in _COUNTED:
                told = self._bytes(self._number(_COUNTED[code]))
                yield code, told if code in _TEXTS else _long(told) if code == _LONG1 else None
            else:
                yield code, self._lines(code)

    def _byte(self) -> int:
        if self.end >= len(self._data):
            raise EndlessPickleError
        self.end += 1
        return self._data[self.end - 1]

    def _bytes(self, count: int) -> bytes:
        start = self.end
        self.end += count
        if self.end > len(self._data):
            raise EndlessPickleError
        return self._data[start : self.end]

    def _number(self, length: int, *, signed: bool = False) -> int:
        return int.from_bytes(self._bytes(length), "little", signed=signed)

    def _lines(self, code: int) -> Argument:
        """What a few lines say: two names, a place in the memo, or nothing that matters."""
        if code not in _LINES:
            raise NotPickleError
        lines = [self._line() for _ in range(_LINES[code])]
        if code in b"gp":
            return self._index(lines[0])
        return (lines[0], lines[1]) if code in b"ci" else None

    def _line(self) -> bytes:
        start = self.end
        newline = self._data.find(b"\n", start, start + _LONGEST_LINE)
        if newline < 0:
            is_cut = len(self._data) - start < _LONGEST_LINE
            raise EndlessPickleError if is_cut else NotPickleError
        self.end = newline + 1
        return self._data[start:newline]

    @staticmethod
    def _index(line: bytes) -> int:
        if not line.isdigit() or len(line) > 10:
            raise NotPickleError
        return int(line)


def _long(told: bytes) -> int | None:
    """A number that may be how many elements there are."""
    return int.from_bytes(told, "little", signed=True) if len(told) <= 8 else None
