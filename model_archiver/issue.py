"""One thing that is wrong with what was asked, or with what would be served."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning"]

FILE_MISSING = "file-missing"
"""The code of every error that says that an input does not exist."""

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""A character that ends a line or steers a terminal: no name in an archive, and no line for people, has one."""


_UNSEEN = re.compile(rf"{CONTROL.pattern}|[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]")
"""What a line for people must not hold as it is: what no name may, and what has no width or turns the order round."""


def printable(text: str) -> str:
    r"""The text on one line: what cannot be seen and lone surrogates are shown as escapes (``\n``, ``\x1b``)."""
    escaped = _UNSEEN.sub(lambda match: match[0].encode("unicode_escape").decode("ascii"), text)
    return escaped.encode("utf-8", "backslashreplace").decode("utf-8")


_LONGEST = 1000


def _shortened(text: str) -> str:
    """The text without its middle, where a name in it is too long for anyone to read."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"


@dataclass(frozen=True)
class Issue:
    """What is wrong, where, and what to do about it.

    Attributes:
        level: ``"error"`` refuses the build; ``"warning"`` refuses it under ``--strict`` only.
        code: a stable name of the rule, such as ``file-missing``.
        message: what is wrong, in half a sentence.
        hint: what to do, or empty where the message says it.
        path: the file or value it is about, as the user knows it, or empty.
        line: the line in that file, counted from 1, or None.
    """

    level: Level
    code: str
    message: str
    hint: str = ""
    path: str = ""
    line: int | None = None

    def __str__(self) -> str:
        """The issue as one line, the way compilers write them, without its level."""
        where = f"{self.path}:{self.line}" if self.line is not None else self.path
        text = ": ".join(part for part in (where, _shortened(self.message)) if part)
        hint = f"; {_shortened(self.hint)}" if self.hint else ""
        return printable(f"{text}{hint} [{self.code}]")
