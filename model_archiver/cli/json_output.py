"""Plans, reports and differences as JSON: one document for each command, whatever happens."""

from __future__ import annotations

import json
from binascii import b2a_base64
from contextlib import suppress

from model_archiver.core.manifest import MANIFEST_PATH, SUMS_PATH, is_sample, model_of
from model_archiver.planning.handler import packed_module, split_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import PurePosixPath
    from typing import Any

    from model_archiver.commands.diff import Difference
    from model_archiver.core.plan import Plan
    from model_archiver.core.problems import Problem
    from model_archiver.core.report import ArchiveEntry, ArchiveReport
    from model_archiver.trial.report import TrialAnswer, TrialReport

SCHEMA = 2
"""The version of the document's form. It grows when a field changes its meaning or is removed."""

_LAST_LINES = 20
_ROLES = {
    "serializedFile": "weights",
    "modelFile": "model file",
    "requirementsFile": "requirements",
    "configFile": "config",
}


def document(command: str, status: int, problems: Iterable[Problem], fields: Mapping[str, Any]) -> str:
    """Return the JSON document of a command (``package`` for packaging), with the fields of its report, if any."""
    head = {"schema": SCHEMA, "command": command, "status": status, "problems": problem_list(problems)}
    return json.dumps({**head, **fields}, indent=2, allow_nan=False)


def problem_list(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    """Return the fields of problems; an error that is not in the table has no code."""
    return [{**problem.as_dict(), "code": problem.code or None} for problem in problems]


def report_fields(report: ArchiveReport) -> dict[str, Any]:
    """Return the fields of an archive that was written or read."""
    return {
        **_archive(report),
        "manifest": report.manifest,
        "files": [_entry(entry, report.manifest) for entry in report.files],
        **given(sidecars=list(map(str, report.sidecars)), layout=report.layout, ignored=report.ignored),
        **({} if report.checksums_compared is None else {"checksums_compared": report.checksums_compared}),
    }


def plan_fields(plan: Plan) -> dict[str, Any]:
    """Return the same fields of a plan; what is known only once it is written is null."""
    return {
        "archive": str(plan.target.path),
        "format": plan.archive_format.kind,
        "size": None,
        "digest": None,
        "manifest": plan.fields,
        "files": [_file(path, size, plan.fields) for path, size, _ in plan.listing()],
        **given(sidecars=list(map(str, plan.sidecars))),
    }


def given(**fields: object) -> dict[str, object]:
    """Return the fields that have a value; without one, they are left out."""
    return {name: value for name, value in fields.items() if value}


def difference_fields(difference: Difference) -> dict[str, Any]:
    """Return the fields of a difference; a file that one archive lacks is null on its side."""
    a, b = difference.a, difference.b
    files = [
        {
            "path": str(change.path),
            "change": change.change,
            "a": change.a and _entry(change.a, a.manifest),
            "b": change.b and _entry(change.b, b.manifest),
        }
        for change in difference.files
    ]
    manifest = [change.as_dict() for change in difference.fields]
    return {"same": difference.same, "a": _archive(a), "b": _archive(b), "manifest": manifest, "files": files}


def shown_log(report: TrialReport, *, whole: bool) -> list[str] | None:
    """Return the lines of the worker's log: all if that was asked for, else the last of a failure; None without any."""
    lines = report.log.splitlines()
    return lines if whole else None if report.is_ok else lines[-_LAST_LINES:] or None


def trial_fields(report: TrialReport, log: Sequence[str] | None) -> dict[str, Any]:
    """Return the fields of a trial; the log is null where it is not shown."""
    trial = {
        **{name: getattr(report, name) for name in ("server", "python", "versions", "loads", "answers", "notes")},
        "seconds": {"load": report.seconds.get("load"), "answer": report.seconds.get("answer")},
        "results": [{**answer.as_dict(), "size": len(answer.body), **answer_body(answer)} for answer in report.results],
        "log": None if log is None else "\n".join(log),
    }
    archive = {"archive": str(report.archive.path), "digest": report.archive.digest}
    return {**archive, "trial": trial, **given(ignored=report.ignored)}


def answer_body(answer: TrialAnswer) -> dict[str, object]:
    """Return the body of an answer as JSON, and its form: ``json``, ``text`` or ``base64``."""
    try:
        text = answer.body.decode()
    except UnicodeDecodeError:
        return {"form": "base64", "body": b2a_base64(answer.body, newline=False).decode()}
    if answer.content_type.partition(";")[0].strip().lower() in ("", "application/json"):
        with suppress(ValueError, RecursionError):  # not JSON, or with a number that JSON lacks, such as NaN
            value = json.loads(text)
            json.dumps(value, indent=2, allow_nan=False)  # with an indent, it takes less depth
            return {"form": "json", "body": value}
    return {"form": "text", "body": text}


def role(path: PurePosixPath, manifest: Mapping[str, Any]) -> str:
    """Return what a file is for, as the manifest says."""
    if is_sample(path):
        return "samples"
    if str(path) in (MANIFEST_PATH, SUMS_PATH):
        return "manifest" if str(path) == MANIFEST_PATH else "sums"
    model = model_of(manifest)
    for field, name in _ROLES.items():
        if model.get(field) == str(path):
            return name
    module, _ = split_function(str(model.get("handler", "")))
    return "handler" if packed_module(module, [path]) else "extra"


def _archive(report: ArchiveReport) -> dict[str, Any]:
    format_name = report.archive_format.kind
    return {"archive": str(report.path), "format": format_name, "size": report.size, "digest": report.digest}


def _entry(entry: ArchiveEntry, manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {**_file(entry.path, entry.size, manifest), "compressed_size": entry.compressed_size, "sha256": entry.sha256}


def _file(path: PurePosixPath, size: int, manifest: Mapping[str, Any]) -> dict[str, Any]:
    return {"path": str(path), "size": size, "compressed_size": None, "sha256": None, "role": role(path, manifest)}
