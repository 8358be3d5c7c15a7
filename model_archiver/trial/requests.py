"""The requests of a trial: input files, the parts of a form, or a file of cases."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

from model_archiver.core.problems import Problem, UsageError, system_hint
from model_archiver.core.text import counted
from model_archiver.trial.report import Expectation, Part, TrialRequest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from model_archiver.core.problems import ProblemList
    from model_archiver.core.request import StrPath

STDIN = "-"
_JSON, _TEXT, _UNKNOWN = "application/json", "text/plain", "application/octet-stream"
_CONTENT_TYPES = {
    "json": _JSON,
    "txt": _TEXT,
    "csv": "text/csv",
    "html": "text/html",
    "xml": "application/xml",
    "yaml": "application/yaml",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "png": "image/png",
    "gif": "image/gif",
    "bmp": "image/bmp",
    "webp": "image/webp",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "pdf": "application/pdf",
    **dict.fromkeys(("npy", "pt", "pth"), _UNKNOWN),
}
"""Content types by the end of a file's name: a table of our own, because the one of Python differs by system."""

_OPTION = r";\s*(type|filename)=([^;]*)"
_FORM_VALUE = re.compile(rf'("(?:[^"\\]|\\.)*"|.*?)((?:{_OPTION})*)', re.DOTALL)

# What a case may have, how it is checked, and what that is called.
_CASE_FIELDS: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "file": (lambda value: isinstance(value, str), "a string"),
    "request-type": (lambda value: isinstance(value, str), "a string"),
    "content-type": (lambda value: isinstance(value, str), "a string"),
    "error_contains": (lambda value: isinstance(value, str), "a string"),
    "status": (lambda value: isinstance(value, int) and not isinstance(value, bool), "an integer"),
    "tolerance": (lambda value: isinstance(value, (int, float)) and value >= 0, "a number of 0 or more"),
}


def read_requests(  # noqa: PLR0913, PLR0917 - a flag each
    inputs: Sequence[StrPath],
    form: Sequence[str],
    content_type: str | None,
    expect: Sequence[StrPath],
    tolerance: float,
    cases: StrPath | None,
    problems: ProblemList,
) -> tuple[TrialRequest, ...]:
    """Return the requests, and add a problem for each file that cannot be read.

    Args:
        inputs: files, each of which is one request; ``-`` is stdin.
        form: the parts of one request, in curl's grammar.
        content_type: the type of all inputs; None guesses each from the file's name.
        expect: files with the expected answers, one for each request.
        tolerance: how much numbers in JSON may differ, as an absolute difference.
        cases: a JSON file with requests and the expected answers.
        problems: takes what is wrong with the files.

    Raises:
        UsageError: the arguments do not go together.
    """
    # From Python, a single value is easily given without a list; its letters would be taken for files.
    inputs, form, expect = _listed(inputs), [os.fspath(part) for part in _listed(form)], _listed(expect)
    _check_usage(inputs, form, content_type, expect, cases)
    files = _Files(problems)
    if cases is not None:
        return _read_cases(cases, files)
    if form:
        parts = tuple(_part(given, files) for given in form)
        requests = [TrialRequest("--form", parts, "multipart/form-data")]
    else:
        requests = [_plain(str(path), files.read(path, "--input"), content_type or guess_type(path)) for path in inputs]
    if not expect:
        return tuple(requests)
    expectations = [_expectation(path, tolerance, files) for path in expect]
    return tuple(
        request.replace(expectation=expected) for request, expected in zip(requests, expectations, strict=True)
    )


def guess_type(path: StrPath) -> str:
    """Return the content type that the end of a file's name stands for."""
    return _CONTENT_TYPES.get(Path(path).suffix[1:].lower(), _UNKNOWN)


def _listed(given: Sequence[StrPath]) -> Sequence[StrPath]:
    return [given] if isinstance(given, (str, os.PathLike)) else given


def _check_usage(
    inputs: Sequence[StrPath],
    form: Sequence[str],
    content_type: str | None,
    expect: Sequence[StrPath],
    cases: StrPath | None,
) -> None:
    given = {"--input": inputs, "--content-type": content_type, "--form": form, "--expect": expect}
    other, count = ("--cases", 4) if cases is not None else ("--form", 2 if form else 0)
    for flag in list(given)[:count]:
        if given[flag]:
            raise _usage(f"{flag} cannot be used with {other}", f"leave out {flag} or {other}")
    count = 1 if form else len(inputs)
    if expect and len(expect) != count:
        message = f"{len(expect)} --expect for {counted(count, 'request')}"
        raise _usage(message, "give one --expect for each request, in the same order")
    if [os.fspath(path) for path in (*inputs, *expect)].count(STDIN) > 1:
        raise _usage("stdin (-) can be read only once", "write one of them to a file")


def _usage(message: str, hint: str) -> UsageError:
    return UsageError(problems=[Problem("error", "usage-invalid", message, hint)])


