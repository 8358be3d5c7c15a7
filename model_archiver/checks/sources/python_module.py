"""The source of a Python module, read and never run."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from dataclasses import dataclass

from model_archiver.checks.sources.tree_size import compiled_size, is_deeper

_HEAD = r"^\s*(?:type|class|(?:async\s+)?def)\s+\w+\s*\["
_NEWER = (
    ((3, 11), re.compile(r"^\s*except\s*\*|[\[:,]\s*\*\s*\w")),
    ((3, 12), re.compile(rf"""^\s*type\s+\w+|{_HEAD}|\b[rR]?[fF][rR]?["']|^f-string""")),
    ((3, 13), re.compile(rf"{_HEAD}[^\]]*=")),
    ((3, 14), re.compile(r"""\b[rR]?[tT][rR]?["']""")),
)
"""What came into the language, and with which Python."""

_OF_PLATFORM = re.compile(r"(?:unknown encoding|encoding problem): (?:mbcs|dbcs|ansi|oem|cp)|^Exceeds the limit", re.I)
"""What Python says of an encoding that Windows has, and of a number that its settings may allow."""

LARGEST_SOURCE = 3 << 16
"""Bytes of the largest source that is judged: Python takes a thousand times as much memory for one, and more."""

_DEEPEST = 150
"""Of the trees that are judged; what goes through them calls itself up to five times for each level."""

_MOST_COMPILED = 600_000
"""Nodes, which take less memory than a source of the largest size may."""


class BrokenSourceError(Exception):
    """A source that does not parse, or that is not judged.

    Attributes:
        message: what is wrong with it.
        line: where, counted from 1, or None where it is no line's fault.
        is_certain: whether no other Python is likely to understand it: the line does not look like newer syntax, nor
            like what the server's system or settings may allow.
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
        display_path: how a person knows the file.
        tree: what stands in it.
    """

    display_path: str
    tree: ast.Module

    @classmethod
    def parse(cls, display_path: str, text: bytes) -> PythonModule:
        """The module of a text.

        Raises:
            BrokenSourceError: it does not parse, or is too long or too deep to be judged.
        """
        if len(text) > LARGEST_SOURCE:
            raise BrokenSourceError("is too long", None, is_certain=False)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of escapes that will be errors one day; nobody asked
                return cls(display_path, _tree(text))
        except SyntaxError as error:
            is_certain = not (_is_newer(error.text, error.msg) or _OF_PLATFORM.search(error.msg))
            raise BrokenSourceError(error.msg, error.lineno or None, is_certain=is_certain) from None
        except ValueError:  # of NUL bytes
            raise BrokenSourceError("is no text", None) from None
        except (RecursionError, MemoryError):  # which another Python, or one that is called less deeply, may not meet
            raise BrokenSourceError("is nested too deeply", None, is_certain=False) from None


def _tree(text: bytes) -> ast.Module:
    """The tree of a text, where all that Python finds wrong with it can be found in bounded time and memory."""
    tree = ast.parse(text)
    if is_deeper(tree, _DEEPEST) or compiled_size(tree) > _MOST_COMPILED:
        raise BrokenSourceError("is too much to judge", None, is_certain=False)
    compile(tree, "<source>", "exec", dont_inherit=True)  # for a return outside of a function and its like
    return tree


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
