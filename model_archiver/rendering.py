"""Plans and reports as text: tables and lines for people, JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from model_archiver.archive_format import ArchiveFormat
from model_archiver.issue import Issue, printable
from model_archiver.manifest_components.manifest import MANIFEST_PATH
from model_archiver.planning.handler import packed_module, split_function
from model_archiver.planning.plan import Plan
from model_archiver.report import ArchiveReport
from model_archiver.sizes import human_size
from model_archiver.sums import SUMS_PATH

SCHEMA = 1
"""The version of the JSON's shape; it grows when a field changes its meaning or goes."""

_ROLES = {
    "serializedFile": "weights",
    "modelFile": "model file",
    "requirementsFile": "requirements",
    "configFile": "config",
}


def closing_line(report: ArchiveReport) -> str:
    """What was written, in a line."""
    files = f"{len(report.entries)} files, {human_size(report.size)}" if report.entries else "manifest only, in place"
    left_out = f", {report.left_out} left out" if report.left_out else ""
    return f"wrote {report.path} ({files}{left_out})"


def plan_table(plan: Plan) -> str:
    """What would be packed, a line a file."""
    rows = [
        (str(member.path), f"{member.source.size:,}", f"{member.flag} {member.source.path}") for member in plan.members
    ]
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(2)]
    lines = [f"{path:<{widths[0]}}  {size:>{widths[1]}}  {origin}" for path, size, origin in rows]
    total = f"{len(rows)} files, {human_size(plan.size)}, would go to {plan.target.path}"
    return "\n".join(printable(line) for line in [*lines, total])


def report_json(report: ArchiveReport) -> str:
    """A report as a JSON object."""
    files = [
        {
            "path": str(entry.path),
            "size": entry.size,
            "packed": entry.packed,
            "sha256": entry.sha256,
            "role": _role(entry.path, report.manifest),
        }
        for entry in report.entries
    ]
    return _json(report.path, report.archive_format, report.size, report.digest, report.manifest, files, report.issues)


def plan_json(plan: Plan, issues: Iterable[Issue]) -> str:
    """A plan as a JSON object of the same shape; what is known only once it is written is null."""
    files = [
        {
            "path": str(member.path),
            "size": member.source.size,
            "packed": None,
            "sha256": None,
            "role": _role(member.path, plan.fields),
        }
        for member in plan.members
    ]
    return _json(plan.target.path, plan.archive_format, None, None, plan.fields, files, issues)


def _json(
    path: Path,
    archive_format: ArchiveFormat,
    size: int | None,
    digest: str | None,
    manifest: dict[str, Any],
    files: list[dict[str, Any]],
    issues: Iterable[Issue],
) -> str:
    kinds = {ArchiveFormat.TGZ: "tgz", ArchiveFormat.NO_ARCHIVE: "folder"}
    document = {
        "schema": SCHEMA,
        "archive": str(path),
        "format": kinds.get(archive_format, "mar"),
        "size": size,
        "digest": digest,
        "manifest": manifest,
        "files": files,
        "issues": [asdict(issue) for issue in issues],
    }
    return json.dumps(document, indent=2)


def _role(path: PurePosixPath, manifest: dict[str, Any]) -> str:
    """What a file is for, by what the manifest says of it."""
    if str(path) in (MANIFEST_PATH, SUMS_PATH):
        return "manifest" if str(path) == MANIFEST_PATH else "sums"
    model = manifest.get("model", {})
    for field, role in _ROLES.items():
        if model.get(field) == str(path):
            return role
    module, _ = split_function(str(model.get("handler", "")))
    return "handler" if packed_module(module, [path]) else "extra"
