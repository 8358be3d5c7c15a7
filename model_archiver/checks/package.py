"""What several checks want to know of an archive, found out once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from model_archiver.checks.archive import LARGEST_TEXT, NotSampledError
from model_archiver.planning.handler import BUILT_IN, packed_module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from model_archiver.checks.archive import CheckedArchive, CheckedFile
    from model_archiver.checks.following import InheritedHandler
    from model_archiver.checks.sources.module_names import ModuleNames
    from model_archiver.checks.sources.python_module import PythonModule

_ROOT = PurePosixPath()
_LONGEST_NAME = 50


@dataclass(frozen=True)
class HandlerReference:
    """A handler as the server understands the manifest's word for it.

    TorchServe: ts/model_loader.py, ``_load_handler_file``; Multi Model Server: mms/model_loader.py, ``load``.

    Attributes:
        given: the manifest's word.
        module: the name that the server imports.
        function: the attribute of the module that it asks for.
        is_named: whether the manifest names that, or it is ``handle`` for want of a word.
        member: the file that is imported, or that was meant where the server does not find it; None where the handler
            is built in or not in the archive.
        is_reachable: whether the server finds that file under `module`.
    """

    given: str
    module: str
    function: str
    is_named: bool
    member: CheckedFile | None
    is_reachable: bool

    @property
    def built_in(self) -> str | None:
        """The name of the handler of the server that it is, if it is one."""
        return self.module if self.member is None and self.given in BUILT_IN else None


class CheckContext:
    """A plan or an opened archive, under the questions that the checks ask.

    Attributes:
        archive: the plan or the archive.
    """

    def __init__(self, archive: CheckedArchive) -> None:
        self.archive = archive

    @property
    def name(self) -> str:
        """The model's name."""
        return self.archive.name

    @property
    def server(self) -> Literal["torchserve", "mms"]:
        """Whose archive it is."""
        return self.archive.server

    @property
    def fields(self) -> dict[str, Any]:
        """The manifest's fields."""
        return self.archive.fields

    @property
    def members(self) -> Sequence[CheckedFile]:
        """The files."""
        return self.archive.members

    @cached_property
    def by_path(self) -> dict[PurePosixPath, CheckedFile]:
        """The files by their paths in the archive."""
        return {member.path: member for member in self.members}

    def text_field(self, field: str) -> str:
        """What the manifest says of the model under a name, or empty."""
        model = self.fields.get("model")
        value = model.get(field) if isinstance(model, dict) else None
        return str(value) if isinstance(value, (str, int, float)) else ""

    def named_file(self, field: str) -> CheckedFile | None:
        """The file that the manifest names in a field, such as ``serializedFile``, if it names one that is there."""
        name = self.text_field(field)
        return self.by_path.get(PurePosixPath(name)) if name else None

    @property
    def runs_python3(self) -> bool:
        """Whether the handler is Python that this one can judge: not python2, and not the LSP runtime's C++."""
        return self.fields.get("runtime", "python") in ("python", "python3")

    @cached_property
    def roots(self) -> tuple[PurePosixPath, ...]:
        """The folders of the archive in which a worker looks for a module, before any of Python's, in their order.

        The root is the last of them. Both servers' front ends put before it what stands before the colon of the
        handler, without its last part where that has folders; Multi Model Server does so where there is no colon too,
        and keeps it whole. What is no folder is no harm.
        """
        text, colon, _ = self.text_field("handler").partition(":")
        if colon:
            return tuple(dict.fromkeys([PurePosixPath(text.rpartition("/")[0] or text), _ROOT]))
        return (PurePosixPath(text), _ROOT) if self.server == "mms" and text else (_ROOT,)

    @cached_property
    def handler(self) -> HandlerReference:
        """The handler."""
        given = self.text_field("handler")
        text, _, function = given.partition(":")
        module = text.removesuffix(".py").rpartition("/")[2]
        found = next((path for folder in self.roots if (path := self.importable(module, folder))), None)
        meant = found or packed_module(text, self.by_path)
        return HandlerReference(
            given=given,
            module=module,
            function=function or "handle",
            is_named=bool(function),
            member=self.by_path.get(meant) if meant else None,
            is_reachable=found is not None,
        )

    def importable(self, module: str, folder: PurePosixPath = _ROOT) -> PurePosixPath | None:
        """The file that ``import module`` finds with a folder of the archive on the path.

        Args:
            module: a dotted name.
            folder: of the archive.
        """
        *packages, name = module.split(".")
        if len(packages) >= _LONGEST_NAME:
            return None
        for package in packages:
            folder = folder / package
            if PurePosixPath(f"{folder}.py") in self.by_path and folder / "__init__.py" not in self.by_path:
                return None  # the module comes before a folder that is no package, and holds no other
        candidates = (folder / name / "__init__.py", folder / f"{name}.py")  # in Python's own order
        return next((path for path in candidates if path in self.by_path), None)

    def text(self, member: CheckedFile) -> bytes | None:
        """All bytes of a file that is read as a text; None where they are too many, or were not kept."""
        try:
            return read_text(member)
        except NotSampledError:
            return None

    def parsed(self, member: CheckedFile) -> PythonModule | None:
        """The source of a module; None where it does not parse, is no text, or was not kept."""
        from model_archiver.checks.sources.python_module import BrokenSourceError  # noqa: PLC0415 - not for a built-in handler

        try:
            return self.parse(member)
        except (BrokenSourceError, NotSampledError):
            return None

    def parse(self, member: CheckedFile) -> PythonModule:
        """The source of a module.

        Raises:
            BrokenSourceError: it does not parse.
            NotKeptError: it cannot be judged.
        """
        from model_archiver.checks.sources.python_module import PythonModule  # noqa: PLC0415

        if member.path not in self._parsed:
            self._parsed[member.path] = PythonModule.parse(member.display_path, read_text(member))
        return self._parsed[member.path]

    @cached_property
    def _parsed(self) -> dict[PurePosixPath, PythonModule]:
        return {}

    @cached_property
    def handler_source(self) -> PythonModule | None:
        """The handler's module, where it is one of the archive that this Python can judge and the server finds."""
        handler = self.handler
        if handler.member is None or not handler.is_reachable or not self.runs_python3:
            return None
        return self.parsed(handler.member)

    @cached_property
    def handler_names(self) -> ModuleNames | None:
        """What the handler's module binds, where `handler_source` is there."""
        source, member = self.handler_source, self.handler.member
        if source is None or member is None:
            return None
        from model_archiver.checks.sources.module_names import ModuleNames  # noqa: PLC0415 - not for a built-in handler

        return ModuleNames.of(source, member.path.name)

    @cached_property
    def following(self) -> InheritedHandler | None:
        """How the handler loads its weights, where it certainly does so as TorchServe's own handlers do."""
        from model_archiver.checks.following import following  # noqa: PLC0415

        return following(self) if self.server == "torchserve" and self.runs_python3 else None


def read_text(member: CheckedFile) -> bytes:
    """All bytes of a file that is read as a text.

    Raises:
        NotKeptError: they are too many, or were not kept.
    """
    if member.size > LARGEST_TEXT:
        raise NotSampledError
    with member.open() as file:
        return file.read(LARGEST_TEXT + 1)
