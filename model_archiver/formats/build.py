"""From a plan to a finished archive, as a table of contents."""

from __future__ import annotations

import errno
from pathlib import Path, PurePosixPath

from model_archiver.archive_format import ArchiveFormat
from model_archiver.formats.companions import place_with_companions
from model_archiver.formats.kernel import sync_tree
from model_archiver.formats.placement import place_file, place_folder
from model_archiver.formats.space import check_space
from model_archiver.formats.temporary import TemporaryDirectory, is_temporary
from model_archiver.formats.workers import Workers
from model_archiver.formats.writer import ArchiveWriter
from model_archiver.interruption import interruption_waits, uninterrupted
from model_archiver.issue import Issue
from model_archiver.manifest_components.manifest import MANIFEST_PATH
from model_archiver.model_archiver_error import ModelArchiverError
from model_archiver.planning.plan import Plan
from model_archiver.progress import Progress
from model_archiver.report import ArchiveReport, Entry
from model_archiver.sums import SUMS_PATH, content_digest, sums_text


def build(plan: Plan, progress: Progress) -> ArchiveReport:
    """Write what a plan says.

    Args:
        plan: the plan.
        progress: is told of each stretch of source bytes that has been taken care of.

    Raises:
        ModelArchiverError: a source changed, the disk is full, or the target was made by somebody else meanwhile;
            the target is then as it was.
    """
    try:
        return _build_in_place(plan) if plan.target.in_place else _build_archive(plan, progress)
    except OSError as error:
        if isinstance(error, ModelArchiverError):
            raise
        raise ModelArchiverError(issues=[_told(error, plan)]) from error
    except RuntimeError as error:
        if "new thread" not in str(error):
            raise
        hint = "allow it more processes or memory"
        raise ModelArchiverError(
            issues=[Issue("error", "threads-refused", "no thread can be started", hint)]
        ) from error


def _build_archive(plan: Plan, progress: Progress) -> ArchiveReport:
    target = plan.target
    is_folder = plan.archive_format is ArchiveFormat.NO_ARCHIVE
    with uninterrupted() as interruptible, TemporaryDirectory(target.path, plan.name) as temporary:

        def progress_or_end(count: int) -> None:
            # The one moment at which a signal ends the work of threads: in the midst of the standard library's
            # own steps it would leave their locks behind, and the threads waiting for them for ever.
            progress(count)
            if interruption_waits():
                with interruptible():
                    pass

        with interruptible():
            check_space(plan, temporary.path)
        built = temporary.path / target.path.name
        with Workers(plan.jobs, progress_or_end) as workers, _writer(plan, built, workers) as writer:
            entries = _write_members(plan, writer)
        size = sum(entry.size for entry in entries) if is_folder else built.stat().st_size
        with interruptible():
            if is_folder:
                place_folder(built, target.path, temporary.set_aside, replace=target.replace)
        if not is_folder:
            place_with_companions(temporary, target, plan.companions, plan.name)
    return _report(plan, size, content_digest(entries, plan.fields), entries)


def _write_members(plan: Plan, writer: ArchiveWriter) -> list[Entry]:
    """The members, then their sums, and the manifest last: a server refuses an archive that was cut short before it."""
    entries = [writer.add(member.path, member.source) for member in plan.members]
    manifest = Entry.of_text(PurePosixPath(MANIFEST_PATH), plan.manifest)
    entries.append(writer.add_text(PurePosixPath(SUMS_PATH), sums_text([*entries, manifest])))
    entries.append(writer.add_text(manifest.path, plan.manifest))
    return entries


def _writer(plan: Plan, built: Path, workers: Workers) -> ArchiveWriter:
    """The writer of the plan's format; each is imported only where it is used."""
    if plan.archive_format is ArchiveFormat.NO_ARCHIVE:
        from model_archiver.formats.folder import FolderWriter  # noqa: PLC0415

        return FolderWriter(built, workers, link=plan.link)
    if plan.archive_format is ArchiveFormat.TGZ:
        from model_archiver.formats.tgz import TgzWriter  # noqa: PLC0415

        return TgzWriter(built, plan.top, workers)
    from model_archiver.formats.mar import MarWriter  # noqa: PLC0415

    return MarWriter(built, "never" if plan.archive_format is ArchiveFormat.ZIP_STORE else plan.deflate, workers)


def _build_in_place(plan: Plan) -> ArchiveReport:
    """Write the manifest into the model folder, whose files are the user's and stay as they are."""
    place = plan.target.path / MANIFEST_PATH
    with uninterrupted(), TemporaryDirectory(place, plan.name) as temporary:
        built = temporary.path / place.name
        built.write_text(plan.manifest, encoding="utf-8", newline="\n")
        sync_tree(temporary.path)
        place_file(built, place, replace=plan.target.replace)
    return _report(plan, plan.size, None, [])


def _report(plan: Plan, size: int, digest: str | None, entries: list[Entry]) -> ArchiveReport:
    return ArchiveReport(
        path=plan.target.path,
        archive_format=plan.archive_format,
        size=size,
        digest=digest,
        manifest=plan.fields,
        entries=tuple(entries),
        left_out=plan.left_out,
        companions=tuple(companion.path for companion in plan.companions),
    )


def _told(error: OSError, plan: Plan) -> Issue:
    """What the system said, as an issue."""
    named = [str(path) for path in (error.filename, error.filename2) if path and not is_temporary(Path(str(path)))]
    path = named[0] if named else str(plan.target.path)
    message = error.strerror or str(error)
    if error.errno == errno.ENOSPC:
        return Issue("error", "disk-full", message, "free some space, or choose another --export-path", path)
    return Issue("error", "write-failed", message, "nothing was written; check the path and its rights", path)
