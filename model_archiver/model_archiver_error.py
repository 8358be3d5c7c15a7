"""The errors of this package: one class, and children where a caller must tell them apart."""

from __future__ import annotations

from collections.abc import Sequence

from model_archiver.issue import FILE_MISSING, Issue


class ModelArchiverError(Exception):
    """A request that was refused, or a build that failed.

    Attributes:
        issues: everything that is wrong, each with what to do; empty where only a message was given.
    """

    def __init__(self, message: str = "", issues: Sequence[Issue] = ()) -> None:
        self.issues = tuple(issues)
        super().__init__(message or "\n".join(str(issue) for issue in self.issues))


class MissingInputError(ModelArchiverError, FileNotFoundError):
    """Among the problems is an input that does not exist."""


class UsageError(ModelArchiverError):
    """The command line itself cannot be understood."""


def refusal(issues: Sequence[Issue]) -> ModelArchiverError:
    """The error that carries these issues, of the class that callers expect for them."""
    missing = any(issue.code == FILE_MISSING for issue in issues)
    return MissingInputError(issues=issues) if missing else ModelArchiverError(issues=issues)