class _Files:
    """Reads files.

    Attributes:
        problems: takes what cannot be read.
    """

    def __init__(self, problems: ProblemList) -> None:
        self.problems = problems

    def read(self, path: StrPath, flag: str) -> bytes:
        """Return the bytes of a file or of stdin; add a problem, and return none, if it cannot be read."""
        try:
            if os.fspath(path) == STDIN:
                return sys.stdin.buffer.read() if sys.stdin else b""
            return Path(path).read_bytes()
        except FileNotFoundError:
            self.problems.missing(Path(path), flag)
        except OSError as failure:
            message = f"{failure.strerror or failure} ({flag})"
            self.problems.error("file-unreadable", message, system_hint(failure), path=path)
        return b""

    def read_json(self, path: StrPath, flag: str) -> tuple[bytes, object]:
        """Return the bytes of a file, and the JSON value that they are; add a problem if they are not JSON."""
        before = len(self.problems)
        text = self.read(path, flag)
        try:
            return text, json.loads(text)
        except (ValueError, RecursionError) as failure:
            if len(self.problems) == before:  # it was read
                message = f"is not JSON: {failure} ({flag})"
                self.problems.error("trial-input", message, "correct the file, or name another one", path=path)
        return text, None


def _plain(name: str, value: bytes, content_type: str) -> TrialRequest:
    return TrialRequest(name, (Part("body", content_type, value),), content_type)


def _part(given: str, files: _Files) -> Part:
    """Return a part of a form: ``NAME=VALUE``, ``NAME=@FILE`` or ``NAME=<FILE``, each with ``;type=TYPE`` or not."""
    name, equals, rest = given.partition("=")
    if not name or not equals:
        message = f"--form {given}: is neither NAME=VALUE nor NAME=@FILE"
        raise _usage(message, "write a name and = in front of the value")
    sign = rest[:1] if rest[:1] in ("@", "<") else ""
    match = _FORM_VALUE.fullmatch(rest.removeprefix(sign))
    value, options = (match[1], match[2]) if match else (rest, "")
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    content_type = dict(re.findall(_OPTION, options)).get("type", "").strip()
    if not sign:
        return Part(name, content_type, os.fsencode(value))
    # A file that is given with < is sent as a plain value.
    guessed = guess_type(value) if sign == "@" else ""
    return Part(name, content_type or guessed, files.read(value, f"--form {name}"))


def _expectation(path: StrPath, tolerance: float, files: _Files) -> Expectation:
    if guess_type(path) != _JSON:
        return Expectation(files.read(path, "--expect"))
    text, _ = files.read_json(path, "--expect")
    return Expectation(text, is_json=True, tolerance=tolerance)


def _read_cases(path: StrPath, files: _Files) -> tuple[TrialRequest, ...]:
    before = len(files.problems)
    _, cases = files.read_json(path, "--cases")
    if len(files.problems) > before:
        return ()
    if not isinstance(cases, list) or not cases:
        message = "has no cases: it must be a JSON list of objects (--cases)"
        files.problems.error("trial-input", message, 'write it as [{"file": ..., "expected": ...}, ...]', path=path)
        return ()
    read = (_read_case(case, f"{path}: case {number}", path, files) for number, case in enumerate(cases, 1))
    return tuple(request for request in read if request is not None)


def _read_case(case: object, name: str, path: StrPath, files: _Files) -> TrialRequest | None:
    """Return the request of a case; add a problem, and return None, if it is not one."""
    if not isinstance(case, dict) or ("file" in case) == ("body" in case):
        message = "must be an object that has either file or body"
        files.problems.error("trial-input", message, "name the request's file, or write its body", path=name)
        return None
    wrong = [key for key, (is_right, _) in _CASE_FIELDS.items() if key in case and not is_right(case[key])]
    for key in wrong:
        message = f"{key} must be {_CASE_FIELDS[key][1]}, not {json.dumps(case[key])}"
        files.problems.error("trial-input", message, path=name)
    if wrong:
        return None
    if "file" in case:
        file = Path(path).parent / case["file"]
        content_type, value = guess_type(file), files.read(file, name)
    else:
        body = case["body"]
        content_type = _TEXT if isinstance(body, str) else _JSON
        value = _as_bytes(body)
    request = _plain(name, value, case.get("request-type") or content_type)
    return request.replace(expectation=_case_expectation(case))


def _case_expectation(case: dict[str, object]) -> Expectation:
    status, error = case.get("status"), case.get("error_contains")
    expectation = Expectation(
        status=status if isinstance(status, int) else None, error=error if isinstance(error, str) else None
    )
    if "expected" not in case:
        return expectation
    body = case["expected"]
    shown_type = str(case.get("content-type", _TEXT if isinstance(body, str) else _JSON))
    is_json = shown_type.partition(";")[0].strip().lower() == _JSON
    text = json.dumps(body).encode() if is_json else _as_bytes(body)
    return expectation.replace(body=text, is_json=is_json, percent=float(str(case.get("tolerance", 0))))


def _as_bytes(value: object) -> bytes:
    """Return a string as UTF-8 text, and any other value as JSON."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else json.dumps(value).encode()
