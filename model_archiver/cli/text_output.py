"""What was found in archives as text for people: fitted to the terminal, or plain and whole where it is piped."""

from __future__ import annotations

import textwrap

from model_archiver.cli.json_output import kind, role
from model_archiver.core.manifest import model_of
from model_archiver.core.problems import printable
from model_archiver.core.record import Record
from model_archiver.core.text import human_size

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from model_archiver.commands.diff import Difference, FileChange
    from model_archiver.core.report import ArchiveReport


_BOLD, _RED, _GREEN, _YELLOW = "1", "31", "32", "33"
_SIGNS = {"added": ("+", _GREEN), "removed": ("-", _RED), "changed": ("~", _YELLOW)}
_NARROWEST = 12


class TextStyle(Record):
    """How text is to look.

    Attributes:
        width: the columns that it is fitted to; None leaves it as long as it is.
        is_coloured: whether there are colours.
    """

    width: int | None = None
    is_coloured: bool = False

    def colorize(self, text: str, colour: str) -> str:
        """The text in a colour, as the terminal's code for it."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self.is_coloured and text else text

    def truncate(self, text: str, taken: int = 0) -> str:
        """The text on one line, its middle left out where it would not fit beside so many columns."""
        shown = printable(text)
        room = max(self.width - taken, _NARROWEST) if self.width else len(shown)
        if len(shown) <= room:
            return shown
        half = (room - 3) // 2
        return f"{shown[: room - 3 - half]}...{shown[-half:]}"

    def wrapped(self, text: str) -> str:
        """The text on as many lines as it takes, those behind the first indented."""
        if not self.width:
            return text
        return textwrap.fill(text, self.width, subsequent_indent="  ", break_on_hyphens=False)


def archive_table(report: ArchiveReport, style: TextStyle) -> str:
    """What an archive is, and its files."""
    lines = [f"{label:<8} {style.truncate(value, 9)}" for label, value in _facts(report)]
    rows = [
        (
            str(entry.path),
            f"{entry.size:,}",
            "-" if entry.compressed_size is None else f"{entry.compressed_size:,}",
            role(entry.path, report.manifest),
        )
        for entry in report.files
    ]
    heading, *files = _columns([("path", "bytes", "packed", "role"), *rows], style)
    return "\n".join([*lines, "", style.colorize(heading, _BOLD), *files])


def verdict(report: ArchiveReport, style: TextStyle, *, is_quiet: bool = False) -> str:
    """Everything that is wrong with an archive and, where that is not to be quiet, whether it would serve."""
    colours = {"error": _RED, "warning": _YELLOW}
    lines = []
    for problem in report.problems:
        text = style.wrapped(f"{problem.level}: {problem}")
        lines.append(style.colorize(problem.level, colours[problem.level]) + text.removeprefix(problem.level))
    return "\n".join(lines if is_quiet else [*lines, _closing_line(report, style)])


def _closing_line(report: ArchiveReport, style: TextStyle) -> str:
    """Whether an archive would serve."""
    errors = sum(problem.level == "error" for problem in report.problems)
    warnings = len(report.problems) - errors
    counted = ", ".join(_counted(count, what) for count, what in ((errors, "error"), (warnings, "warning")) if count)
    name = style.truncate(str(report.path), 40)
    if errors:
        return f"{name}: {style.colorize('refused', _RED)}, {counted}"
    facts = f"{_counted(len(report.files), 'file')}, {human_size(report.unpacked_size)} read"
    return f"{name}: {style.colorize('sound', _GREEN)}, {', '.join(filter(None, (facts, counted)))}"


def difference_table(difference: Difference, style: TextStyle) -> str:
    """What differs between two archives."""
    lines = [
        style.truncate(f"~ {change.field}: {_told(change.a)} -> {_told(change.b)}") for change in difference.fields
    ]
    signs = [_SIGNS[change.change] for change in difference.files]
    rows = [(str(change.path), _sizes(change)) for change in difference.files]
    for (sign, colour), line in zip(signs, _columns(rows, style, taken=2), strict=True):
        lines.append(f"{style.colorize(sign, colour)} {line}")
    relation = "hold the same" if difference.same else "differ"
    names = [style.truncate(str(archive.path), 50) for archive in (difference.a, difference.b)]
    return "\n".join([*lines, f"{names[0]} and {names[1]} {relation}"])


def _facts(report: ArchiveReport) -> list[tuple[str, str]]:
    """What is known of an archive, each with its label."""
    model = model_of(report.manifest)
    facts = {
        "name": model.get("modelName"),
        "version": model.get("modelVersion"),
        "handler": model.get("handler"),
        "runtime": report.manifest.get("runtime"),
        "created": report.manifest.get("createdOn"),
        "archiver": report.manifest.get("archiverVersion"),
        "format": kind(report.archive_format),
        "size": f"{human_size(report.size)}, unpacked {human_size(report.unpacked_size)}",
        "digest": report.digest,
    }
    return [(label, "-" if value is None else str(value)) for label, value in facts.items()]


def _columns(rows: Sequence[tuple[str, ...]], style: TextStyle, taken: int = 0) -> list[str]:
    """Rows in columns: a path, which gives way where there is no room, numbers to the right, and a last text.

    Args:
        rows: the texts.
        style: how it is to look.
        taken: how many columns stand before each line.
    """
    last = len(rows[0]) - 1 if rows else 0
    widths = [max(len(row[column]) for row in rows) for column in range(1, last + 1)]
    paths = [style.truncate(row[0], taken + sum(widths) + 2 * last) for row in rows]
    width = max(map(len, paths), default=0)
    lines = []
    for path, row in zip(paths, rows, strict=True):
        numbers = [f"{cell:>{wide}}" for cell, wide in zip(row[1:last], widths, strict=False)]
        lines.append("  ".join([f"{path:<{width}}", *numbers, row[last]]))
    return lines


def _sizes(change: FileChange) -> str:
    sizes = [f"{entry.size:,}" for entry in (change.a, change.b) if entry is not None]
    return " -> ".join(sizes)


def _told(value: object) -> str:
    return "-" if value is None else str(value)


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
