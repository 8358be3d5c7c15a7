"""What TorchServe's own handlers read beside the weights: names of classes, and a vocabulary."""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from model_archiver.checks.wording import shortened
from model_archiver.core.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.package import CheckContext

_LABELS = PurePosixPath("index_to_name.json")
VOCABULARY = PurePosixPath("source_vocab.pt")
_COLON = re.compile(r"\s*:")
_HINT = 'write an object such as {"0": "cat", "1": "dog"}'


def check_labels(package: CheckContext) -> Iterator[Problem]:
    """``labels-invalid``: an index_to_name.json with which no worker starts.

    TorchServe: ts/torch_handler/base_handler.py, `initialize`; ts/utils/util.py, `load_label_mapping`.
    """
    member = package.by_path.get(_LABELS)
    if member is None or package.following is None or "BaseHandler" not in package.following.classes:
        return
    raw = package.text(member)
    for message, hint, line in _wrong(raw) if raw is not None else ():
        yield Problem("error", "labels-invalid", message, hint, member.display_path, line)


def check_vocabulary(package: CheckContext) -> Iterator[Problem]:
    """``vocabulary-missing``: a handler of texts without the words that its model knows.

    TorchServe: ts/torch_handler/text_handler.py, `initialize` and `get_source_vocab_path`.
    """
    following = package.following
    if following is None or not following.runs("get_source_vocab_path", of="TextHandler"):
        return
    if VOCABULARY not in package.by_path and not package.text_field("sourceVocab"):
        member = package.handler.member
        message = f"reads {VOCABULARY}, which is not at the root of the archive"
        hint = f"add the model's vocabulary: --extra-files {VOCABULARY}"
        yield Problem(
            "error", "vocabulary-missing", message, hint, member.display_path if member else package.handler.given
        )


def _wrong(raw: bytes) -> Iterator[tuple[str, str, int | None]]:
    """What is wrong with the names of classes: message, hint and line."""
    try:
        text, is_utf8 = raw.decode("utf-8"), True
    except UnicodeDecodeError:  # a worker takes the encoding of its locale, which may be another one
        text, is_utf8 = raw.decode("latin-1"), False
    if text.startswith("\ufeff"):
        yield "begins with a byte order mark, which a worker does not read", "save it as UTF-8 without one", 1
        return
    try:
        labels = json.loads(text)
    except json.JSONDecodeError as error:
        if is_utf8:
            yield f"is no JSON: {error.msg} (column {error.colno})", _HINT, error.lineno
        else:
            yield "is no JSON in UTF-8", "save it as UTF-8", None
    except (ValueError, RecursionError):  # what is nested too deeply, or too long a number, for this Python
        return
    else:
        yield from _wrong_labels(labels, text)


def _wrong_labels(labels: object, text: str) -> Iterator[tuple[str, str, int | None]]:
    if not isinstance(labels, dict):
        yield f"is {_kind(labels)} and no object", _HINT, None
        return
    if isinstance(labels.get("object_type_names"), list):
        return
    wrong = {key: label for key, label in labels.items() if not isinstance(_last(label), str)}
    if wrong:
        key, label = next(iter(wrong.items()))
        more = f", and {len(wrong) - 1} more are none either" if len(wrong) > 1 else ""
        message = f"the name of class {shortened(key)!r} is {_kind(label)} and no text{more}"
        yield message, _mend(labels), _line(key, text)


def _mend(labels: dict[str, Any]) -> str:
    """What to do about names that are no texts."""
    has_numbers = any(key.isdigit() for key in labels)
    if not has_numbers and all(isinstance(label, dict) for label in labels.values()):
        return 'put the names at the top, as in {"0": "cat"}'
    if not has_numbers and all(type(label) is int for label in labels.values()):
        return 'turn it round: the class\'s number first, as in {"0": "cat"}'
    return "write a text, or a list that ends with one"


def _last(label: object) -> object:
    if isinstance(label, list):
        return label[-1] if label else None
    return label


def _kind(value: object) -> str:
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, dict):
        return "an object"
    return "a text" if isinstance(value, str) else json.dumps(value)[:20]


def _line(key: str, text: str) -> int | None:
    """The line of a key, where only one place can be meant."""
    spellings = {json.dumps(key), json.dumps(key, ensure_ascii=False)}
    places = list(islice((place for spelling in spellings for place in _keys(spelling, text)), 2))
    return text.count("\n", 0, places[0]) + 1 if len(places) == 1 else None


def _keys(spelling: str, text: str) -> Iterator[int]:
    """The places where a text in quotes stands before a colon."""
    place = text.find(spelling)
    while place >= 0:
        end = place + len(spelling)
        if _COLON.match(text, end):
            yield place
        place = text.find(spelling, end)
