"""The nouns of a planned build."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from model_archiver.archive_format import ArchiveFormat, Deflate
from model_archiver.model_archiver_config import Server
from model_archiver.planning.source import FileSource


@dataclass(frozen=True)
class Member:
    """One file of the archive.

    Attributes:
        path: where it lies inside the archive.
        source: where its bytes come from.
        flag: the flag that brought it.
    """

    path: PurePosixPath
    source: FileSource
    flag: str

    @property
    def size(self) -> int:
        """In bytes."""
        return self.source.size

    @property
    def where(self) -> str:
        """Its source, as the user knows it."""
        return str(self.source.path)

    @property
    def origin(self) -> Path:
        """The file that it is made from."""
        return self.source.path

    def open(self) -> AbstractContextManager[BinaryIO]:
        """Its source, open for reading; as `FileSource.open`."""
        return self.source.open()


@dataclass(frozen=True)
class Target:
    """Where the output goes.

    Attributes:
        path: the finished file or folder.
        replace: whether it may take the place of a former one.
        in_place: the folder is the model folder itself: its manifest is written and nothing else.
    """

    path: Path
    replace: bool
    in_place: bool = False


@dataclass(frozen=True)
class Companion:
    """A file that a platform wants beside the archive.

    Attributes:
        path: where it goes.
        content: gives its bytes, which build on what lies there; it raises a ModelArchiverError where they cannot.
    """

    path: Path
    content: Callable[[], bytes]


@dataclass(frozen=True)
class Plan:
    """Everything that will be written, decided.

    Attributes:
        name: the model's name.
        server: whose archive it is.
        archive_format: the form of the output.
        target: where it goes.
        members: the files, sorted by their paths.
        manifest: the text of ``MAR-INF/MANIFEST.json``.
        deflate: which members are deflated where the format leaves the choice.
        link: make hard links instead of copies.
        jobs: how many cores to use.
        notes: what was decided for want of a word from the user, a sentence each.
        left_out: how many files of walked folders are not packed.
        top: the folder in a tar that holds everything; empty where the platform wants none.
        companions: what is written beside the archive.
    """

    name: str
    server: Server
    archive_format: ArchiveFormat
    target: Target
    members: tuple[Member, ...]
    manifest: str
    deflate: Deflate
    link: bool
    jobs: int
    notes: tuple[str, ...]
    left_out: int
    top: str
    companions: tuple[Companion, ...]

    @cached_property
    def fields(self) -> dict[str, Any]:
        """The manifest's fields."""
        fields: dict[str, Any] = json.loads(self.manifest)
        return fields

    @property
    def size(self) -> int:
        """The bytes of all members, unpacked."""
        return sum(member.source.size for member in self.members)
