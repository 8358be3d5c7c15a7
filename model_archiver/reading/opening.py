"""Opening an archive by what it is, and reporting what was read."""

from __future__ import annotations

import hashlib
import stat
from functools import cached_property
from pathlib import Path, PurePosixPath

from model_archiver.core.manifest import MANIFEST_PATH, MAR_INF, SUMS_PATH, model_of
from model_archiver.core.problems import FILE_MISSING, ModelArchiverError, Problem, ProblemList, error_of
from model_archiver.core.record import Record
from model_archiver.core.report import ArchiveReport
from model_archiver.core.request import ArchiveFormat
from model_archiver.core.running import no_progress
from model_archiver.core.sums import content_digest, read_sums
from model_archiver.planning.gathering import Exclusions, FolderWalk, regular_source, status_of
from model_archiver.reading.archive import AGAIN, Content, FoundMember, opened, system_errors_told
from model_archiver.reading.manifest import manifest_problems, read_manifest
from model_archiver.reading.zip_directory import looks_like_zip

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Literal

    from model_archiver.core.plan import FileSource
    from model_archiver.core.request import StrPath
    from model_archiver.core.running import Progress
    from model_archiver.reading.archive import Archive, Reading
    from model_archiver.reading.content import SampledFile


class FolderArchive:
    """A model's folder, links in it followed as servers do."""

    archive_format = ArchiveFormat.NO_ARCHIVE

    def __init__(self, path: Path) -> None:
        """Find out what is in it.

        Args:
            path: of the folder; where it holds one folder and nothing else, that one is meant.
        """
        self.path = path
        inside = list(path.iterdir())
        entered = inside[0] if len(inside) == 1 and inside[0].is_dir() and inside[0].name != MAR_INF else path
        self._problems = ProblemList()
        self._files = dict(FolderWalk("in the folder", _Everything(), self._problems).files(entered))

    @cached_property
    def size(self) -> int:
        """The bytes of its files."""
        return sum(source.size for source in self._files.values())

    def members(self, reading: Reading) -> Iterator[FoundMember]:
        """The files, sorted by their paths, and MAR-INF after the others."""
        reading.problems.extend(self._problems)
        for path, source in sorted(self._files.items(), key=lambda item: (item[0].parts[0] == MAR_INF, str(item[0]))):
            yield FoundMember(str(path), path, source.executable, _blocks(source, reading.progress), source.size)

    def read_index(self, reading: Reading) -> Content | None:  # noqa: ARG002 - the shape of every archive
        """Nothing: anyone edits a file in a folder, and leaves the recorded sums as they are."""
        return None


class _Everything(Exclusions):
    """Leaves nothing out: what lies in the folder is served."""

    def __init__(self) -> None:
        super().__init__((), ())

    def excludes_name(self, below: PurePosixPath, *, is_folder: bool) -> bool:  # noqa: ARG002 - the rules' own shape
        return False


def _blocks(source: FileSource, progress: Progress) -> Iterator[bytes]:
    with opened(source, progress) as file:
        yield from file.iter_range(0, file.size)


class OpenedArchive(Record):
    """What the checks of a plan look at, of an archive that exists.

    Attributes:
        fields: the manifest's.
        members: the files.
    """

    fields: dict[str, Any]
    members: tuple[SampledFile, ...]

    @property
    def name(self) -> str:
        """The model's name, as far as it has one."""
        return str(model_of(self.fields).get("modelName") or "")

    @property
    def server(self) -> Literal["torchserve", "mms"]:
        """Whose archive it is, as only Multi Model Server's tool writes this field."""
        return "mms" if "specificationVersion" in self.fields else "torchserve"


def report_of(archive: Archive, content: Content, problems: tuple[Problem, ...]) -> ArchiveReport:
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
        files=tuple(content.entries),
        problems=tuple(
            problem if problem.path else problem.replace(path=str(archive.path)) for problem in (*problems, *troubles)
        ),
    )


def with_server_errors_as_warnings(report: ArchiveReport) -> ArchiveReport:
    """The archive as one wants it who is after its files: what only a server minds in its manifest is a warning."""
    minded = list(manifest_problems(report.manifest)) if report.manifest else []
    problems = (problem.replace(level="warning") if problem in minded else problem for problem in report.problems)
    return report.replace(problems=tuple(problems))


def with_recorded_sums(content: Content) -> Content | None:
    """The files with the sums that MAR-INF/SHA256SUMS says they have; None where it leaves one out."""
    sums = recorded_sums(content)
    if sums is None:
        return None
    known = {**sums, **{path: hashlib.sha256(text).hexdigest() for path, text in content.texts.items()}}
    entries = [entry.replace(sha256=known.get(entry.path)) for entry in content.entries]
    return Content(entries, content.texts) if all(entry.sha256 for entry in entries) else None


def recorded_sums(content: Content) -> dict[PurePosixPath, str] | None:
    """What MAR-INF/SHA256SUMS says; None where there is none."""
    text = content.texts.get(PurePosixPath(SUMS_PATH))
    return None if text is None else read_sums(text.decode("utf-8", "replace"))


def check_sums(content: Content, archive_format: ArchiveFormat) -> Iterator[Problem]:
    """Where the files are not those of MAR-INF/SHA256SUMS.

    A build may lay its files into a folder that holds others too, so that those are no error there.
    """
    sums = recorded_sums(content)
    if sums is None:
        return
    if len(sums) != sum(bool(line.strip()) for line in content.texts[PurePosixPath(SUMS_PATH)].split(b"\n")):
        yield Problem("error", "sums-differ", "holds lines that are no sums, or one twice", AGAIN, SUMS_PATH)
    found = {entry.path: entry.sha256 for entry in content.entries}
    for path, digest in sums.items():
        if path not in found:
            yield Problem("error", "sums-differ", "is in SHA256SUMS, and not in the archive", AGAIN, str(path))
        elif found[path] not in (digest, None):
            message = "has another content than SHA256SUMS says"
            yield Problem("error", "sums-differ", message, AGAIN, str(path))
    for path in found:
        if path not in sums and str(path) != SUMS_PATH:
            message = "is not in SHA256SUMS: it came in after the archive was made"
            is_folder = archive_format is ArchiveFormat.NO_ARCHIVE
            yield Problem("warning" if is_folder else "error", "sums-differ", message, AGAIN, str(path))


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
        raise error_of(
            [Problem("error", FILE_MISSING, "no such file or folder", "check the path", str(path))]
        ) from None


def _open(path: Path) -> Archive:
    problems = ProblemList()
    status = status_of(path, _ARGUMENT, problems)
    if status is not None and stat.S_ISDIR(status.st_mode):
        from model_archiver.reading.opening import FolderArchive  # noqa: PLC0415 - each only where it is met

        return FolderArchive(path)
    source = None if status is None else regular_source(path, status, _ARGUMENT, problems)
    if source is None:
        raise error_of(tuple(problems))
    with opened(source, no_progress) as file:
        is_gzip = file.at(0, len(_GZIP)) == _GZIP
        if not is_gzip and not looks_like_zip(file):
            hint = "name a .mar, a .tar.gz or a model's folder"
            raise ModelArchiverError(problems=[Problem("error", "archive-unknown", "is no archive", hint, str(path))])
    if is_gzip:
        from model_archiver.reading.tgz import TgzArchive  # noqa: PLC0415

        return TgzArchive(source)
    from model_archiver.reading.mar import MarArchive  # noqa: PLC0415

    return MarArchive(source)
