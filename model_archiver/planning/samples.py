"""The test that an archive carries: cases, which are requests with the expected answers, and the files they name."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

from model_archiver.core.entries import path_problem, portable_key
from model_archiver.core.manifest import MAR_INF, SAMPLES_FOLDER
from model_archiver.core.plan import Member, Target
from model_archiver.core.problems import FILE_MISSING, ProblemList
from model_archiver.core.request import StrPath
from model_archiver.planning.gathering import Gatherer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LARGEST_MESSAGE = 6_553_500  # max_request_size and max_response_size of both servers by default, in bytes
_FLAG = "--samples"
_INVALID = "trial-input"

# What a case may have: the test of its value, and what the value must be. Other keys are ignored.
_STRING = (lambda value: isinstance(value, str), "a string")
_FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("file", "request-type", "content-type", "error_contains"), _STRING),
    "status": (lambda value: type(value) is int, "an integer"),  # True is an int too
    "tolerance": (lambda value: type(value) in (int, float) and value >= 0, "a number of 0 or more"),
}


def gather_samples(value: StrPath, target: Target, gatherer: Gatherer) -> tuple[bytes, tuple[Member, ...]]:
    """Return a file of cases as it is packed, and the files that it names, each under its own name."""
    problems = gatherer.problems
    if target.in_place:
        hint = "leave it out, or choose another --export-path"
        problems.error("usage-invalid", "is not for a build into the model's own folder", hint, path=_FLAG)
        return b"", ()
    packed: list[str] = []
    samples: dict[str, Member] = {}
    for found in gatherer.single_file(value, _FLAG):
        if not check_size(found.size, value, problems):
            break
        with found.open() as opened:
            text = opened.read()
        for name, case in read_cases(text, str(value), _FLAG, problems):
            if "file" in case:
                path, flag = Path(value).parent / case["file"], f"{_FLAG}, {name.rpartition(': ')[2]}"
                if not os.path.lexists(path):
                    hint = "give its path relative to the file of cases"
                    problems.error(FILE_MISSING, f"no such file ({flag})", hint, path=path)
                    continue
                for member in gatherer.single_file(path, flag):
                    case["file"] = f"{SAMPLES_FOLDER}/{_add(member, samples)}"
            packed.append(json.dumps(case))
    members = sorted(samples.values(), key=lambda member: str(member.path))
    for member in members:
        check_size(member.size, member.source.path, problems)
        if problem := path_problem(member.path):
            problems.error("path-invalid", f"the name {problem} ({member.flag})", "rename it", path=member.source.path)
    cases = ",\n  ".join(packed)
    return f"[\n  {cases}\n]\n".encode(), tuple(members)


def read_cases(text: bytes, path: str, flag: str, problems: ProblemList) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the cases of a file, each with its place for messages; add an error for each that is not usable."""
    found = len(problems)
    cases = parse_json(text, path, flag, problems)
    if len(problems) > found:
        return
    if not isinstance(cases, list) or not cases:
        message, hint = "has no cases: it must be a JSON list of objects", 'write [{"file": ..., "expected": ...}, ...]'
        problems.error(_INVALID, f"{message} ({flag})", hint, path=path)
        return
    for number, case in enumerate(cases, 1):
        place = f"{path}: case {number}"
        if not isinstance(case, dict) or ("file" in case) == ("body" in case):
            message = "must be an object that has either file or body"
            problems.error(_INVALID, message, "name the request's file, or write its body", path=place)
            continue
        wrong = [key for key in case if key in _FIELDS and not _FIELDS[key][0](case[key])]
        for key in wrong:
            problems.error(_INVALID, f"{key} must be {_FIELDS[key][1]}, not {json.dumps(case[key])}", path=place)
        if "file" not in wrong:  # which may be missing too
            yield place, {key: value for key, value in case.items() if key not in wrong}


def check_size(size: int, path: object, problems: ProblemList) -> bool:
    """Return whether a request, or a file of packed cases, has not too many bytes; add an error if it has."""
    if size > LARGEST_MESSAGE:
        message = f"has {size:,} bytes; the limit for a request, and for a file of packed cases, is {LARGEST_MESSAGE:,}"
        hint = "send less; on a server, max_request_size in config.properties is the limit"
        problems.error(_INVALID, message, hint, path=path)
    return size <= LARGEST_MESSAGE


def parse_json(text: bytes, path: object, flag: str, problems: ProblemList) -> object:
    """Return the JSON value that a file is; add an error and return None if it is not JSON."""
    try:
        value: object = json.loads(text)
        json.dumps(value)  # dumps() has a lower nesting limit than loads()
    except (ValueError, RecursionError) as failure:
        problems.error(_INVALID, f"is not JSON: {failure} ({flag})", "correct the file, or name another one", path=path)
        return None
    return value


def _add(member: Member, samples: dict[str, Member]) -> str:
    """Add a file, with a number in its name if another file has that name; return its name."""
    own_name, number = PurePosixPath(member.path.name), 1
    while True:
        name = own_name.name if number == 1 else f"{own_name.stem}-{number}{own_name.suffix}"
        packed = member.replace(path=PurePosixPath(MAR_INF, SAMPLES_FOLDER, name), flag=_FLAG)
        first = samples.setdefault(portable_key(name), packed)
        if first.source.identity == member.source.identity:
            return first.path.name
        number += 1
