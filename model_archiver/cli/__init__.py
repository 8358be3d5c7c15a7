"""The commands ``torch-model-archiver`` and ``model-archiver``: parsing, printing and the exit status."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``torch-model-archiver``.

    Args:
        argv: the arguments after the command's name; None means those of the process.

    Returns:
        The exit status: 0 done, 1 rejected or failed, 2 invalid usage, 130 interrupted.
    """
    from model_archiver.cli.main import run  # noqa: PLC0415 - so that little is imported before signals are handled
    from model_archiver.cli.parser import torch_parser  # noqa: PLC0415

    return run(torch_parser(), argv)


def mms_main(argv: Sequence[str] | None = None) -> int:
    """Run ``model-archiver``, as `main` does."""
    from model_archiver.cli.main import run  # noqa: PLC0415
    from model_archiver.cli.parser import mms_parser  # noqa: PLC0415

    return run(mms_parser(), argv)
