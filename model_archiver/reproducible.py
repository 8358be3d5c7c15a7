"""What an archive says about a file besides its content: nothing of the machine, the user or the moment.

Two builds of the same content are the same bytes; so a digest of an archive means something, a cache finds it again,
and a reviewer can rebuild it. Time stamps, owners and modes would differ between any two checkouts.
"""

from __future__ import annotations

TIME = 315532800
"""1980-01-01 00:00:00 UTC, the first moment that a zip can name: every member's time, in seconds since 1970."""

DOS_TIME = 0
DOS_DATE = (1980 - 1980) << 9 | 1 << 5 | 1
"""The same moment as zip writes it."""


def mode(*, executable: bool) -> int:
    """The permissions of a member; of its source's, only the right to execute is kept."""
    return 0o755 if executable else 0o644
