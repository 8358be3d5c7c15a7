"""Java's properties files, read and written as ``java.util.Properties.load`` has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

ENCODING = "iso-8859-1"
"""Of the bytes, whatever they are: each is a character, so what is not touched stays as it is."""

_NATURAL_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_BLANKS = " \t\f"
_KEY_AND_VALUE = re.compile(r"\A((?:\\.|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.)|$)", re.DOTALL)
_CONTROL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


@dataclass(frozen=True)
class Line:
    """A logical line, which may be several lines of the file.

    Attributes:
        raw: as it stands in the file, with what ends it.
        key: None for a comment or a blank line.
        value: what the key stands for.
    """

    raw: str
    key: str | None = None
    value: str = ""


def parse(text: str) -> list[Line]:
    """The logical lines of a file; together, their `raw` is the file."""
    return list(_logical_lines(_NATURAL_LINE.findall(text)))


def values(lines: list[Line]) -> dict[str, str]:
    """What each key stands for: the last line that names it counts."""
    return {line.key: line.value for line in lines if line.key is not None}


def with_value(lines: list[Line], key: str, value: str) -> str:
    """The text of a file in which a key has a value, at its former place or at the end; all else is as it was.

    Args:
        lines: of the former file.
        key: plain letters, digits and signs that need no escape.
        value: in ASCII, and not beginning with a blank.
    """
    places = [number for number, line in enumerate(lines) if line.key == key]
    number = places[-1] if places else len(lines)
    end = "\r\n" if lines and lines[0].raw.endswith("\r\n") else "\n"
    before = "".join(line.raw for line in lines[:number])
    if before and not before.endswith(("\r", "\n")):
        before += end
    if _goes_on(before):  # a blank line ends what would else go on with ours
        before += end
    escaped = value.replace("\\", "\\\\")
    return f"{before}{key}={escaped}{end}{''.join(line.raw for line in lines[number + 1 :])}"


def _logical_lines(natural: list[str]) -> Iterator[Line]:
    raw = content = ""
    for line in natural:
        raw += line
        piece = line.rstrip("\r\n").lstrip(_BLANKS)
        if not content and piece[:1] in {"", "#", "!"}:
            yield Line(raw)
            raw = ""
        elif _goes_on(line):
            content += piece[:-1]
        else:
            yield _property(raw, content + piece)
            raw = content = ""
    if raw:
        yield _property(raw, content)


def _goes_on(text: str) -> bool:
    """Whether the last line of a text ends in a backslash that is not escaped itself."""
    line = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text.removesuffix("\r")
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _property(raw: str, content: str) -> Line:
    [(key, value)] = _KEY_AND_VALUE.findall(content)
    return Line(raw, _unescaped(key), _unescaped(value))


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _plain(found[2] or ""), text)


def _plain(character: str) -> str:
    return _CONTROL.get(character, character)
