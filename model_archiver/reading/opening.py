"""Opening an archive of any format, reading its manifest as servers do, and turning what was read into a report."""

from __future__ import annotations

import shlex
import stat
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath

from model_archiver.core.manifest import DEPTH, MANIFEST_PATH, MAR_INF, SUMS_PATH, RuntimeType, model_of, parse_manifest
from model_archiver.core.plan import FileSource
from model_archiver.core.problems import Level, Problem, ProblemList, error, error_of
from model_archiver.core.record import Record
from model_archiver.core.report import ArchiveReport
from model_archiver.core.request import ArchiveFormat, Server, StrPath
from model_archiver.core.running import Progress, add_total, no_progress
from model_archiver.core.sums import content_digest, read_sums, sha256
from model_archiver.planning.gathering import FolderWalk, regular_source, status_of
from model_archiver.planning.handler import BUILT_IN, LSP_BUILT_IN, packed_module, split_function
from model_archiver.reading import archive as base
from model_archiver.reading.content import SampledFile, read_content
from model_archiver.reading.file_kind import HEAD, HINTS, describe, kind_of
from model_archiver.reading.zip_headers import find_end, kind_of_zip, read_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ARGUMENT = "the archive"
_SUFFIXES = (".mar", ".tar.gz", ".tgz", ".tar", ".zip", ".gz")
_ZIP_NAMES = (".mar", ".model")  # the second one is of Multi Model Server

# The fields of a manifest that servers take for strings: those of its model that name files, all of its model, others.
_FILE_FIELDS = ("serializedFile", "modelFile", "requirementsFile", "configFile")
_MODEL_FIELDS = ("modelName", "modelVersion", "handler", "envelope", "description", *_FILE_FIELDS)
_TOP_FIELDS = ("createdOn", "description", "archiverVersion")
_SCALAR = (str, int, float)  # a bool is an int; servers turn all of them into strings


def open_archive(given: StrPath, target: Path | None = None) -> base.Archive:
    """Return the .mar, .tar.gz or folder at a path, or raise an error; `target` is where a staged one will be."""
    path = Path(given)
    named, problems = target or path, ProblemList()
    with base.convert_os_errors(path):
        status = status_of(path, _ARGUMENT, problems)
        if status is not None and stat.S_ISDIR(status.st_mode):
            return FolderArchive(path)
        source = None if status is None else regular_source(path, status, _ARGUMENT, problems)
        if source is None:
            raise error_of(problems)
        with base.open_source(source, no_progress) as file:
            _check_kind(_archive_kind(file), named)
    # Each format is imported only where it is met.
    if named.name.endswith(_ZIP_NAMES):
        from model_archiver.reading.mar import MarArchive  # noqa: PLC0415

        return MarArchive(source)
    from model_archiver.reading.tgz import TgzArchive  # noqa: PLC0415

    return TgzArchive(source)


def _check_kind(kind: str, path: Path) -> None:
    """Raise ModelArchiverError if the server does not read a file of this kind under this name.

    TorchServe reads a file whose name ends in .mar as a zip, and any other file as a gzipped tar (ModelArchive.java).
    """
    is_mar = path.name.endswith(_ZIP_NAMES)
    if kind in (("archive", "zip") if is_mar else ("gzip",)):
        return
    end = next((end for end in _SUFFIXES if path.name.lower().endswith(end)), "")
    stem, name = str(path)[: len(str(path)) - len(end)], shlex.quote(str(path))
    tar = shlex.quote(f"{stem}.tar")
    hints = {
        **HINTS,
        "empty": base.FETCH_AGAIN,
        "archive": f"run mv {name} {shlex.quote(f'{stem}.mar')}",
        "gzip": f"run mv {name} {shlex.quote(f'{stem}.tar.gz')}",
        "tar": f"run gzip {tar}" if tar == name else f"run mv {name} {tar} && gzip {tar}",
        "workflow": "register it at /workflows, and give the .mar file of one of its models here",
        "unknown": "name a .mar file, a .tar.gz file or a model folder",
    }
    what = "not an archive" if kind == "unknown" else describe(kind)
    reads = f"TorchServe reads a file of this name as a {'zip' if is_mar else 'gzipped tar'} and rejects it"
    package = f"package it: torch-model-archiver --model-name NAME --serialized-file {name}"
    raise error("archive-unknown", f"this is {what}, but {reads}", hints.get(kind, package), path)


