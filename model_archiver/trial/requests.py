"""The requests of a trial: input files, the parts of a form, or a file of cases."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from mimetypes import MimeTypes
from pathlib import Path
from typing import Any

from model_archiver.core.manifest import MAR_INF, SAMPLES_FOLDER, SAMPLES_PATH
from model_archiver.core.problems import ProblemList, error, system_hint
from model_archiver.core.request import StrPath
from model_archiver.core.text import counted
from model_archiver.planning.samples import check_size, parse_json, read_cases
from model_archiver.reading.archive import REPACK
from model_archiver.trial.report import Expectation, Part, TrialRequest

STDIN = "-"
_JSON, _TEXT, _UNKNOWN = "application/json", "text/plain", "application/octet-stream"

_OPTION = r";\s*(type|filename)=((?:(?!;\s*(?:type|filename)=).)*)"
_FORM_VALUE = re.compile(rf'("(?:[^"\\]|\\.)*"|.*?)((?:{_OPTION})*)', re.DOTALL)


def read_requests(  # noqa: PLR0913, PLR0917 - a flag each
    inputs: Sequence[StrPath],
    form: Sequence[str],
    content_type: str | None,
    expect: Sequence[StrPath],
    tolerance: float,
    cases: StrPath | None,
) -> tuple[TrialRequest, ...]:
    """Return the requests that the flags of the same names ask for, or raise UsageError or ModelArchiverError."""
    # From Python, a single value is easily given without a list; its letters would be taken for files.
    inputs, form, expect = _listed(inputs), [os.fspath(part) for part in _listed(form)], _listed(expect)
    given = {"--input": inputs, "--content-type": content_type, "--form": form, "--expect": expect}
    _check_usage({**given, "--tolerance": tolerance}, cases)
    problems = ProblemList()
    if cases is not None:
        text = _read(cases, "--cases", problems)
        found = () if problems else read_cases(text, str(cases), "--cases", problems)
        requests = [_case_request(case, place, Path(cases).parent, problems) for place, case in found]
    elif form:
        requests = [TrialRequest("--form", tuple(_part(given, problems) for given in form), "multipart/form-data")]
    else:
        requests = [
            _plain(str(path), _read(path, "--input", problems), content_type or guess_type(path)) for path in inputs
        ]
    for request in requests:
        check_size(sum(len(part.value) for part in request.parts), request.name, problems)
    expectations = [_expectation(path, tolerance, problems) for path in expect]
    problems.raise_errors(strict=False)
    if expect:
        pairs = zip(requests, expectations, strict=True)
        requests = [request.replace(expectation=expected) for request, expected in pairs]
    return tuple(requests)


def packed_requests(folder: Path, shown: str) -> tuple[TrialRequest, ...]:
    """Return the requests that an archive carries, or raise ModelArchiverError; messages call their file `shown`."""
    path, problems, requests = folder / SAMPLES_PATH, ProblemList(), []
    if not path.is_file():
        return ()
    text = path.read_bytes() if check_size(path.stat().st_size, shown, problems) else b"[]"
    for place, case in read_cases(text, shown, "the archive's samples", problems):
        if re.fullmatch(rf"{SAMPLES_FOLDER}/[^/\\]+", case.get("file", f"{SAMPLES_FOLDER}/-")):
            requests.append(_case_request(case, place, path.parent, problems))
        else:
            message = f"names {case['file']!r}, which is not in {MAR_INF}/{SAMPLES_FOLDER}"
            problems.error("trial-input", message, REPACK, path=place)
    problems.raise_errors(strict=False)
    return tuple(requests)


def guess_type(path: StrPath) -> str:
    """Return the content type that the end of a file's name stands for, the same on every system."""
    return MimeTypes().types_map[True].get(Path(path).suffix.lower(), _UNKNOWN)


def _listed(given: Sequence[StrPath]) -> Sequence[StrPath]:
    return [given] if isinstance(given, (str, os.PathLike)) else given


