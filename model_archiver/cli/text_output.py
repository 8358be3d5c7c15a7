"""Plans, reports and differences as text for people: truncated on a terminal, complete where it is piped."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from model_archiver.cli.flags import terminal_columns
from model_archiver.core.entries import is_reserved
from model_archiver.core.manifest import MANIFEST_PATH, SUMS_PATH, is_sample, model_of
from model_archiver.core.problems import Problem, as_seen, printable
from model_archiver.core.record import Record
from model_archiver.core.text import counted, human_size, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Any, TextIO

    from model_archiver.commands.diff import Difference, FileChange
    from model_archiver.commands.extract import Extraction
    from model_archiver.core.plan import Plan
    from model_archiver.core.report import ArchiveEntry, ArchiveReport
    from model_archiver.trial.report import TrialAnswer, TrialReport

BOLD, RED, GREEN, YELLOW = "1", "31", "32", "33"
_SIGNS = {"added": ("+", GREEN), "removed": ("-", RED), "changed": ("~", YELLOW)}
_NARROWEST = 12
_SHOWN_BODY = 60
_SERVERS = {"torchserve": "TorchServe", "mms": "Multi Model Server"}


class TextStyle(Record):
    """How text is shown."""

    width: int | None = None  # the columns of the terminal; None means that nothing is truncated
    has_colors: bool = False

    def colorize(self, text: str, color: str) -> str:
        """Return the text with the terminal's codes for a color."""
        return f"\x1b[{color}m{text}\x1b[0m" if self.has_colors and text else text

    def truncate(self, text: str, reserved: int = 0) -> str:
        """Return the text on one line, without its middle where it does not fit beside the `reserved` columns."""
        shown = printable(text)
        room = max(self.width - reserved, _NARROWEST) if self.width else len(shown)
        if len(shown) <= room:
            return shown
        half = (room - 3) // 2
        return f"{shown[: room - 3 - half]}...{shown[-half:]}"


def terminal_style(stream: TextIO | None) -> TextStyle:
    """Return the style of a stream: of the terminal's width and in color, or plain where it is not a terminal."""
    if stream is None or not stream.isatty():
        return TextStyle()
    has_colors = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return TextStyle(terminal_columns(), has_colors)


def written_line(report: ArchiveReport) -> str:
    """Return a line that says what was written."""
    requirements = model_of(report.manifest).get("requirementsFile")
    end = "; TorchServe installs the requirements only with install_py_dep_per_model=true"
    if not requirements or report.sidecars or requirements == "code/requirements.txt":
        end = ""  # KServe and SageMaker install them
    if not report.files:
        paths = _paths(report.path / MANIFEST_PATH, *report.sidecars)
        return f"wrote {paths}; the folder's other files are unchanged{end}"
    excluded = f", {report.excluded} excluded" if report.excluded else ""
    paths = _paths(report.path, *report.sidecars)
    return f"wrote {paths} ({_model_files(report.files)}, {human_size(report.size)}{excluded}){end}"


def extracted_line(done: Extraction) -> str:
    """Return a line that says what was unpacked."""
    size = human_size(done.archive.unpacked_size)
    return f"unpacked to {as_seen(done.folder)} ({_model_files(done.archive.files)}, {size})"


def plan_table(plan: Plan) -> str:
    """Return what would be packed, a line for each file."""
    rows = [(str(path), f"{size:,}", source) for path, size, source in plan.listing()]
    lines = _columns(rows, TextStyle())
    end = f"would be written to {_paths(plan.target.path, *plan.sidecars)}"
    if plan.target.in_place:
        end = f"would stay in {as_seen(plan.target.path)}, where only {MANIFEST_PATH} would be written"
        end += "".join(f"; {as_seen(path)} would be written too" for path in plan.sidecars)
    total = f"{counted(len(plan.members), 'file')}, {human_size(sum(member.size for member in plan.members))}"
    lines.append(f"{total}, {end}")
    return "\n".join(map(printable, lines))


