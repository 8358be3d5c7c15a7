"""From a plan to a finished archive, as a table of contents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import PurePosixPath

from model_archiver.core.manifest import MANIFEST_PATH, SAMPLES_PATH, SUMS_PATH
from model_archiver.core.plan import Plan
from model_archiver.core.problems import error
from model_archiver.core.report import ArchiveEntry, ArchiveReport
from model_archiver.core.running import Progress, block_signals, completed, signal_pending
from model_archiver.core.sums import content_digest, sha256, sum_lines
from model_archiver.core.text import human_size
from model_archiver.writing.deflate import Workers
from model_archiver.writing.destination import Destination, publish_file, sidecars_placed
from model_archiver.writing.os_calls import convert_write_errors, sync_tree
from model_archiver.writing.staging import StagingDirectory

_LARGE = 1 << 26  # from this size on, in bytes, a build checks the free space first


def build(plan: Plan, progress: Progress, test: Callable[..., object] | None = None) -> ArchiveReport:
    """Write what a plan describes, and return what was written; if it raises an error, the target is as it was before.

    `progress` is called with the source bytes just read. `test` is called with the report, the finished archive and
    `progress`, before the archive is moved to its target; a build in place passes `progress` only.
    """
    try:
        with convert_write_errors(plan.target.path, "choose another --export-path"):
            return (_build_in_place if plan.target.in_place else _build_archive)(plan, progress, test)
    except RuntimeError as failure:
        if "new thread" not in str(failure):
            raise
        hint = "allow it more processes or memory"
        raise error("threads-refused", "the system did not let the process start a thread", hint) from failure


def _build_archive(plan: Plan, progress: Progress, test: Callable[..., object] | None) -> ArchiveReport:
    with block_signals() as unblocked, StagingDirectory(plan.target.path, plan.name) as staging:

        def progress_or_end(count: int) -> None:
            # A signal ends a build with threads only here: inside a function of the standard library it would leave
            # that function's locks held, and threads would wait for them forever.
            progress(count)
            if signal_pending():
                with unblocked():
                    pass

        with Workers(plan.jobs, progress_or_end) as workers, closing(_create(plan, staging, workers)) as archive:
            with unblocked():
                _check_space(plan, staging, archive)
            entries = _write_contents(plan, archive)
            archive.finish()
        report = plan_report(plan, archive.size, content_digest(entries, plan.fields), entries)
        with unblocked():  # a signal that came meanwhile ends the build here
            if test:
                test(report, staging.new, progress)
        with sidecars_placed(plan, unblocked) as undo:
            archive.publish(unblocked, undo)
        completed[:] = [plan.target.path]
    return report


def _create(plan: Plan, staging: StagingDirectory, workers: Workers) -> Destination:
    module = plan.archive_format.kind
    name = f"{module.capitalize()}Destination"
    # Imported only when it is built, and without importlib, whose import takes longer than that of the module.
    destination: type[Destination] = getattr(__import__(f"model_archiver.writing.{module}", fromlist=[name]), name)
    return destination(plan, staging, workers)


def _check_space(plan: Plan, staging: StagingDirectory, archive: Destination) -> None:
    """Refuse a large build if the disk has no room for it."""
    if plan.size < _LARGE:
        return
    import shutil  # noqa: PLC0415 - small builds do not need it

    free = shutil.disk_usage(staging.path).free
    if plan.size > free and (needed := archive.needed_space()) > free:
        message = f"{human_size(needed)} are needed, but only {human_size(free)} are free"
        hint = "free some space, or choose another --export-path"
        raise error("disk-full", message, hint, plan.target.path.parent)


def _write_contents(plan: Plan, archive: Destination) -> list[ArchiveEntry]:
    """Write the members, their checksums, and the manifest last: without it, servers reject a truncated archive."""
    entries = [archive.add(member.path, member.source) for member in plan.members]
    if plan.cases:
        entries.append(archive.add_bytes(PurePosixPath(SAMPLES_PATH), plan.cases))
    entries += [archive.add(member.path, member.source) for member in plan.samples]
    text = plan.manifest.encode()
    manifest = ArchiveEntry(PurePosixPath(MANIFEST_PATH), len(text), len(text), sha256(text))
    entries.append(archive.add_bytes(PurePosixPath(SUMS_PATH), b"".join(sum_lines([*entries, manifest]))))
    return [*entries, archive.add_bytes(manifest.path, text)]


def _build_in_place(plan: Plan, progress: Progress, test: Callable[..., object] | None) -> ArchiveReport:
    """Write the manifest into the model folder, whose files are the user's and stay as they are."""
    path = plan.target.path / MANIFEST_PATH
    progress(plan.size)  # all files are where they belong
    if test:
        test(progress=progress)
    staging = StagingDirectory(path, plan.name)
    with block_signals() as unblocked, staging:
        with sidecars_placed(plan, unblocked) as undo:
            staging.new.write_text(plan.manifest, encoding="utf-8", newline="\n")
            sync_tree(staging.path)
            publish_file(plan, staging, undo)
        completed[:] = [path]
    return plan_report(plan, plan.size, None, [])


def plan_report(plan: Plan, size: int, digest: str | None, entries: Sequence[ArchiveEntry]) -> ArchiveReport:
    """Return the report on what a plan describes, with its entries as far as they are known."""
    return ArchiveReport(
        *(plan.target.path, plan.archive_format, size, digest, plan.fields, tuple(entries)),
        excluded=plan.excluded,
        sidecars=plan.sidecars,
        layout=None if plan.top else "sagemaker",
    )
