"""The source of a Python module, read and never run."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from dataclasses import dataclass

_HEAD = r"^\s*(?:type|class|(?:async\s+)?def)\s+\w+\s*\["
_NEWER = (
    ((3, 11), re.compile(r"^\s*except\s*\*|[\[:,]\s*\*\s*\w")),
    ((3, 12), re.compile(rf"""^\s*type\s+\w+|{_HEAD}|\b[rR]?[fF][rR]?["']|^f-string""")),
    ((3, 13), re.compile(rf"{_HEAD}[^\]]*=")),
    ((3, 14), re.compile(r"""\b[rR]?[tT][rR]?["']""")),
)
"""What came into the language, and with which Python."""


class BrokenSourceError(Exception):
    """A source that does not parse.

    Attributes:
        message: what is wrong with it.
        line: where, counted from 1, or None.
        is_certain: whether no other Python is likely to understand it: the line does not look like newer syntax.
    """

    def __init__(self, message: str, line: int | None, *, is_certain: bool = True) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.is_certain = is_certain


@dataclass(frozen=True)
class PythonModule:
    """A module's source.

    Attributes:
        where: how a person knows the file.
        tree: what stands in it.
    """

    where: str
    tree: ast.Module

    @classmethod
    def parse(cls, where: str, text: bytes) -> PythonModule:
        """The module of a text.

        Raises:
            BrokenSourceError: it does not parse.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of escapes that will be errors one day; nobody asked
                tree = ast.parse(text)
                compile(tree, "<source>", "exec", dont_inherit=True)  # for a return outside of a function and its like
                return cls(where, tree)
        except SyntaxError as error:
            raise BrokenSourceError(error.msg, error.lineno, is_certain=not _is_newer(error.text, error.msg)) from None
        except ValueError:  # of NUL bytes
            raise BrokenSourceError("is no text", None) from None
        except (RecursionError, MemoryError):  # which another Python, or one that is called less deeply, may not meet
            raise BrokenSourceError("is nested too deeply", None, is_certain=False) from None


def _is_newer(*told: str | None) -> bool:
    """Whether the line that does not parse, or what Python says of it, looks like newer syntax."""
    return any(
        sys.version_info < version and pattern.search(text) for version, pattern in _NEWER for text in told if text
    )


def last_name(expression: ast.expr | None) -> str:
    """The last part of a dotted name; empty for anything else."""
    if isinstance(expression, ast.Attribute):
        return expression.attr
    return expression.id if isinstance(expression, ast.Name) else ""
