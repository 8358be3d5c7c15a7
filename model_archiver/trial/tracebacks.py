"""The exceptions in the log of a worker, and which of them is the cause of a failure."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import takewhile

from model_archiver.core.record import Record

# How Python writes an exception, and what ends its text.
_START = "Traceback (most recent call last):"
_FRAME = re.compile(r'\s+File "(.+)", line (\d+)(?:, in (.+))?$')
_EXCEPTION = re.compile(r"([A-Za-z_][\w.]*)(?:: (.*))?$")
_ENDS = re.compile(
    r"Traceback \(most recent|Backend worker process died|Frontend disconnected|During handling of the above"
    r"|The above exception was|\[INFO\]|\[WARN|\[ERROR|\d{4}-\d\d-\d\d[T ]"
)
_LONGEST_TEXT = 200  # lines of an exception's text
# What the worker raises because of another exception that it logged before.
_WRAPPERS = ("500 - Unknown exception", "507 - System out of memory")


class Frame(Record):
    """A line of a traceback."""

    file: str
    line: int
    function: str  # empty for the place of a syntax error


class LoggedException(Record):
    """An exception with its traceback."""

    frames: tuple[Frame, ...]  # from the outermost to the innermost
    kind: str  # the class, with its module if it is not built in
    text: str  # what it says; may have several lines

    @property
    def absent_module(self) -> str | None:
        """Return the module whose import failed because there is none, or None."""
        match = re.match(r"No module named '([^']+)'", self.text)
        return match[1] if match else None

    @property
    def is_from_import(self) -> bool:
        """Return whether it was raised while the worker imported the handler."""
        functions = [frame.function for frame in self.frames]
        return "import_module" in functions and "initialize" not in functions

    def place(self, root: str, files: Collection[str]) -> tuple[str, int] | None:
        """Return the innermost line that is in a file of the archive, which is unpacked in a folder."""
        for frame in reversed(self.frames):
            path = frame.file.removeprefix(f"{root}/").replace("\\", "/")
            if path in files:
                return path, frame.line
        return None


def find_cause(log: str, handler_module: str) -> LoggedException | None:
    """Return the exception for which something failed, the last one of a log, without those that hide it.

    The log is what the worker wrote since it was asked for what failed; the module is named as the worker imports it.
    """
    # After a failed import of the handler, TorchServe looks for it among its own handlers.
    parts = handler_module.split(".")
    modules = [".".join(parts[:number]) for number in range(1, len(parts) + 1)]
    hiding: list[str | None] = [*(f"ts.torch_handler.{module}" for module in modules), *modules]
    ranks = {module: rank for rank, module in enumerate(hiding)}
    found = [each for each in _exceptions(log) if each.kind != "RuntimeError" or each.text not in _WRAPPERS]
    return max(reversed(found), key=lambda each: ranks.get(each.absent_module, len(ranks)), default=None)


def _exceptions(log: str) -> Iterator[LoggedException]:
    """Yield the exceptions of a log, in its order."""
    lines = log.splitlines()
    for start in [number for number, line in enumerate(lines) if line.strip() == _START]:
        frames = []
        number, margin = start + 1, len(lines[start]) - len(lines[start].lstrip())
        while number < len(lines) and (not lines[number][margin:].strip() or lines[number][margin:].startswith(" ")):
            if match := _FRAME.match(lines[number]):
                frames.append(Frame(match[1], int(match[2]), match[3] or ""))
            number += 1
        found = _EXCEPTION.match(lines[number][margin:]) if number < len(lines) else None
        if found and frames:
            rest = lines[number + 1 : number + _LONGEST_TEXT]
            text = [found[2] or "", *takewhile(lambda line: not _ENDS.match(line.strip()), rest)]
            yield LoggedException(tuple(frames), found[1], "\n".join(text).strip())