def _archive_kind(file: base.ArchiveFile) -> str:
    """Return the kind of a file; of a zip, "archive" if it may be one of a model."""
    kind = kind_of(file.read_at(0, HEAD), file.size)
    if kind == "zip" or (kind == "unknown" and find_end(file) is not None):
        names = read_names(file)
        inner = "unknown" if names is None else kind_of_zip(names)
        return "archive" if inner == "unknown" else inner
    return kind


class FolderArchive(base.Archive):
    """A model folder. Links in it are followed, as servers do."""

    archive_format = ArchiveFormat.NO_ARCHIVE

    def __init__(self, path: Path) -> None:
        """Find the files of a folder."""
        self.path = path
        self._problems = ProblemList()
        # By their paths in the archive.
        self.files = dict(FolderWalk("in the folder", None, self._problems).files(entered_folder(path)))
        self.size = sum(source.size for source in self.files.values())

    def members(self, context: base.ReadContext) -> Iterator[base.FoundMember]:
        """Yield the files, sorted by their paths, with MAR-INF last."""
        context.problems.extend(self._problems)
        for path, source in sorted(self.files.items(), key=lambda item: (item[0].parts[0] == MAR_INF, str(item[0]))):
            blocks = _file_blocks(source, context.progress)
            yield base.FoundMember(str(path), path, blocks, executable=source.executable, compressed_size=source.size)