def _check_usage(given: Mapping[str, Any], cases: StrPath | None) -> None:
    form, inputs, expect = given["--form"], given["--input"], given["--expect"]
    other, flags = ("--form", ["--input", "--content-type"]) if form else ("", [])
    other, flags = ("--cases", list(given)) if cases is not None else (other, flags)
    for flag in flags:
        if given[flag]:
            raise error("usage-invalid", f"{flag} cannot be used with {other}", f"leave out {flag} or {other}")
    for flag, needed in (("--content-type", "--input"), ("--tolerance", "--expect")):
        if given[flag] and not given[needed]:
            raise error("usage-invalid", f"{flag} needs {needed}", f"give {needed}, or leave out {flag}")
    count = 1 if form else len(inputs)
    if expect and len(expect) != count:
        message = f"{len(expect)} --expect for {counted(count, 'request')}"
        raise error("usage-invalid", message, "give one --expect for each request, in the same order")
    if [os.fspath(path) for path in (*inputs, *expect)].count(STDIN) > 1:
        raise error("usage-invalid", "stdin (-) can be read only once", "write one of them to a file")


def _read(path: StrPath, flag: str, problems: ProblemList, of_case: str = "") -> bytes:
    """Return the bytes of a file or of stdin; none if it cannot be read. `of_case` is a path in a file of cases."""
    try:
        if os.fspath(path) == STDIN:
            return sys.stdin.buffer.read() if sys.stdin else b""
        if of_case and not check_size(Path(path).stat().st_size, flag, problems):
            return b""
        return Path(path).read_bytes()
    except FileNotFoundError:
        if of_case:
            hint = "give its path relative to the file of cases"
            problems.error("trial-input", f"no such file: {of_case}", hint, path=flag)
        else:
            problems.missing(Path(path), flag)
    except OSError as failure:
        message = f"{failure.strerror or failure} ({flag})"
        problems.error("file-unreadable", message, system_hint(failure), path=path)
    return b""


def _plain(name: str, value: bytes, content_type: str) -> TrialRequest:
    # The front end keeps the parameters of the type, such as the charset, for the header only.
    return TrialRequest(name, (Part("body", _plain_type(content_type), value),), content_type)


def _plain_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip()


def _part(given: str, problems: ProblemList) -> Part:
    """Return a part of a form: ``NAME=VALUE``, ``NAME=@FILE`` or ``NAME=<FILE``, each with ``;type=TYPE`` or not."""
    name, equals, rest = given.partition("=")
    if not name or not equals:
        message = f"--form {given}: is neither NAME=VALUE nor NAME=@FILE"
        raise error("usage-invalid", message, "write a name and = in front of the value")
    sign = rest[:1] if rest[:1] in ("@", "<") else ""
    match = _FORM_VALUE.fullmatch(rest.removeprefix(sign))
    value, options = (match[1], match[2]) if match else (rest, "")
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = re.sub(r"\\(.)", r"\1", value[1:-1])
    content_type = dict(re.findall(_OPTION, options)).get("type", "").strip()
    raw = _read(value, f"--form {name}", problems) if sign else os.fsencode(value)
    # The front end drops the type of a plain value, also of one that curl reads from a file (<).
    return Part(name, _plain_type(content_type) or guess_type(value) if sign == "@" else "", raw)


def _expectation(path: StrPath, tolerance: float, problems: ProblemList) -> Expectation:
    found, is_json = len(problems), guess_type(path) == _JSON
    body = _read(path, "--expect", problems)
    if is_json and len(problems) == found:  # it was read
        parse_json(body, path, "--expect", problems)
    return Expectation(body, is_json=is_json, tolerance=tolerance if is_json else 0.0)


def _case_request(case: dict[str, Any], name: str, folder: Path, problems: ProblemList) -> TrialRequest:
    if "file" in case:
        content_type, value = guess_type(case["file"]), _read(folder / case["file"], name, problems, case["file"])
    else:
        content_type, value = _sent(case["body"])
    request = _plain(name, value, case.get("request-type") or content_type)
    expectation = Expectation(status=case.get("status"), error=case.get("error_contains"))
    if "expected" in case:
        content_type, body = _sent(case["expected"])
        content_type = _plain_type(case.get("content-type", content_type)).lower()
        if is_json := content_type == _JSON:
            body = json.dumps(case["expected"]).encode()
        expectation = expectation.replace(body=body, is_json=is_json, percent=float(case.get("tolerance", 0)))
    return request.replace(expectation=expectation)


def _sent(value: object) -> tuple[str, bytes]:
    """Return the content type and the bytes of a value: a string is text, and any other value JSON."""
    if isinstance(value, str):
        return _TEXT, value.encode("utf-8", "surrogatepass")
    return _JSON, json.dumps(value).encode()
