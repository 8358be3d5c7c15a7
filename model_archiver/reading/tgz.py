"""The ``.tar.gz`` file, under the rules of TorchServe: what stands before the first slash of a name is dropped."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from model_archiver.archive_format import ArchiveFormat
from model_archiver.planning.source import FileSource
from model_archiver.reading.archive import AGAIN, Content, DamageError, FoundMember, Reading
from model_archiver.reading.archive_file import opened
from model_archiver.reading.gzip_stream import GzipStream
from model_archiver.reading.tar_headers import FILE_KINDS, TarHeader, padding, read_header


class TgzArchive:
    """A ``.tar.gz`` file."""

    archive_format = ArchiveFormat.TGZ

    def __init__(self, source: FileSource) -> None:
        self._source = source

    @property
    def path(self) -> Path:
        """Where it lies."""
        return self._source.path

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self._source.size

    def members(self, reading: Reading) -> Iterator[FoundMember]:
        """The files and folders, as they stand one behind the other; behind damage nothing can be found."""
        with opened(self._source, reading.progress) as file:
            try:
                stream = GzipStream(file, reading.allowance)
                while (header := read_header(stream)) is not None:
                    reading.allowance.claim(header.size)
                    if header.kind in FILE_KINDS and not header.is_sparse:
                        name = header.name
                        yield FoundMember(name, _served_path(name), header.executable, _data(stream, header))
                    else:
                        yield from _other(header, reading)
                        stream.take_away(header.size)
                    if stream.is_broken:  # which was told with the file that it was met in
                        return
                    stream.take_away(padding(header.size))
                if not stream.is_zero_to_its_end():
                    reading.findings.error("archive-trailing", "more follows the end of its tar", AGAIN)
                stream.check_end()
            except DamageError as damage:
                reading.findings.extend(damage.issues)

    def glance(self, reading: Reading) -> Content | None:  # noqa: ARG002 - the shape of every archive
        """Nothing: all of it must be unpacked to know where anything is."""
        return None


def _other(header: TarHeader, reading: Reading) -> Iterator[FoundMember]:
    """What is not a file: a folder, or something that no archive may hold."""
    if header.kind == tarfile.DIRTYPE:
        name = f"{header.name.rstrip('/')}/"
        yield FoundMember(name, _served_path(name), executable=True, content=iter(()))
    else:
        message = "is a link, a device or a sparse file, of which the server makes something else"
        reading.findings.error("entry-link", message, "pack the file itself", path=header.name)


def _data(stream: GzipStream, header: TarHeader) -> Iterator[bytes]:
    left = header.size
    for block in stream.blocks(header.size):
        left -= len(block)
        yield block
    if left:
        raise DamageError("entry-damaged", "its end is missing", AGAIN)


def _served_path(name: str) -> PurePosixPath:
    """Where the server puts a member: what stands before the first slash, and the slash, do not count."""
    return PurePosixPath(name[name.find("/") + 1 :])