def entered_folder(path: Path) -> Path:
    """Return the folder that has the files of a model folder; if it holds just one folder, that one, as servers do."""
    inside = list(path.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() and inside[0].name != MAR_INF else path


def _file_blocks(source: FileSource, progress: Progress) -> Iterator[bytes]:
    with base.open_source(source, progress) as file:
        yield from file.iter_range(0, file.size)


class OpenedArchive(Record):
    """An archive that was read, as the checks see it: a `CheckedArchive`."""

    fields: dict[str, Any]  # of the manifest
    members: tuple[SampledFile, ...]

    @property
    def name(self) -> str:
        """Return the model's name, or an empty string if it has none."""
        return str(model_of(self.fields).get("modelName") or "")

    @property
    def server(self) -> Server:
        """Return the server that the archive is for: only Multi Model Server's archiver writes this field."""
        return "mms" if "specificationVersion" in self.fields else "torchserve"


def report_of(archive: base.Archive, content: base.Content, problems: Iterable[Problem]) -> ArchiveReport:
    """Return the report on an archive: what was read and what is wrong with it, the manifest's own problems last."""
    text = content.metadata.get(PurePosixPath(MANIFEST_PATH))
    fields, in_manifest = _read_manifest(text) if content.is_complete or text is not None else ({}, [])
    module, _ = split_function(str(model_of(fields).get("handler") or ""))
    at_root = [entry.path for entry in content.entries if len(entry.path.parts) == 1]
    if archive.layout and packed_module(module, at_root):  # SageMaker looks for a handler in ``code/``
        fields, in_manifest = _read_manifest(None)
    is_known = bool(fields) and all(entry.sha256 for entry in content.entries)
    return ArchiveReport(
        path=archive.path,
        archive_format=archive.archive_format,
        size=archive.size,
        digest=content_digest(content.entries, fields) if is_known else None,
        manifest=fields,
        files=tuple(content.entries),
        problems=tuple(each.replace(path=each.path or str(archive.path)) for each in (*problems, *in_manifest)),
        layout=archive.layout,
    )


def read_files(
    given: StrPath, max_size: int | None, progress: Progress, *, times: int = 1
) -> tuple[base.Archive, base.Content, ArchiveReport]:
    """Read an archive for its files: an error in the manifest that matters only to servers becomes a warning.

    `times` is how often the caller reads it in all.
    """
    archive = open_archive(given)
    add_total(progress, times * archive.size)
    context = base.ReadContext(archive, max_size, progress)
    content = read_content(archive, context)
    report = report_of(archive, content, context.problems)
    minor = list(manifest_problems(report.manifest)) if report.manifest else []
    problems = (problem.replace(level="warning") if problem in minor else problem for problem in report.problems)
    return archive, content, report.replace(problems=tuple(problems))


def add_recorded_sums(content: base.Content) -> bool:
    """Add the sums that MAR-INF/SHA256SUMS records to the entries, and return whether every entry has one then."""
    known = dict(filter(None, read_sums(content.metadata.get(PurePosixPath(SUMS_PATH), b""))))
    known.update((path, sha256(text)) for path, text in content.metadata.items())
    content.entries = [entry.replace(sha256=known.get(entry.path)) for entry in content.entries]
    return all(entry.sha256 for entry in content.entries)


def check_sums(content: base.Content, archive_format: ArchiveFormat) -> Iterator[Problem]:
    """Yield where the files differ from MAR-INF/SHA256SUMS.

    A build may write its files into a folder that has others too. So in a folder these are only warnings.
    """
    text = content.metadata.get(PurePosixPath(SUMS_PATH))
    if text is None:
        return
    found = {entry.path: entry.sha256 for entry in content.entries}
    unlisted = dict.fromkeys(found)
    is_invalid = False
    for line in read_sums(text):
        path, digest = line or (None, "")
        if path is None or (path in found and path not in unlisted):
            is_invalid = True
        elif path not in found:
            message = "is in SHA256SUMS but not in the archive"
            yield Problem("error", "sums-differ", message, base.FETCH_AGAIN, str(path))
        else:
            del unlisted[path]
            if found[path] not in (digest, None):
                yield Problem("error", "sums-differ", "checksum mismatch with SHA256SUMS", base.FETCH_AGAIN, str(path))
    if is_invalid:
        yield Problem("error", "sums-differ", "has invalid or repeated lines", base.FETCH_AGAIN, SUMS_PATH)
        return  # a file whose line cannot be read was not added later
    for path in unlisted:
        if str(path) != SUMS_PATH:
            message = "is not in SHA256SUMS, so it was added after packaging"
            level: Level = "warning" if archive_format is ArchiveFormat.NO_ARCHIVE else "error"
            yield Problem(level, "sums-differ", message, f"remove it, or {base.REPACK}", str(path))


def _read_manifest(text: bytes | None) -> tuple[dict[str, Any], list[Problem]]:
    """Return the fields of a manifest, empty if it cannot be read, and its problems; `text` is None without one."""
    if text is None:
        hint = f"{base.REPACK} (in a .tar.gz, with everything below one top folder)"
        return {}, [_manifest_error("manifest-missing", "is not where the server looks for it", hint)]
    fields = parse_manifest(text)
    if fields is None:
        message = f"must be a JSON object in UTF-8 without a byte order mark, at most {DEPTH} levels deep"
        message += ", without numbers beyond 1e308"
        return {}, [_manifest_error("manifest-invalid", message)]
    return fields, list(manifest_problems(fields))


def manifest_problems(fields: dict[str, Any]) -> Iterator[Problem]:
    """Yield what servers reject in a manifest that can be read."""
    model = model_of(fields)
    if model.get("modelName") in (None, ""):
        yield _manifest_error("manifest-invalid", "model.modelName is missing or empty")
    runtime = fields.get("runtime", RuntimeType.PYTHON.value)
    if runtime not in [known.value for known in RuntimeType]:
        message, hint = f"no server knows the runtime {runtime!r}", "use python, python3 or LSP"
        yield _manifest_error("runtime-unserved", message, hint)
    values = {field: fields.get(field) for field in _TOP_FIELDS}
    values.update((f"model.{field}", model.get(field)) for field in _MODEL_FIELDS)
    for field, value in values.items():
        if value is not None and not isinstance(value, _SCALAR):
            yield _manifest_error("manifest-invalid", f"{field} must be a string")
    if "specificationVersion" in fields:  # only Multi Model Server's archiver writes it
        if not isinstance(fields.get("engine", {}), (dict, type(None))):
            yield _manifest_error("manifest-invalid", "engine must be an object")
        if not model.get("handler"):
            yield _manifest_error("manifest-invalid", "model.handler is missing, which Multi Model Server requires")


def missing_files(manifest: dict[str, Any], paths: Collection[PurePosixPath]) -> Iterator[Problem]:
    """Yield an error, or a warning, for each file that the manifest names and that is not among the paths."""
    model = model_of(manifest)
    for field in _FILE_FIELDS:
        name = model.get(field)
        if isinstance(name, str) and name and PurePosixPath(name) not in paths:
            yield _manifest_error("manifest-file-missing", f"model.{field} names {name}, which is not in the archive")
    handler = model.get("handler")
    if not isinstance(handler, str) or not handler or handler in BUILT_IN or handler in LSP_BUILT_IN:
        return
    module, _ = split_function(handler)
    # Servers drop the folders of the name. The checks report a file that is not found because of that.
    if packed_module(module, paths) or packed_module(Path(module).name, paths):
        return
    if "." in module.removesuffix(".py") and "/" not in module:
        message = f"the handler {handler} is not in the archive"
        yield Problem("warning", "handler-outside", message, "install it on the server", MANIFEST_PATH)
    else:
        yield _manifest_error("handler-missing", f"the handler {handler} is neither in the archive nor built in")


def _manifest_error(code: str, message: str, hint: str = base.REPACK) -> Problem:
    return Problem("error", code, message, hint, MANIFEST_PATH)
