"""The source of a Python module, read and never run."""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass


class BrokenSourceError(Exception):
    """A source that does not parse.

    Attributes:
        message: what is wrong with it.
        line: where, counted from 1, or None.
    """

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


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
                return cls(where, ast.parse(text))
        except SyntaxError as error:
            raise BrokenSourceError(error.msg, error.lineno) from None
        except (ValueError, RecursionError, MemoryError):  # NUL bytes; nested too deeply for the parser
            raise BrokenSourceError("is no Python source", None) from None
