"""The folder: what a server that is given one finds in it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path, PurePosixPath

from model_archiver.archive_format import ArchiveFormat
from model_archiver.manifest_components.manifest import MAR_INF
from model_archiver.planning.exclusions import Exclusions
from model_archiver.planning.findings import Findings
from model_archiver.planning.folders import FolderWalk
from model_archiver.planning.source import FileSource
from model_archiver.progress import Progress
from model_archiver.reading.archive import Content, FoundMember, Reading
from model_archiver.reading.archive_file import opened


class FolderArchive:
    """A model's folder, links in it followed as servers do."""

    archive_format = ArchiveFormat.NO_ARCHIVE

    def __init__(self, path: Path) -> None:
        """Find out what is in it.

        Args:
            path: of the folder; where it holds one folder and nothing else, that one is meant.
        """
        self.path = path
        inside = list(path.iterdir())
        entered = inside[0] if len(inside) == 1 and inside[0].is_dir() and inside[0].name != MAR_INF else path
        self._findings = Findings()
        self._files = dict(FolderWalk("in the folder", _Everything(), self._findings).files(entered))

    @cached_property
    def size(self) -> int:
        """The bytes of its files."""
        return sum(source.size for source in self._files.values())

    def members(self, reading: Reading) -> Iterator[FoundMember]:
        """The files, sorted by their paths, and MAR-INF after the others."""
        reading.findings.extend(self._findings.issues)
        for path, source in sorted(self._files.items(), key=lambda item: (item[0].parts[0] == MAR_INF, str(item[0]))):
            yield FoundMember(str(path), path, source.executable, _blocks(source, reading.progress), source.size)

    def glance(self, reading: Reading) -> Content | None:  # noqa: ARG002 - the shape of every archive
        """Nothing: anyone edits a file in a folder, and leaves the recorded sums as they are."""
        return None


class _Everything(Exclusions):
    """Leaves nothing out: what lies in the folder is served."""

    def __init__(self) -> None:
        super().__init__((), ())

    def excludes_name(self, below: PurePosixPath, *, is_folder: bool) -> bool:  # noqa: ARG002 - the rules' own shape
        return False


def _blocks(source: FileSource, progress: Progress) -> Iterator[bytes]:
    with opened(source, progress) as file:
        yield from file.stretch(0, file.size)
