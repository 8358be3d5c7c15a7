"""What every check is given: an archive, or the plan of one, with the questions that several checks ask of it."""

from __future__ import annotations

from functools import cached_property
from pathlib import PurePosixPath

from model_archiver.core.problems import LARGEST_TEXT, NotSampledError
from model_archiver.core.record import Record
from model_archiver.planning.handler import BUILT_IN, packed_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Any, BinaryIO, Literal, Protocol

    from model_archiver.checks.inherited import InheritedHandler
    from model_archiver.checks.source import BrokenSourceError, Outline
    from model_archiver.checks.weights_file import WeightsFile
    from model_archiver.checks.yaml_file import YamlMapping
    from model_archiver.core.problems import Problem

    class CheckedFile(Protocol):
        """A file of an archive or of a plan."""

        @property
        def path(self) -> PurePosixPath:
            """Return its path in the archive."""

        @property
        def size(self) -> int:
            """Return its size in bytes."""

        @property
        def display_path(self) -> str:
            """Return the path by which a person knows it: its source, or its path in the archive if that is all."""

        @property
        def source_path(self) -> Path | None:
            """Return the file that it is made from, or None if only the archive exists."""

        def open(self) -> AbstractContextManager[BinaryIO]:
            """Open the file for reading; it is seekable.

            Raises:
                NotSampledError: bytes are read that an opened archive did not keep.
            """

    class CheckedArchive(Protocol):
        """A plan of an archive, or an archive that was opened."""

        @property
        def name(self) -> str:
            """Return the model's name."""

        @property
        def server(self) -> Literal["torchserve", "mms"]:
            """Return the server that the archive is for."""

        @property
        def fields(self) -> dict[str, Any]:
            """Return the fields of the manifest."""

        @property
        def members(self) -> Sequence[CheckedFile]:
            """Return the files."""


_ROOT = PurePosixPath()
_LARGEST_CONFIG = 1 << 17
"""Bytes of a config file that is checked, because PyYAML is slow."""
_MOST_PACKAGES = 50
"""Packages in a dotted name. No real name has more, and each costs a look-up."""


class HandlerReference(Record):
    """The handler as the server resolves it (ts/model_loader.py, `_load_handler_file`; mms/model_loader.py, `load`).

    Attributes:
        given: the handler field of the manifest.
        module: the module that the server imports.
        function: the attribute of the module that the server asks for.
        is_named: whether the manifest names the function; if not, it is ``handle``.
        file: the file that is imported, or that is meant if the server does not find it; None if the handler is
            built in or not in the archive.
        is_reachable: whether the server finds the file under `module`.
    """

    given: str
    module: str
    function: str
    is_named: bool
    file: CheckedFile | None
    is_reachable: bool

    @property
    def built_in(self) -> str | None:
        """Return the name of the built-in handler, or None for any other handler."""
        return self.module if self.file is None and self.given in BUILT_IN else None

    @property
    def display_path(self) -> str:
        """Return the path of the handler file, or the handler field if there is no file."""
        return self.file.display_path if self.file else self.given


