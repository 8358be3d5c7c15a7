"""The commands ``torch-model-archiver`` and ``model-archiver``: parsing, printing and the exit status."""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``torch-model-archiver`` with some arguments, or those of the process.

    Return the exit status: 0 done, 1 rejected or failed, 2 invalid usage, 130 interrupted.
    """
    return _run("torch-model-archiver", argv)


def mms_main(argv: Sequence[str] | None = None) -> int:
    """Run ``model-archiver``, as `main` does."""
    return _run("model-archiver", argv)


def _run(program: str, argv: Sequence[str] | None) -> int:
    # Without argv, this is probably a process of its own: short, with few cycles. Collecting garbage takes a tenth.
    pauses_collector = argv is None and gc.isenabled()
    if pauses_collector:
        gc.disable()
    try:
        from model_archiver.cli.parser import mms_parser, torch_parser  # noqa: PLC0415 - as little as possible before
        from model_archiver.cli.run import run_command  # noqa: PLC0415

        return run_command(mms_parser() if program == "model-archiver" else torch_parser(), argv)
    except (ImportError, OSError) as failure:  # a module that cannot be read, or a library that is not installed
        print(f"{program}: error: {failure}; install this tool again", file=sys.stderr)  # noqa: T201 - without imports
        return 1
    finally:
        if pauses_collector:
            gc.freeze()  # so that the interpreter does not look through all of this once more, neither now nor at exit
            gc.enable()