def archive_table(report: ArchiveReport, style: TextStyle) -> str:
    """Return what an archive is, and its files."""
    from model_archiver.cli.json_output import role  # noqa: PLC0415 - not needed for packaging

    lines = [f"{label:<8} {style.truncate(value, 9)}" for label, value in _facts(report)]
    rows = [("path", "bytes", "compressed", "role")]
    for entry in report.files:
        compressed = "-" if entry.compressed_size is None else f"{entry.compressed_size:,}"
        rows.append((str(entry.path), f"{entry.size:,}", compressed, role(entry.path, report.manifest)))
    heading, *files = _columns(rows, style)
    return "\n".join([*lines, "", style.colorize(heading, BOLD), *files])


def verdict(report: ArchiveReport, style: TextStyle) -> str:
    """Return a line that says whether an archive is OK."""
    if not report.is_ok:
        return rejection(str(report.path), report.problems, style)
    warnings = [counted(len(report.problems), "warning")] if report.problems else []
    facts = [counted(len(report.files), "file"), f"{human_size(report.unpacked_size)} read"]
    compared, total = report.checksums_compared, sum(str(entry.path) != SUMS_PATH for entry in report.files)
    match = "checksums match" if compared == total else f"checksums of {compared} of {counted(total, 'file')} match"
    facts.append(match if compared else "no checksums to compare")
    layout = "; for SageMaker: TorchServe itself needs one top folder" if report.layout else ""
    name = style.truncate(str(report.path), 40)
    return f"{name}: {style.colorize('OK', GREEN)}, {', '.join(facts + warnings)}{layout}"


def rejection(name: str, problems: Sequence[Problem], style: TextStyle) -> str:
    """Return the verdict on an archive that has errors, or that could not be read."""
    errors = sum(problem.level == "error" for problem in problems)
    warnings = f", {counted(len(problems) - errors, 'warning')}" if len(problems) > errors else ""
    return f"{style.truncate(name, 40)}: {style.colorize('rejected', RED)}, {counted(errors, 'error')}{warnings}"


def explanation(code: str, entry: Mapping[str, Any]) -> str:
    """Return what the table of codes says of one."""
    import textwrap  # noqa: PLC0415 - for this command only

    level = {"both": "error or warning"}.get(entry["level"], entry["level"])
    cases = [f"{level.capitalize()}: {case}" for level, case in entry.get("when", {}).items()]
    texts = [entry["meaning"], *cases, entry["explanation"], f"What to do: {entry['fix']}"]
    files = [f"{name}:\n{textwrap.indent(text, '  ')}" for name, text in entry["example"].get("files", {}).items()]
    example = textwrap.indent("\n".join([*files, entry["example"]["run"]]), "  ")
    wrapped = [textwrap.fill(text, 80, break_long_words=False, break_on_hyphens=False) for text in texts]
    return "\n\n".join([f"{code} ({level})", *wrapped, f"Example:\n\n{example}"])


def code_list(table: Mapping[str, Any]) -> str:
    """Return all codes, each with what it means."""
    return "\n".join(f"{code:<{max(map(len, table))}}  {entry['meaning']}" for code, entry in table.items())


def difference_table(difference: Difference, style: TextStyle) -> str:
    """Return what differs between two archives."""
    changes = [f"~ {change.field}: {_or_dash(change.a)} -> {_or_dash(change.b)}" for change in difference.fields]
    lines = [style.truncate(change) for change in changes]
    signs = [_SIGNS[change.change] for change in difference.files]
    rows = [(str(change.path), _sizes(change)) for change in difference.files]
    for (sign, color), line in zip(signs, _columns(rows, style, reserved=2), strict=True):
        lines.append(f"{style.colorize(sign, color)} {line}")
    relation = "have identical contents" if difference.same else "differ"
    if difference.files and not difference.fields and all(is_sample(change.path) for change in difference.files):
        relation = "have the same model, and differ only in their samples"
    names = [style.truncate(str(archive.path), 50) for archive in (difference.a, difference.b)]
    return "\n".join([*lines, f"{names[0]} and {names[1]} {relation}"])


