"""``diff``: what differs between two archives, whatever their formats."""

from __future__ import annotations

import json

from model_archiver.commands.inspect import inspected
from model_archiver.core.manifest import MAR_INF
from model_archiver.core.problems import error_of
from model_archiver.core.record import Record
from model_archiver.core.running import no_progress
from model_archiver.core.sums import FIELDS_OF_THE_BUILD
from model_archiver.reading.opening import with_server_errors_as_warnings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import PurePosixPath
    from typing import Any, Literal

    from model_archiver.core.report import ArchiveEntry, ArchiveReport
    from model_archiver.core.request import StrPath
    from model_archiver.core.running import Progress


class FieldChange(Record):
    """A field of the manifest that differs.

    Attributes:
        field: its name, those of the model as ``model.modelName``.
        a: its value in the first archive, None where there is none.
        b: its value in the second one.
    """

    field: str
    a: Any
    b: Any


class FileChange(Record):
    """A file that differs.

    Attributes:
        path: where it lies in the archive.
        change: what happened on the way from the first archive to the second.
        a: the file in the first archive, None where there is none.
        b: the file in the second one.
    """

    path: PurePosixPath
    change: Literal["added", "removed", "changed"]
    a: ArchiveEntry | None
    b: ArchiveEntry | None


class Difference(Record):
    """What differs between two archives.

    Attributes:
        a: the first one.
        b: the second one.
        fields: what differs in the manifest; when and by what version it was packed does not count.
        files: what differs outside of MAR-INF, sorted by path.
    """

    a: ArchiveReport
    b: ArchiveReport
    fields: tuple[FieldChange, ...]
    files: tuple[FileChange, ...]

    @property
    def same(self) -> bool:
        """Whether both hold the same."""
        return not self.fields and not self.files


def diff(a: StrPath, b: StrPath, *, max_size: int | None = None, progress: Progress = no_progress) -> Difference:
    """Compare two archives by their manifests and the sums of their files; nothing is unpacked where these are known.

    Args:
        a: a ``.mar``, a ``.tar.gz`` or a model's folder.
        b: another one, of any format.
        max_size: how much each may unpack to, in bytes; None stands for 1 GiB or 100 times its size.
        progress: is told of each stretch of them.

    Raises:
        ModelArchiverError: one of them is no archive, or is damaged.
    """
    one, other = (_inspected(archive, max_size, progress) for archive in (a, b))
    if not _sums_hold(_outside(one), _outside(other)):
        one, other = (
            _inspected(report.path, max_size, progress, trusts_sums=False) if _trusts_sums(report) else report
            for report in (one, other)
        )
    fields = _field_changes(_flat(one.manifest), _flat(other.manifest))
    files = _file_changes(_outside(one), _outside(other))
    return Difference(one, other, tuple(fields), tuple(files))


def _inspected(
    archive: StrPath, max_size: int | None, progress: Progress, *, trusts_sums: bool = True
) -> ArchiveReport:
    report = with_server_errors_as_warnings(inspected(archive, max_size, progress, trusts_sums=trusts_sums))
    if not report.is_ok:
        raise error_of(report.problems)
    return report


def _trusts_sums(report: ArchiveReport) -> bool:
    """Whether its sums are those that it carries."""
    return any(entry.crc32 is not None for entry in report.files)


def _sums_hold(one: dict[PurePosixPath, ArchiveEntry], other: dict[PurePosixPath, ArchiveEntry]) -> bool:
    """Whether files have equal sums where, and only where, the zips say equal sizes and CRC-32s of them."""
    pairs = [(one[path], other[path]) for path in one.keys() & other.keys()]
    return all(
        None not in (a.crc32, b.crc32) and (a.sha256 == b.sha256) == ((a.size, a.crc32) == (b.size, b.crc32))
        for a, b in pairs
    )


def _flat(manifest: dict[str, Any]) -> dict[str, Any]:
    """The fields that count, by their names; those of the model one by one."""
    flat = {}
    for name, value in manifest.items():
        if name == "model" and isinstance(value, dict):
            flat.update({f"model.{inner}": field for inner, field in value.items()})
        elif name not in FIELDS_OF_THE_BUILD:
            flat[name] = value
    return flat


def _field_changes(one: dict[str, Any], other: dict[str, Any]) -> Iterator[FieldChange]:
    for name in sorted({*one, *other}):
        a, b = one.get(name), other.get(name)
        if json.dumps(a, sort_keys=True) != json.dumps(b, sort_keys=True) or (name in one) != (name in other):
            yield FieldChange(name, a, b)


def _outside(report: ArchiveReport) -> dict[PurePosixPath, ArchiveEntry]:
    return {entry.path: entry for entry in report.files if entry.path.parts[0] != MAR_INF}


def _file_changes(
    one: dict[PurePosixPath, ArchiveEntry], other: dict[PurePosixPath, ArchiveEntry]
) -> Iterator[FileChange]:
    for path in sorted({*one, *other}, key=str):
        a, b = one.get(path), other.get(path)
        if a is None or b is None:
            yield FileChange(path, "added" if a is None else "removed", a, b)
        elif a.sha256 != b.sha256:
            yield FileChange(path, "changed", a, b)