class CheckContext:
    """An archive or a plan, with the questions that the checks ask of it.

    Attributes:
        archive: the archive or the plan.
        name: the model's name.
        server: the server that the archive is for.
        fields: the fields of the manifest.
        members: the files.
        broken_sources: the Python files that were read and do not parse.
    """

    def __init__(self, archive: CheckedArchive) -> None:
        self.archive = archive
        self.name = archive.name
        self.server = archive.server
        self.fields = archive.fields
        self.members = archive.members
        self.broken_sources: dict[PurePosixPath, BrokenSourceError] = {}
        self._outlines: dict[PurePosixPath, Outline | None] = {}

    @cached_property
    def by_path(self) -> dict[PurePosixPath, CheckedFile]:
        """Return the files by their paths in the archive."""
        return {file.path: file for file in self.members}

    def text_field(self, field: str) -> str:
        """Return a field of the manifest's ``model`` as a string, or an empty string if it is absent."""
        model = self.fields.get("model")
        value = model.get(field) if isinstance(model, dict) else None
        return str(value) if isinstance(value, (str, int, float)) else ""

    def named_file(self, field: str) -> CheckedFile | None:
        """Return the file that a field of the manifest names, such as ``serializedFile``, if it is in the archive."""
        name = self.text_field(field)
        return self.by_path.get(PurePosixPath(name)) if name else None

    @property
    def runs_python3(self) -> bool:
        """Return whether the handler is Python 3: not python2, and not the C++ of the LSP runtime."""
        return self.fields.get("runtime", "python") in ("python", "python3")

    @cached_property
    def roots(self) -> tuple[PurePosixPath, ...]:
        """Return the folders of the archive in which a worker looks for a module, in their order.

        The last one is the root. Both front ends put the part of the handler before its colon in front of it, without
        its last part if it has folders. Multi Model Server does so without a colon too, and keeps all of it
        (EnvironmentUtils.java, `getEnvString`). Some of these folders may not exist, which changes nothing.
        """
        module, colon, _ = self.text_field("handler").partition(":")
        if colon:
            return tuple(dict.fromkeys([PurePosixPath(module.rpartition("/")[0] or module), _ROOT]))
        return (PurePosixPath(module), _ROOT) if self.server == "mms" and module else (_ROOT,)

    @cached_property
    def handler(self) -> HandlerReference:
        """Return the handler as the server resolves it."""
        given = self.text_field("handler")
        text, _, function = given.partition(":")
        module = text.removesuffix(".py").rpartition("/")[2]
        found = next((path for folder in self.roots if (path := self.importable(module, folder))), None)
        path = found or packed_module(text, self.by_path)
        file = self.by_path.get(path) if path else None
        return HandlerReference(given, module, function or "handle", bool(function), file, found is not None)

    def importable(self, module: str, folder: PurePosixPath = _ROOT) -> PurePosixPath | None:
        """Return the file that ``import module`` finds if a folder of the archive is on the path.

        Args:
            module: a dotted name.
            folder: a folder of the archive.
        """
        *packages, name = module.split(".")
        if len(packages) >= _MOST_PACKAGES:
            return None
        for package in packages:
            folder = folder / package
            if PurePosixPath(f"{folder}.py") in self.by_path and folder / "__init__.py" not in self.by_path:
                return None  # the module comes before a folder without __init__.py, and is not a package
        candidates = (folder / name / "__init__.py", folder / f"{name}.py")  # in Python's order
        return next((path for path in candidates if path in self.by_path), None)

    def text(self, file: CheckedFile) -> bytes | None:
        """Return all bytes of a text file, or None if they are too many or were not kept."""
        if file.size > LARGEST_TEXT:
            return None
        try:
            with file.open() as opened:
                return opened.read(LARGEST_TEXT + 1)
        except NotSampledError:
            return None

    def outline(self, file: CheckedFile) -> Outline | None:
        """Return the outline of a Python file, or None if it does not parse or cannot be judged."""
        if file.path not in self._outlines:
            from model_archiver.checks.source import BrokenSourceError, read_outline  # noqa: PLC0415 - not for a built-in handler

            text = self.text(file)
            try:
                is_package = file.path.name == "__init__.py"
                self._outlines[file.path] = None if text is None else read_outline(text, is_package=is_package)
            except BrokenSourceError as error:
                self._outlines[file.path] = None
                self.broken_sources[file.path] = error
        return self._outlines[file.path]

    @cached_property
    def handler_outline(self) -> Outline | None:
        """Return the outline of the handler file, if the archive has one that the server finds and Python 3 runs."""
        handler = self.handler
        return self.outline(handler.file) if handler.file and handler.is_reachable and self.runs_python3 else None

    @cached_property
    def inherited(self) -> InheritedHandler | None:
        """Return how the handler loads its weights, if that is certainly the way of TorchServe's own handlers."""
        from model_archiver.checks.inherited import built_in_handler, inherited_handler  # noqa: PLC0415 - not for all

        if self.server != "torchserve" or not self.runs_python3:
            return None
        if self.handler.built_in is not None:
            return built_in_handler(self.handler.built_in)
        outline = self.handler_outline
        if outline is None or any(path.parts[0] in ("ts", "ts.py") for path in self.by_path):
            return None
        return inherited_handler(outline) if outline.lacks(self.handler.function) else None

    @cached_property
    def weights(self) -> WeightsFile | None:
        """Return what the weights file is, if TorchServe and Python 3 load it and its bytes can be read."""
        from model_archiver.checks.weights_file import read_weights  # noqa: PLC0415 - not every archive has weights

        file = self.named_file("serializedFile")
        return read_weights(file) if file and self.server == "torchserve" and self.runs_python3 else None

    @cached_property
    def config(self) -> YamlMapping | Problem | None:
        """Return the settings of the config file, or the problem for which the server rejects it.

        None if there is no config file, if the server does not read it, or if it cannot be checked.
        """
        file = self.named_file("configFile")
        if file is None or file.size > _LARGEST_CONFIG or self.server != "torchserve" or not self.runs_python3:
            return None
        from model_archiver.checks.yaml_file import read_yaml  # noqa: PLC0415 - PyYAML is slow to load

        raw = self.text(file)
        return None if raw is None else read_yaml(raw, file.display_path)