def trial_verdict(report: TrialReport, style: TextStyle) -> str:
    """Return what was tried, and what came of it: a line for each answer, and for both verdicts."""
    name = style.truncate(str(as_seen(report.archive.path)), 30)
    if report.server is None:
        return f"{name}: {style.colorize('not tried', RED)}"
    versions = dict(report.versions)
    server = f"{_SERVERS[report.server]} {versions.get('server', '')}".rstrip()
    others = [f"{name} {versions[key]}" for key, name in (("torch", "torch"), ("python", "Python")) if key in versions]
    lines = [f"{name}: tried with {server}, {', '.join(others)} ({printable(str(as_seen(Path(report.python))))})"]
    lines.append(f"loads: {_outcome(report.loads, report.seconds.get('load'), style)}")
    lines += [_answer_line(answer, style) for answer in report.results]
    answers = "not asked" if report.answers is None else _outcome(report.answers, report.seconds.get("answer"), style)
    return "\n".join([*lines, f"answers: {answers}"])


def _facts(report: ArchiveReport) -> list[tuple[str, str]]:
    """Return what is known of an archive, each with its label."""
    model = model_of(report.manifest)
    facts = {
        "name": model.get("modelName"),
        "version": model.get("modelVersion"),
        "handler": model.get("handler"),
        "runtime": report.manifest.get("runtime"),
        "created": report.manifest.get("createdOn"),
        "archiver": report.manifest.get("archiverVersion"),
        "format": report.archive_format.kind + (f", laid out for {report.layout}" if report.layout else ""),
        "size": f"{human_size(report.size)}, unpacked {human_size(report.unpacked_size)}",
        "digest": report.digest,
    }
    return [(label, _or_dash(value)) for label, value in facts.items()]


def _outcome(value: bool, seconds: float | None, style: TextStyle) -> str:
    shown = style.colorize("yes", GREEN) if value else style.colorize("no", RED)
    return shown if seconds is None else f"{shown}, {seconds:.2f} s"


def _answer_line(answer: TrialAnswer, style: TextStyle) -> str:
    together = " (sent together)" if answer.batched else ""
    facts = [str(answer.status), answer.content_type, f"{answer.seconds:.2f} s", human_size(len(answer.body))]
    line = f"{answer.request}{together}: {', '.join(fact for fact in facts if fact)}"
    with suppress(UnicodeDecodeError):  # it is binary
        text = shortened(" ".join(answer.body.decode().split()), _SHOWN_BODY)
        line += f": {text}" if text else ""
    return style.truncate(f"  {line}")


def _columns(rows: Sequence[tuple[str, ...]], style: TextStyle, reserved: int = 0) -> list[str]:
    """Return rows in columns: a path that is truncated if it does not fit, numbers aligned right, and a last text.

    `reserved` is the width of what precedes each row.
    """
    last = len(rows[0]) - 1 if rows else 0
    widths = [max(len(row[column]) for row in rows) for column in range(1, last + 1)]
    paths = [style.truncate(row[0], reserved + sum(widths) + 2 * last) for row in rows]
    width = max(map(len, paths), default=0)
    lines = []
    for path, row in zip(paths, rows, strict=True):
        numbers = [f"{cell:>{wide}}" for cell, wide in zip(row[1:last], widths, strict=False)]
        lines.append("  ".join([f"{path:<{width}}", *numbers, row[last]]))
    return lines


def _sizes(change: FileChange) -> str:
    return " -> ".join(f"{entry.size:,}" for entry in (change.a, change.b) if entry is not None)


def _or_dash(value: object) -> str:
    return "-" if value is None else str(value)


def _paths(*paths: Path) -> str:
    return " and ".join(str(as_seen(path)) for path in paths)


def _model_files(entries: Iterable[ArchiveEntry]) -> str:
    """Return how many files are the model's own, those of MAR-INF not counted."""
    return counted(sum(not is_reserved(entry.path) for entry in entries), "file")
