"""What the archive's own files say of how its weights are loaded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from model_archiver.checks.package import Package, read_text

_ALTERED = re.compile(rb"weights_only|WEIGHTS_ONLY|safe_globals|\btorch\.load\s*=[^=]|[\"'](?:torch\.)?load[\"']")


def alters_loading(package: Package) -> bool:
    """Whether some Python of the archive may change what ``torch.load`` takes, or replace it."""
    return any(_ALTERED.search(text) for text in _sources(package))


def mentions(package: Package, words: Iterable[str]) -> set[str]:
    """Those of some words that stand somewhere in the archive's Python."""
    wanted = {word: re.compile(rb"\b" + re.escape(word.encode()) + rb"\b") for word in words}
    texts = list(_sources(package)) if wanted else []
    return {word for word, pattern in wanted.items() if any(pattern.search(text) for text in texts)}


def _sources(package: Package) -> Iterator[bytes]:
    """The archive's Python, file by file.

    Raises:
        NotKeptError: a file cannot be judged.
    """
    return (read_text(member) for member in package.members if member.path.suffix == ".py")


def may_load_libraries(package: Package) -> bool:
    """Whether the config file may have ``pt2: {export: {aot_compile: true}}``."""
    import yaml  # noqa: PLC0415 - for a .so only

    member = package.named_file("configFile")
    if member is None:
        return bool(package.text_field("configFile"))
    try:
        value: object = yaml.safe_load(read_text(member))
    except (yaml.YAMLError, ValueError, RecursionError):
        return True
    for key in ("pt2", "export", "aot_compile"):
        value = value.get(key) if isinstance(value, dict) else None
    return value == 1  # as the server compares it with True
