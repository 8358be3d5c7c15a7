"""Which format an archive has, by what it is and not by what it is called."""

from __future__ import annotations

import stat
from pathlib import Path

from model_archiver.issue import FILE_MISSING, Issue
from model_archiver.model_archiver_config import StrPath
from model_archiver.model_archiver_error import ModelArchiverError, refusal
from model_archiver.planning.findings import Findings
from model_archiver.planning.folders import regular_source, status_of
from model_archiver.progress import silent
from model_archiver.reading.archive import Archive
from model_archiver.reading.archive_file import opened, system_errors_told
from model_archiver.reading.zip_directory import looks_like_zip

_GZIP = b"\x1f\x8b"
_ARGUMENT = "the archive"


def open_archive(given: StrPath) -> Archive:
    """The archive at a path: a ``.mar``, a ``.tar.gz`` or a folder.

    Raises:
        ModelArchiverError: there is none that can be read; a FileNotFoundError too where there is nothing.
    """
    path = Path(given)
    try:
        with system_errors_told(path):
            return _open(path)
    except ValueError:  # a NUL in a name that came from Python code
        raise refusal([Issue("error", FILE_MISSING, "no such file or folder", "check the path", str(path))]) from None


def _open(path: Path) -> Archive:
    findings = Findings()
    status = status_of(path, _ARGUMENT, findings)
    if status is not None and stat.S_ISDIR(status.st_mode):
        from model_archiver.reading.folder import FolderArchive  # noqa: PLC0415 - each only where it is met

        return FolderArchive(path)
    source = None if status is None else regular_source(path, status, _ARGUMENT, findings)
    if source is None:
        raise refusal(findings.issues)
    with opened(source, silent) as file:
        is_gzip = file.at(0, len(_GZIP)) == _GZIP
        if not is_gzip and not looks_like_zip(file):
            hint = "name a .mar, a .tar.gz or a model's folder"
            raise ModelArchiverError(issues=[Issue("error", "archive-unknown", "is no archive", hint, str(path))])
    if is_gzip:
        from model_archiver.reading.tgz import TgzArchive  # noqa: PLC0415

        return TgzArchive(source)
    from model_archiver.reading.mar import MarArchive  # noqa: PLC0415

    return MarArchive(source)
