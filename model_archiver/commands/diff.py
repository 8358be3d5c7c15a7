"""``diff``: what differs between two archives, whatever their formats."""

from __future__ import annotations

import json

from model_archiver.core.manifest import MAR_INF, is_sample, model_of
from model_archiver.core.problems import raise_errors
from model_archiver.core.record import Record
from model_archiver.core.running import no_progress
from model_archiver.core.sums import FIELDS_OF_THE_BUILD
from model_archiver.reading.opening import read_files

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import PurePosixPath
    from typing import Any, Literal

    from model_archiver.core.report import ArchiveEntry, ArchiveReport
    from model_archiver.core.request import StrPath
    from model_archiver.core.running import Progress

    Files = dict[PurePosixPath, ArchiveEntry]


class FieldChange(Record):
    """A field of the manifest that differs.

    Attributes:
        field: the name of the field; that of a field of the model is ``model.modelName``.
        a: its value in the first archive, or None if it is absent.
        b: its value in the second archive, or None if it is absent.
    """

    field: str
    a: Any
    b: Any


class FileChange(Record):
    """A file that differs.

    Attributes:
        path: the path in the archive.
        change: what happened to it from the first archive to the second.
        a: the file in the first archive, or None if it is absent.
        b: the file in the second archive, or None if it is absent.
    """

    path: PurePosixPath
    change: Literal["added", "removed", "changed"]
    a: ArchiveEntry | None
    b: ArchiveEntry | None


class Difference(Record):
    """What differs between two archives.

    Attributes:
        a: the report on the first archive.
        b: the report on the second archive.
        fields: the fields of the manifest, without those that say when and by which version it was built.
        files: the files of the model, and its samples, sorted by path.
    """

    a: ArchiveReport
    b: ArchiveReport
    fields: tuple[FieldChange, ...]
    files: tuple[FileChange, ...]

    @property
    def same(self) -> bool:
        """Return whether the contents are identical."""
        return not self.fields and not self.files


def diff(a: StrPath, b: StrPath, *, max_size: int | None = None, progress: Progress = no_progress) -> Difference:
    """Compare two archives by their manifests and the content of their files, all of which is read.

    Args:
        a: a ``.mar``, a ``.tar.gz`` or a model folder.
        b: another one, of any format.
        max_size: how much each may unpack to, in bytes; None means 1 GiB or 100 times its size.
        progress: is called with the size of each block that was read.

    Raises:
        ModelArchiverError: one of them is not an archive, or is damaged.
    """
    return compare(*(_read(archive, max_size, progress) for archive in (a, b)))


def compare(a: ArchiveReport, b: ArchiveReport) -> Difference:
    """Return what differs between two archives that were read."""
    fields = _field_changes(_flatten(a.manifest), _flatten(b.manifest))
    files = _file_changes(_files(a), _files(b))
    return Difference(a, b, tuple(fields), tuple(files))


def _read(archive: StrPath, max_size: int | None, progress: Progress) -> ArchiveReport:
    _, _, report = read_files(archive, max_size, progress)
    raise_errors(report.problems)
    return report


def _files(report: ArchiveReport) -> Files:
    """Return the model's files and the samples by path."""
    return {entry.path: entry for entry in report.files if entry.path.parts[0] != MAR_INF or is_sample(entry.path)}


def _flatten(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the fields to compare by name, with those of the model one by one."""
    model = model_of(manifest)
    own = {name: value for name, value in manifest.items() if name not in FIELDS_OF_THE_BUILD and value is not model}
    return own | {f"model.{name}": value for name, value in model.items()}


def _field_changes(a: dict[str, Any], b: dict[str, Any]) -> Iterator[FieldChange]:
    for name in sorted({*a, *b}):
        one, other = a.get(name), b.get(name)
        if json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True) or (name in a) != (name in b):
            yield FieldChange(name, one, other)


def _file_changes(a: Files, b: Files) -> Iterator[FileChange]:
    for path in sorted({*a, *b}, key=str):
        one, other = a.get(path), b.get(path)
        if one is None or other is None:
            yield FileChange(path, "added" if one is None else "removed", one, other)
        elif one.sha256 != other.sha256:
            yield FileChange(path, "changed", one, other)
