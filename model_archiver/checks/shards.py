"""Check that weights in several files, their shards, are all packed, with the index that names them."""

from __future__ import annotations

import json
import re

from model_archiver.core.problems import Problem
from model_archiver.core.text import listed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import PurePosixPath

    from model_archiver.checks.context import CheckContext, CheckedFile

_SHARD = re.compile(r"(.+)-\d{5}-of-00\d{3}(\.safetensors|\.bin)")
_INDEX = re.compile(r"(.+\.[a-z0-9]+)\.index(?:\..+)?\.json")  # ".index.fp16.json" is that of a variant
_READS_WITHOUT_INDEX = (b"glob", b"listdir", b"iterdir", b"scandir", b"-of-", b"safe_open", b"load_file", b"vllm")
_MOST_FOLDERS = 100


def weights_shards(context: CheckContext) -> Iterator[Problem]:
    """Report the first shard, or the index, of a folder without a whole set of weights."""
    folders: dict[PurePosixPath, list[CheckedFile]] = {}
    for file in context.members:
        if _SHARD.fullmatch(file.path.name) or _INDEX.fullmatch(file.path.name):
            folders.setdefault(file.path.parent, []).append(file)
    # A handler may find the shards of a folder itself.
    needs_index = context.handler.built_in is None and not context.mentioned(_READS_WITHOUT_INDEX)
    for files in list(folders.values())[:_MOST_FOLDERS]:
        needed = [(index, _named(context, index)) for index in files if _INDEX.fullmatch(index.path.name)]
        if not needed and needs_index:
            name = _SHARD.sub(r"\1\2.index.json", files[0].path.name)
            needed = [(files[0], {files[0].path.with_name(name)})]
        found = [(sorted(paths - context.by_path.keys()), file.display_path) for file, paths in needed]
        missing, path = min(found, key=lambda one: len(one[0]), default=([], ""))
        if missing:
            names = listed([missed.name for missed in missing])
            message = f"these weights need {names}, which the archive does not have"
            yield Problem("warning", "weights-shards", message, "pack all of them, in one folder", path)


def _named(context: CheckContext, index: CheckedFile) -> set[PurePosixPath]:
    """Return the files that an index names; none if it is not one, or if the weights are there in one file too."""
    match = _INDEX.fullmatch(index.path.name)
    if match and index.path.with_name(match[1]) in context.by_path:
        return set()
    try:
        names = json.loads(context.text(index) or b"")["weight_map"].values()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return set()
    return {index.path.parent / name for name in names if isinstance(name, str)}
