"""Whether a build fits on the disk, asked before it starts."""

from __future__ import annotations

import shutil
from pathlib import Path

from model_archiver.archive_format import ArchiveFormat
from model_archiver.formats.copying import SMALL
from model_archiver.formats.deflate import sampled_share
from model_archiver.issue import Issue
from model_archiver.model_archiver_error import ModelArchiverError
from model_archiver.planning.plan import Plan
from model_archiver.sizes import human_size

_LARGE = 1 << 26
"""From this size on, in bytes, it is worth asking."""


def check_space(plan: Plan, folder: Path) -> None:
    """Refuse a large build that the disk has no room for.

    Raises:
        ModelArchiverError: it says how much is needed and how much there is.
    """
    free = shutil.disk_usage(folder).free
    if plan.size < _LARGE or plan.size <= free:
        return
    needed = _needed(plan)
    if needed > free:
        message = f"{human_size(needed)} are needed and {human_size(free)} are free"
        hint = "free some, or choose another --export-path"
        raise ModelArchiverError(issues=[Issue("error", "disk-full", message, hint, str(folder))])


def _needed(plan: Plan) -> int:
    """About how many bytes the archive will have; what is deflated is judged on a sample of it."""
    if plan.archive_format is ArchiveFormat.NO_ARCHIVE and plan.link:
        return 0
    if plan.archive_format in (ArchiveFormat.NO_ARCHIVE, ArchiveFormat.ZIP_STORE) or plan.deflate == "never":
        return plan.size
    return sum(
        member.source.size if member.source.size <= SMALL else round(member.source.size * sampled_share(member.source))
        for member in plan.members
    )
