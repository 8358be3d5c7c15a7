"""The report of a trial, as text for people and as JSON."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from model_archiver.cli.text_output import GREEN, RED, as_seen
from model_archiver.core.problems import printable
from model_archiver.core.text import human_size, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from model_archiver.cli.text_output import TextStyle
    from model_archiver.trial.report import TrialAnswer, TrialReport

_LAST_LINES = 20
_SHOWN_BODY = 60
_SERVERS = {"torchserve": "TorchServe", "mms": "Multi Model Server"}


def trial_verdict(report: TrialReport, style: TextStyle) -> str:
    """Return what was tried, and what came of it: a line for each answer, and for both verdicts."""
    name = style.truncate(str(report.archive.path), 30)
    if report.server is None:
        return f"{name}: {style.colorize('not tried', RED)}"
    versions = dict(report.versions)
    server = f"{_SERVERS[report.server]} {versions.get('server', '')}".rstrip()
    others = [f"{name} {versions[key]}" for key, name in (("torch", "torch"), ("python", "Python")) if key in versions]
    lines = [f"{name}: tried with {server}, {', '.join(others)} ({printable(str(as_seen(Path(report.python))))})"]
    lines.append(f"loads: {_yes_or_no(report.loads, style)}{_seconds(report, 'load')}")
    lines += [_answer_line(answer, style) for answer in report.results]
    if report.answers is None:
        lines.append("answers: not asked")
    else:
        lines.append(f"answers: {_yes_or_no(report.answers, style)}{_seconds(report, 'answer')}")
    return "\n".join(lines)


def log_lines(report: TrialReport, *, whole: bool) -> Sequence[str]:
    """Return the lines of the worker's log that are shown: all if that was asked for, else the last of a failure."""
    lines = report.log.splitlines()
    return lines if whole else [] if report.is_ok else lines[-_LAST_LINES:]


def trial_fields(report: TrialReport, *, with_log: bool) -> dict[str, Any]:
    """Return the fields of a trial for JSON; the log is null where it is not shown."""
    lines = log_lines(report, whole=with_log)
    names = ("server", "python", "versions", "loads", "answers", "notes")
    trial = {
        **{name: getattr(report, name) for name in names},
        "seconds": {"load": report.seconds.get("load"), "answer": report.seconds.get("answer")},
        "results": [_answer_fields(answer) for answer in report.results],
        "log": "\n".join(lines) if with_log or lines else None,
    }
    return {"archive": str(report.archive.path), "digest": report.archive.digest, "trial": trial}


def _yes_or_no(value: bool, style: TextStyle) -> str:
    return style.colorize("yes", GREEN) if value else style.colorize("no", RED)


def _seconds(report: TrialReport, stage: str) -> str:
    return f", {report.seconds[stage]:.2f} s" if stage in report.seconds else ""


def _answer_line(answer: TrialAnswer, style: TextStyle) -> str:
    together = " (sent together)" if answer.batched else ""
    facts = [str(answer.status), answer.content_type, f"{answer.seconds:.2f} s", human_size(len(answer.body))]
    form, _ = _body(answer)
    text = "" if form == "base64" else shortened(" ".join(answer.body.decode().split()), _SHOWN_BODY)
    line = f"{answer.request}{together}: {', '.join(fact for fact in facts if fact)}"
    return style.truncate(f"  {line}{f': {text}' if text else ''}")


def _answer_fields(answer: TrialAnswer) -> dict[str, Any]:
    form, body = _body(answer)
    return {**answer.as_dict(), "size": len(answer.body), "form": form, "body": body}


def _body(answer: TrialAnswer) -> tuple[str, object]:
    """Return the body of an answer for JSON, and its form: ``json``, ``text`` or ``base64``."""
    try:
        text = answer.body.decode()
    except UnicodeDecodeError:
        return "base64", base64.b64encode(answer.body).decode("ascii")
    if answer.content_type.partition(";")[0].strip().lower() in ("", "application/json"):
        try:
            value = json.loads(text)
            json.dumps(value, indent=2, allow_nan=False)  # with an indent, it takes less depth
        except (ValueError, RecursionError):  # not JSON, or with a number that JSON lacks, such as NaN
            return "text", text
        return "json", value
    return "text", text
