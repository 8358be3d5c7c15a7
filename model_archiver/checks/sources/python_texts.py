"""The archive's own Python, looked through for words: each file once, whatever the number of the words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model_archiver.checks.archive import NotSampledError
from model_archiver.checks.package import read_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from model_archiver.checks.package import CheckContext

_MOST = 1 << 25
"""Bytes of all files together that are looked through."""

_IDENTIFIERS = bytes(code if code > 127 or chr(code).isalnum() or chr(code) == "_" else 32 for code in range(256))


def python_texts(package: CheckContext) -> Iterator[bytes]:
    """The files, one by one.

    Raises:
        NotKeptError: one of them, or all together, cannot be judged.
    """
    members = [member for member in package.members if member.path.suffix == ".py"]
    if sum(member.size for member in members) > _MOST:
        raise NotSampledError
    return (read_text(member) for member in members)


def identifiers(package: CheckContext, words: Iterable[str]) -> set[str]:
    """Those of some identifiers that stand somewhere in it.

    Raises:
        NotKeptError: it cannot be judged.
    """
    wanted = {_encoded(word): word for word in words}
    found: set[bytes] = set()
    for text in python_texts(package) if wanted else ():
        found.update(wanted.keys() & text.translate(_IDENTIFIERS).split())
    return {wanted[word] for word in found}


def parts(package: CheckContext, words: Iterable[str]) -> set[str]:
    """Those of some texts that stand somewhere in it, also as a part of a longer word; keep them few.

    Raises:
        NotKeptError: it cannot be judged.
    """
    wanted = {_encoded(word): word for word in words}
    found: set[bytes] = set()
    for text in python_texts(package) if wanted else ():
        found.update(word for word in wanted if word not in found and word in text)
    return {wanted[word] for word in found}


def _encoded(word: str) -> bytes:
    return word.encode("utf-8", "surrogatepass")
