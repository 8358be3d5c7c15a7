"""The source of a Python module, read and never run."""

from __future__ import annotations

import ast
import re
import sys
import warnings
from dataclasses import dataclass

_NEWER = (
    ((3, 12), re.compile(r"""^\s*type\s+\w+|^\s*(?:class|(?:async\s+)?def)\s+\w+\s*\[|\b[rR]?[fF][rR]?["']""")),
    ((3, 14), re.compile(r"""\b[rR]?[tT][rR]?["']""")),
)
"""What came into the language, and with which Python."""


class BrokenSourceError(Exception):
    """A source that does not parse.

    Attributes:
        message: what is wrong with it.
        line: where, counted from 1, or None.
        may_be_newer: whether the line looks like one that a newer Python than this one understands.
    """

    def __init__(self, message: str, line: int | None, *, may_be_newer: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.may_be_newer = may_be_newer


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
                compile(
                    tree, where, "exec", dont_inherit=True
                )  # what the grammar lets through: a return outside of a function
                return cls(where, tree)
        except SyntaxError as error:
            raise BrokenSourceError(error.msg, error.lineno, may_be_newer=_may_be_newer(error.text or "")) from None
        except (ValueError, RecursionError, MemoryError):  # NUL bytes; nested too deeply for the parser
            raise BrokenSourceError("is no Python source", None) from None


def _may_be_newer(line: str) -> bool:
    return any(sys.version_info < version and pattern.search(line) for version, pattern in _NEWER)
