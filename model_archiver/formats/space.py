"""Whether a build fits on the disk, asked before it starts."""

from __future__ import annotations

from pathlib import Path

from model_archiver.archive_format import ArchiveFormat
from model_archiver.formats.copying import SMALL
from model_archiver.formats.deflate import is_worth_it, sampled_share
from model_archiver.formats.kernel import shares_blocks
from model_archiver.issue import Issue
from model_archiver.model_archiver_error import ModelArchiverError
from model_archiver.planning.plan import Plan
from model_archiver.planning.source import FileSource
from model_archiver.sizes import human_size

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
        raise ModelArchiverError(issues=[Issue("error", "disk-full", message, hint, str(plan.target.path.parent))])


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
