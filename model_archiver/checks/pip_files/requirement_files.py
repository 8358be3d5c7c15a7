"""A requirements file, and those of the archive that it names, which pip reads in its place."""

from __future__ import annotations

import posixpath
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from model_archiver.checks.pip_files.requirement_lines import RefusedError, numbered, parse
from model_archiver.checks.wording import shortened
from model_archiver.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.archive import CheckedFile
    from model_archiver.checks.package import CheckContext
    from model_archiver.checks.pip_files.requirement_lines import Line

_LARGEST = 1 << 18
"""Bytes of a file that is judged."""

_MOST = 1 << 19
"""Bytes of all files together."""

_DEEPEST = 50


class RequirementFiles:
    """Judges each file once.

    Args:
        package: what they are a part of.
    """

    def __init__(self, package: CheckContext) -> None:
        self._package = package
        self._files = package.by_path
        self._folders = {folder for path in package.by_path for folder in path.parents}
        self._judged: set[PurePosixPath] = set()
        self._left = _MOST

    def judge(self, member: CheckedFile, within: tuple[PurePosixPath, ...] = ()) -> Iterator[Problem]:
        """What is wrong with a file and those that it names.

        Args:
            member: the file.
            within: the files by which it is named.
        """
        if member.path in self._judged or member.size > min(_LARGEST, self._left) or len(within) > _DEEPEST:
            return
        self._judged.add(member.path)
        self._left -= member.size
        try:
            lines = list(numbered(self._package.text(member) or b""))
        except UnicodeDecodeError:
            yield Problem(
                "warning", "requirements-invalid", "is no text in UTF-8", "save it as UTF-8", member.display_path
            )
            return
        for number, text in lines:
            try:
                yield from self._judge_line(parse(text), number, member, (*within, member.path))
            except RefusedError as error:
                message = f"pip refuses this line: {shortened(error.message, 160)}"
                yield Problem("warning", "requirements-invalid", message, error.hint, member.display_path, number)

    def _judge_line(
        self, line: Line, number: int, member: CheckedFile, within: tuple[PurePosixPath, ...]
    ) -> Iterator[Problem]:
        if line.file and not _is_elsewhere(line.file):
            path = _joined(member.path.parent, line.file)
            if path in within:
                raise RefusedError(
                    f"{line.option} {line.file} leads back to a file that names this one", "leave it out"
                )
            if path in self._files:
                yield from self.judge(self._files[path], within)
            else:
                yield _missing(f"{line.option} {line.file}", path, number, member)
        if line.project:
            # SageMaker runs pip where the file lies, TorchServe where the model does.
            paths = [_joined(folder, line.project) for folder in (PurePosixPath(), within[0].parent)]
            if not any(path in (self._folders if line.is_folder else self._files) for path in paths):
                yield _missing(line.project, paths[0], number, member)


def _is_elsewhere(name: str) -> bool:
    return ":" in name or "\\" in name or name.startswith(("/", "~"))


def _joined(folder: PurePosixPath, name: str) -> PurePosixPath:
    return PurePosixPath(posixpath.normpath(posixpath.join(str(folder), name)))


def _missing(what: str, path: PurePosixPath, number: int, member: CheckedFile) -> Problem:
    message = f"{shortened(what)} is not in the archive, where pip looks for it"
    hint = f"pack it as {shortened(str(path))}, with --include or --extra-files"
    if path.parts[:1] == ("..",):
        hint = "name something that can be packed below the model's folder"
    return Problem("warning", "requirements-local", message, hint, member.display_path, number)
