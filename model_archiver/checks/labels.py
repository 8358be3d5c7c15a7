"""Check what TorchServe's own handlers read besides the weights: the names of the classes, and a vocabulary."""

from __future__ import annotations

import json
from pathlib import PurePosixPath

from model_archiver.core.problems import Problem
from model_archiver.core.text import shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from model_archiver.checks.context import CheckContext

LABELS = PurePosixPath("index_to_name.json")
VOCABULARY = PurePosixPath("source_vocab.pt")
_EXAMPLE = 'write an object such as {"0": "cat", "1": "dog"}'


def labels_invalid(context: CheckContext) -> Iterator[Problem]:
    """Report an index_to_name.json with which no worker starts.

    TorchServe: ts/torch_handler/base_handler.py, `initialize`; ts/utils/util.py, `load_label_mapping`.
    """
    file = context.by_path.get(LABELS)
    if file is None or context.inherited is None or "BaseHandler" not in context.inherited.classes:
        return
    raw = context.text(file)
    for message, hint, line in _wrong_file(raw) if raw is not None else ():
        yield Problem("error", "labels-invalid", message, hint, file.display_path, line)


def vocabulary_missing(context: CheckContext) -> Iterator[Problem]:
    """Report a text handler without the vocabulary that it reads (ts/torch_handler/text_handler.py, `initialize`)."""
    is_read = context.inherited is not None and context.inherited.runs("get_source_vocab_path", "TextHandler")
    if is_read and VOCABULARY not in context.by_path and not context.text_field("sourceVocab"):
        message = f"this handler reads {VOCABULARY}, which is not at the root of the archive"
        hint = f"add the model's vocabulary: --extra-files {VOCABULARY}"
        yield Problem("error", "vocabulary-missing", message, hint, context.handler.display_path)


def _wrong_file(raw: bytes) -> Iterator[tuple[str, str, int | None]]:
    text = raw.decode(errors="replace")  # a worker uses the encoding of its locale, which may be another one
    try:
        labels = json.loads(text)
    except json.JSONDecodeError as error:
        if "\ufffd" in text or text.startswith("\ufeff"):
            yield "the file is not JSON in UTF-8 without a byte order mark", "save it as UTF-8 without one", None
        else:
            yield f"the file is not valid JSON: {error.msg} (column {error.colno})", _EXAMPLE, error.lineno
        return
    except (ValueError, RecursionError):  # nested too deeply, or a number too long, for this Python
        return
    if not isinstance(labels, dict):
        yield "the file must hold a JSON object", _EXAMPLE, None
    elif not isinstance(labels.get("object_type_names"), list):
        names = {key: label[-1] if isinstance(label, list) and label else label for key, label in labels.items()}
        for key in [key for key, name in names.items() if not isinstance(name, str)][:1]:
            message = f"the name of class {shortened(key)!r} must be a string"
            yield message, "write a string, or a list that ends with one", None
