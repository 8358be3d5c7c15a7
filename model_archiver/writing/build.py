"""From a plan to a finished archive, as a table of contents."""

from __future__ import annotations

import errno
from pathlib import Path, PurePosixPath

from model_archiver.core.manifest import MANIFEST_PATH, SUMS_PATH
from model_archiver.core.problems import ModelArchiverError, Problem
from model_archiver.core.report import ArchiveEntry, ArchiveReport
from model_archiver.core.request import ArchiveFormat
from model_archiver.core.running import block_signals, signal_pending
from model_archiver.core.sums import content_digest, sums_text
from model_archiver.core.text import human_size
from model_archiver.writing.copying import SMALL
from model_archiver.writing.deflate import Workers, is_worth_it, sampled_share
from model_archiver.writing.os_calls import shares_blocks, sync_tree
from model_archiver.writing.publish import publish_file, publish_folder, publish_with_sidecars
from model_archiver.writing.staging import StagingDirectory, is_staging

TYPE_CHECKING = False
if TYPE_CHECKING:
    from model_archiver.core.plan import FileSource, Plan
    from model_archiver.core.running import Progress
    from model_archiver.writing.destination import ArchiveWriter

_LARGE = 1 << 26
"""From this size on, in bytes, it is worth asking."""


def check_space(plan: Plan, folder: Path) -> None:
    """Refuse a large build that the disk has no room for.

    Args:
        plan: the build.
        folder: the temporary directory, on the disk of the target.

    Raises:
        ModelArchiverError: it says how much is needed and how much there is.
    """
    if plan.size < _LARGE:
        return
    import shutil  # noqa: PLC0415 - small builds do without it

    free = shutil.disk_usage(folder).free
    if plan.size <= free:
        return
    needed = _needed_for_folder(plan, folder) if plan.archive_format is ArchiveFormat.NO_ARCHIVE else _needed(plan)
    if needed > free:
        message = f"{human_size(needed)} are needed and {human_size(free)} are free"
        hint = "free some, or choose another --export-path"
        raise ModelArchiverError(problems=[Problem("error", "disk-full", message, hint, str(plan.target.path.parent))])


def _needed_for_folder(plan: Plan, folder: Path) -> int:
    """The bytes of the copies; none where the sources' own are shared, by links or by the file system."""
    largest = max(plan.members, key=lambda member: member.source.size)
    shared = plan.link or shares_blocks(largest.source.path, folder / "probe")
    return 0 if shared else plan.size


def _needed(plan: Plan) -> int:
    """About how many bytes the archive will have; what is deflated is judged on a sample of it."""
    always = plan.archive_format is ArchiveFormat.TGZ or plan.deflate == "always"
    if not always and (plan.archive_format is ArchiveFormat.ZIP_STORE or plan.deflate == "never"):
        return plan.size
    return sum(_packed_size(member.source, always=always) for member in plan.members)


def _packed_size(source: FileSource, *, always: bool) -> int:
    if source.size <= SMALL:
        return source.size
    share = sampled_share(source)
    return round(source.size * share) if always or is_worth_it(share) else source.size


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
        raise ModelArchiverError(problems=[_told(error, plan)]) from error
    except RuntimeError as error:
        if "new thread" not in str(error):
            raise
        hint = "allow it more processes or memory"
        raise ModelArchiverError(
            problems=[Problem("error", "threads-refused", "no thread can be started", hint)]
        ) from error


def _build_archive(plan: Plan, progress: Progress) -> ArchiveReport:
    target = plan.target
    is_folder = plan.archive_format is ArchiveFormat.NO_ARCHIVE
    with block_signals() as unblocked, StagingDirectory(target.path, plan.name) as staging:

        def progress_or_end(count: int) -> None:
            # The one moment at which a signal ends the work of threads: in the midst of the standard library's
            # own steps it would leave their locks behind, and the threads waiting for them for ever.
            progress(count)
            if signal_pending():
                with unblocked():
                    pass

        with unblocked():
            check_space(plan, staging.path)
        built = staging.path / target.path.name
        with Workers(plan.jobs, progress_or_end) as workers, _writer(plan, built, workers) as writer:
            entries = _write_members(plan, writer)
        size = sum(entry.size for entry in entries) if is_folder else built.stat().st_size
        with unblocked():
            if is_folder:
                publish_folder(built, target.path, staging.set_aside, replace=target.force)
        if not is_folder:
            publish_with_sidecars(staging, target, plan.sidecars, plan.name)
    return _report(plan, size, content_digest(entries, plan.fields), entries)


def _write_members(plan: Plan, writer: ArchiveWriter) -> list[ArchiveEntry]:
    """The members, then their sums, and the manifest last: a server refuses an archive that was cut short before it."""
    entries = [writer.add(member.path, member.source) for member in plan.members]
    manifest = ArchiveEntry.of_text(PurePosixPath(MANIFEST_PATH), plan.manifest)
    entries.append(writer.add_text(PurePosixPath(SUMS_PATH), sums_text([*entries, manifest])))
    entries.append(writer.add_text(manifest.path, plan.manifest))
    return entries


def _writer(plan: Plan, built: Path, workers: Workers) -> ArchiveWriter:
    """The writer of the plan's format; each is imported only where it is used."""
    if plan.archive_format is ArchiveFormat.NO_ARCHIVE:
        from model_archiver.writing.folder import FolderWriter  # noqa: PLC0415

        return FolderWriter(built, workers, link=plan.link)
    if plan.archive_format is ArchiveFormat.TGZ:
        from model_archiver.writing.tgz import TgzWriter  # noqa: PLC0415

        return TgzWriter(built, plan.top, workers)
    from model_archiver.writing.mar import MarWriter  # noqa: PLC0415

    return MarWriter(built, "never" if plan.archive_format is ArchiveFormat.ZIP_STORE else plan.deflate, workers)


def _build_in_place(plan: Plan) -> ArchiveReport:
    """Write the manifest into the model folder, whose files are the user's and stay as they are."""
    place = plan.target.path / MANIFEST_PATH
    with block_signals(), StagingDirectory(place, plan.name) as staging:
        built = staging.path / place.name
        built.write_text(plan.manifest, encoding="utf-8", newline="\n")
        sync_tree(staging.path)
        publish_file(built, place, replace=plan.target.force)
    return _report(plan, plan.size, None, [])


def _report(plan: Plan, size: int, digest: str | None, entries: list[ArchiveEntry]) -> ArchiveReport:
    return ArchiveReport(
        path=plan.target.path,
        archive_format=plan.archive_format,
        size=size,
        digest=digest,
        manifest=plan.fields,
        files=tuple(entries),
        excluded=plan.excluded,
        sidecars=tuple(sidecar.path for sidecar in plan.sidecars),
    )


def _told(error: OSError, plan: Plan) -> Problem:
    """What the system said, as an issue."""
    named = [str(path) for path in (error.filename, error.filename2) if path and not is_staging(Path(str(path)))]
    path = named[0] if named else str(plan.target.path)
    message = error.strerror or str(error)
    if error.errno == errno.ENOSPC:
        return Problem("error", "disk-full", message, "free some space, or choose another --export-path", path)
    return Problem("error", "write-failed", message, "nothing was written; check the path and its rights", path)
