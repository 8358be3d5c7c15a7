"""An archive that was read, as the same nouns as one that was written."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Literal

from model_archiver.archive_format import ArchiveFormat
from model_archiver.issue import Issue
from model_archiver.manifest_components.manifest import MANIFEST_PATH
from model_archiver.reading.archive import AGAIN, Archive, Content
from model_archiver.reading.excerpts import KeptFile
from model_archiver.reading.manifest import manifest_problems, model_of, read_manifest
from model_archiver.report import ArchiveReport
from model_archiver.sums import SUMS_PATH, content_digest, read_sums


@dataclass(frozen=True)
class OpenedArchive:
    """What the checks of a plan look at, of an archive that exists.

    Attributes:
        fields: the manifest's.
        members: the files.
    """

    fields: dict[str, Any]
    members: tuple[KeptFile, ...]

    @property
    def name(self) -> str:
        """The model's name, as far as it has one."""
        return str(model_of(self.fields).get("modelName") or "")

    @property
    def server(self) -> Literal["torchserve", "mms"]:
        """Whose archive it is, as only Multi Model Server's tool writes this field."""
        return "mms" if "specificationVersion" in self.fields else "torchserve"


def report_of(archive: Archive, content: Content, issues: tuple[Issue, ...]) -> ArchiveReport:
    """What was read, and what is wrong with it; the manifest's own troubles come last."""
    text = content.texts.get(PurePosixPath(MANIFEST_PATH))
    fields, troubles = read_manifest(text) if content.is_complete or text is not None else ({}, [])
    is_known = bool(fields) and all(entry.sha256 for entry in content.entries)
    return ArchiveReport(
        path=archive.path,
        archive_format=archive.archive_format,
        size=archive.size,
        digest=content_digest(content.entries, fields) if is_known else None,
        manifest=fields,
        entries=tuple(content.entries),
        issues=tuple(issue if issue.path else replace(issue, path=str(archive.path)) for issue in (*issues, *troubles)),
    )


def as_files(report: ArchiveReport) -> ArchiveReport:
    """The archive as one wants it who is after its files: what only a server minds in its manifest is a warning."""
    minded = list(manifest_problems(report.manifest)) if report.manifest else []
    issues = (replace(issue, level="warning") if issue in minded else issue for issue in report.issues)
    return replace(report, issues=tuple(issues))


def with_recorded_sums(content: Content) -> Content | None:
    """The files with the sums that MAR-INF/SHA256SUMS says they have; None where it leaves one out."""
    sums = recorded_sums(content)
    if sums is None:
        return None
    known = {**sums, **{path: hashlib.sha256(text).hexdigest() for path, text in content.texts.items()}}
    entries = [replace(entry, sha256=known.get(entry.path)) for entry in content.entries]
    return Content(entries, content.texts) if all(entry.sha256 for entry in entries) else None


def recorded_sums(content: Content) -> dict[PurePosixPath, str] | None:
    """What MAR-INF/SHA256SUMS says; None where there is none."""
    text = content.texts.get(PurePosixPath(SUMS_PATH))
    return None if text is None else read_sums(text.decode("utf-8", "replace"))


def check_sums(content: Content, archive_format: ArchiveFormat) -> Iterator[Issue]:
    """Where the files are not those of MAR-INF/SHA256SUMS.

    A build may lay its files into a folder that holds others too, so that those are no error there.
    """
    sums = recorded_sums(content)
    if sums is None:
        return
    if len(sums) != sum(bool(line.strip()) for line in content.texts[PurePosixPath(SUMS_PATH)].split(b"\n")):
        yield Issue("error", "sums-differ", "holds lines that are no sums, or one twice", AGAIN, SUMS_PATH)
    found = {entry.path: entry.sha256 for entry in content.entries}
    for path, digest in sums.items():
        if path not in found:
            yield Issue("error", "sums-differ", "is in SHA256SUMS, and not in the archive", AGAIN, str(path))
        elif found[path] not in (digest, None):
            message = "has another content than SHA256SUMS says"
            yield Issue("error", "sums-differ", message, AGAIN, str(path))
    for path in found:
        if path not in sums and str(path) != SUMS_PATH:
            message = "is not in SHA256SUMS: it came in after the archive was made"
            is_folder = archive_format is ArchiveFormat.NO_ARCHIVE
            yield Issue("warning" if is_folder else "error", "sums-differ", message, AGAIN, str(path))
