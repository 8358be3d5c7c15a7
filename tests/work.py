"""Counts the work of a command, so that tests need not measure seconds, which depend on the machine.

Run as a program, this runs ``torch-model-archiver`` with the words that follow, and writes the counts to `COUNTS`.
"""

from __future__ import annotations

import json
import sys
import zlib
from pathlib import Path

COUNTS = Path("counts.json")
"""Where the program writes the counts, in its working directory."""


class Inflater:
    """A decompressor that counts what it unpacks."""

    unpacked = 0  # bytes, by all of them so far
    start = staticmethod(zlib.decompressobj)

    def __init__(self, *words: int, **options: int) -> None:
        self._inflater = self.start(*words, **options)

    def __getattr__(self, name: str):
        return getattr(self._inflater, name)

    def decompress(self, *words: object, **options: int) -> bytes:
        block = self._inflater.decompress(*words, **options)
        Inflater.unpacked += len(block)
        return block


def read_bytes() -> int:
    """Return how many bytes this process has read from files; 0 where the system does not count them."""
    try:
        return int(Path("/proc/self/io").read_text().split()[1])
    except OSError:
        return 0


def main() -> int:
    from model_archiver.cli import main as command  # noqa: PLC0415 - imports are not the command's work

    zlib.decompressobj = Inflater
    before = read_bytes()
    status = command(sys.argv[1:])
    COUNTS.write_text(json.dumps({"unpacked": Inflater.unpacked, "read": read_bytes() - before}))
    return status


if __name__ == "__main__":
    sys.exit(main())
