"""All that is found wrong with a request, collected so that it can be told at once."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from model_archiver.issue import FILE_MISSING, Issue
from model_archiver.model_archiver_error import refusal
from model_archiver.suggestions import did_you_mean


class Findings:
    """The issues found so far, in the order in which they were found."""

    def __init__(self) -> None:
        self._issues: dict[Issue, None] = {}

    def error(self, code: str, message: str, hint: str = "", *, path: object = "") -> None:
        """Something that refuses the build."""
        self.add(Issue("error", code, message, hint, str(path)))

    def warning(self, code: str, message: str, hint: str = "", *, path: object = "") -> None:
        """Something that is likely a mistake."""
        self.add(Issue("warning", code, message, hint, str(path)))

    def missing(self, path: Path, flag: str) -> None:
        """A file or folder that a flag names and that does not exist."""
        self.error(FILE_MISSING, f"no such file or folder ({flag})", _close_by(path), path=path)

    def add(self, issue: Issue) -> None:
        """An issue; the same one twice counts once."""
        self._issues[issue] = None

    def extend(self, issues: Iterable[Issue]) -> None:
        """Several issues."""
        for issue in issues:
            self.add(issue)

    def soften(self, code: str) -> None:
        """Make warnings of the errors of this code."""
        self._issues = {
            replace(issue, level="warning") if issue.code == code else issue: None for issue in self._issues
        }

    @property
    def count(self) -> int:
        """How many issues were found so far."""
        return len(self._issues)

    @property
    def warnings(self) -> tuple[Issue, ...]:
        """The issues that do not refuse the build by themselves."""
        return tuple(issue for issue in self._issues if issue.level == "warning")

    @property
    def issues(self) -> tuple[Issue, ...]:
        """All of them."""
        return tuple(self._issues)

    @property
    def has_errors(self) -> bool:
        """Whether one of them is an error."""
        return any(issue.level == "error" for issue in self._issues)

    def raise_errors(self, *, strict: bool) -> None:
        """Refuse the build if there is an error; `strict` makes one of every warning.

        Raises:
            ModelArchiverError: with every issue found, the warnings too.
        """
        issues = [replace(issue, level="error") if strict else issue for issue in self._issues]
        if any(issue.level == "error" for issue in issues):
            raise refusal(issues)


def _close_by(path: Path) -> str:
    """Advice on a path that does not exist: what is there under nearly that name, or where it was looked for."""
    try:
        names = os.listdir(path.parent)  # noqa: PTH208 - one bad name must not cost the others
    except OSError:
        return f"there is no folder {path.parent}"
    otherwise = "check the path" if path.is_absolute() else "paths are taken relative to the working directory"
    return did_you_mean(str(path), [str(path.parent / name) for name in names], otherwise)
