"""Plans, reports and differences for programs, as JSON, and what a line says; `tables` has what takes more."""

from __future__ import annotations

import json
from pathlib import Path

from model_archiver.core.entries import is_reserved
from model_archiver.core.manifest import MANIFEST_PATH, SUMS_PATH, model_of
from model_archiver.core.problems import printable
from model_archiver.core.request import ArchiveFormat
from model_archiver.core.text import human_size
from model_archiver.planning.handler import packed_module, split_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import PurePosixPath
    from typing import Any

    from model_archiver.commands.diff import Difference
    from model_archiver.commands.extract import Extraction
    from model_archiver.core.plan import Plan
    from model_archiver.core.problems import Problem
    from model_archiver.core.report import ArchiveEntry, ArchiveReport


SCHEMA = 1
"""The version of the JSON's shape; it grows when a field changes its meaning or goes."""

_KINDS = {ArchiveFormat.TGZ: "tgz", ArchiveFormat.NO_ARCHIVE: "folder"}
_ROLES = {
    "serializedFile": "weights",
    "modelFile": "model file",
    "requirementsFile": "requirements",
    "configFile": "config",
}


def closing_line(report: ArchiveReport) -> str:
    """What was written, in a line."""
    if not report.files:
        return f"wrote {_as_seen(report.path / MANIFEST_PATH)}, and nothing else there"
    left_out = f", {report.excluded} left out" if report.excluded else ""
    place = _places(report.path, *report.sidecars)
    return f"wrote {place} ({_own_files(report.files)}, {human_size(report.size)}{left_out})"


def plan_table(plan: Plan) -> str:
    """What would be packed, a line a file."""
    rows = [
        (str(member.path), f"{member.source.size:,}", f"{member.flag} {member.source.path}") for member in plan.members
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    lines = [f"{path:<{widths[0]}}  {size:>{widths[1]}}  {source_path}" for path, size, source_path in rows]
    place = _places(plan.target.path, *(sidecar.path for sidecar in plan.sidecars))
    end = f"stays in {place}; only {MANIFEST_PATH} would be written there" if plan.target.in_place else None
    total = f"{_files(len(rows))}, {human_size(plan.size)}, {end or f'would go to {place}'}"
    return "\n".join(printable(line) for line in [*lines, total])


def extraction_line(done: Extraction) -> str:
    """What was unpacked, in a line."""
    archive = done.archive
    return f"unpacked to {_as_seen(done.folder)} ({_own_files(archive.files)}, {human_size(archive.unpacked_size)})"


def report_json(report: ArchiveReport) -> str:
    """A report as a JSON object."""
    return _json(
        archive=str(report.path),
        format=kind(report.archive_format),
        size=report.size,
        digest=report.digest,
        manifest=report.manifest,
        files=[_entry(entry, report.manifest) for entry in report.files],
        problems=[problem.as_dict() for problem in report.problems],
        **_sidecars(report.sidecars),
    )


def unread_json(path: str, problems: Iterable[Problem]) -> str:
    """An archive that cannot be read at all as a JSON object of the same shape."""
    return _json(
        archive=path,
        format=None,
        size=None,
        digest=None,
        manifest={},
        files=[],
        problems=[problem.as_dict() for problem in problems],
    )


def plan_json(plan: Plan, problems: Iterable[Problem]) -> str:
    """A plan as a JSON object of the same shape; what is known only once it is written is null."""
    return _json(
        archive=str(plan.target.path),
        format=kind(plan.archive_format),
        size=None,
        digest=None,
        manifest=plan.fields,
        files=[_file(member.path, member.source.size, plan.fields) for member in plan.members],
        problems=[problem.as_dict() for problem in problems],
        **_sidecars(sidecar.path for sidecar in plan.sidecars),
    )


def _places(*paths: Path) -> str:
    return " and ".join(str(_as_seen(path)) for path in paths)


def difference_json(difference: Difference) -> str:
    """A difference as a JSON object; an archive's side of a file is null where it lacks it."""
    one, other = difference.a, difference.b
    files = [
        {
            "path": str(change.path),
            "change": change.change,
            "a": change.a and _entry(change.a, one.manifest),
            "b": change.b and _entry(change.b, other.manifest),
        }
        for change in difference.files
    ]
    return _json(
        same=difference.same,
        a={"archive": str(one.path), "format": kind(one.archive_format), "size": one.size, "digest": one.digest},
        b={
            "archive": str(other.path),
            "format": kind(other.archive_format),
            "size": other.size,
            "digest": other.digest,
        },
        manifest=[change.as_dict() for change in difference.fields],
        files=files,
    )


def kind(archive_format: ArchiveFormat) -> str:
    """What an archive is, whatever was asked for: ``mar``, ``tgz`` or ``folder``."""
    return _KINDS.get(archive_format, "mar")


def _entry(entry: ArchiveEntry, manifest: dict[str, Any]) -> dict[str, Any]:
    return {**_file(entry.path, entry.size, manifest), "compressed_size": entry.compressed_size, "sha256": entry.sha256}


def _as_seen(path: Path) -> Path:
    """The path relative to the working directory, where it lies below it."""
    try:
        here = Path.cwd()
    except OSError:  # it is gone, and the archive is written all the same
        return path
    return path.relative_to(here) if path.is_relative_to(here) else path


def _own_files(entries: Iterable[ArchiveEntry]) -> str:
    """How many of them are the model's own; those of MAR-INF are not counted."""
    return _files(sum(not is_reserved(entry.path) for entry in entries))


def _files(count: int) -> str:
    """A number of files."""
    return "1 file" if count == 1 else f"{count} files"


def _sidecars(paths: Iterable[Path]) -> dict[str, list[str]]:
    """The field for what a platform wants beside the archive; none where it wants nothing."""
    told = [str(path) for path in paths]
    return {"companions": told} if told else {}


def _json(**fields: object) -> str:
    return json.dumps({"schema": SCHEMA, **fields}, indent=2, allow_nan=False)


def _file(path: PurePosixPath, size: int, manifest: dict[str, Any]) -> dict[str, Any]:
    return {"path": str(path), "size": size, "compressed_size": None, "sha256": None, "role": role(path, manifest)}


def role(path: PurePosixPath, manifest: dict[str, Any]) -> str:
    """What a file is for, by what the manifest says of it."""
    if str(path) in (MANIFEST_PATH, SUMS_PATH):
        return "manifest" if str(path) == MANIFEST_PATH else "sums"
    model = model_of(manifest)
    for field, name in _ROLES.items():
        if model.get(field) == str(path):
            return name
    module, _ = split_function(str(model.get("handler", "")))
    return "handler" if packed_module(module, [path]) else "extra"
