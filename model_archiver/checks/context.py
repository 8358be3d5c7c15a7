"""What every check is given: an archive, or the plan of one, with the questions that several checks ask of it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from pathlib import PurePosixPath

from model_archiver.core.manifest import model_of
from model_archiver.core.plan import Member, Plan
from model_archiver.core.problems import LARGEST_CONFIG, LARGEST_TEXT, NotSampledError, Problem
from model_archiver.core.record import Record
from model_archiver.planning.handler import BUILT_IN, packed_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    from model_archiver.checks.source import Outline
    from model_archiver.checks.weights_file import WeightsFile
    from model_archiver.planning.yaml_file import YamlMapping
    from model_archiver.reading.content import SampledFile
    from model_archiver.reading.opening import OpenedArchive

# As text, because a build does not import what reads archives.
CheckedFile: TypeAlias = "Member | SampledFile"
"""A file of a plan or of an opened archive; `display_path` is how a person knows it."""
CheckedArchive: TypeAlias = "Plan | OpenedArchive"

_ROOT = PurePosixPath()
_MOST_PACKAGES = 50  # in a dotted name: no real name has more, and each costs a look-up
_MOST_PYTHON = 1 << 25  # bytes of the Python files that are searched

# The modules of ts.torch_handler, each with its handler class and the bases of that.
_CLASSES = {
    "base_handler": ("BaseHandler",),
    "vision_handler": ("VisionHandler", "BaseHandler"),
    "text_handler": ("TextHandler", "BaseHandler"),
    "image_classifier": ("ImageClassifier", "VisionHandler", "BaseHandler"),
    "image_segmenter": ("ImageSegmenter", "VisionHandler", "BaseHandler"),
    "object_detector": ("ObjectDetector", "VisionHandler", "BaseHandler"),
    "text_classifier": ("TextClassifier", "TextHandler", "BaseHandler"),
    "densenet_handler": ("DenseNetHandler",),
}


class HandlerReference(Record):
    """The handler as the server resolves it (ts/model_loader.py, `_load_handler_file`; mms/model_loader.py, `load`)."""

    given: str  # the handler field of the manifest
    module: str  # that the server imports
    function: str  # the attribute of the module that the server asks for; "handle" if the manifest names none
    file: CheckedFile | None  # what is imported, or meant if the server does not find it; None: built in, or not packed
    is_reachable: bool  # whether the server finds the file under `module`

    @property
    def built_in(self) -> str | None:
        """Return the name of the built-in handler, or None for any other handler."""
        return self.module if self.file is None and self.given in BUILT_IN else None

    @property
    def display_path(self) -> str:
        """Return the path of the handler file, or else the handler field."""
        return self.file.display_path if self.file else self.given


class InheritedHandler(Record):
    """A handler that certainly loads its weights as TorchServe's own handlers do."""

    classes: frozenset[str]  # TorchServe's classes whose ``initialize`` runs, such as BaseHandler
    # What the handler's own class sets, without its ``initialize``, which certainly calls the one of TorchServe.
    overridden: frozenset[str] = frozenset()

    def runs(self, method: str, of: str = "BaseHandler") -> bool:
        """Return whether a method of one of TorchServe's classes runs unchanged."""
        return of in self.classes and method not in self.overridden


class CheckContext:
    """An archive or a plan, with the questions that the checks ask of it."""

    def __init__(self, archive: CheckedArchive) -> None:
        self.name = archive.name
        self.server = archive.server
        self.fields = archive.fields  # of the manifest
        self.members = archive.members
        self._parsed: dict[PurePosixPath, Outline | SyntaxError | None] = {}

    @cached_property
    def by_path(self) -> dict[PurePosixPath, CheckedFile]:
        """Return the files by their paths in the archive."""
        return {file.path: file for file in self.members}

    def text_field(self, field: str) -> str:
        """Return a field of the manifest's ``model`` as a string, or an empty string if it is absent."""
        value = model_of(self.fields).get(field)
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
        """Return the folders of the archive in which a worker looks for a module, the root last.

        The front ends add the part of the handler before its colon, without its last part if it has folders; Multi
        Model Server adds it without a colon too, and keeps all of it (EnvironmentUtils.java, `getEnvString`).
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
        return HandlerReference(given, module, function or "handle", file, found is not None)

    def importable(self, module: str, folder: PurePosixPath = _ROOT) -> PurePosixPath | None:
        """Return the file that the import of a dotted name finds if a folder of the archive is on the path."""
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
        if file.size <= LARGEST_TEXT:
            with suppress(NotSampledError), file.open() as opened:
                return opened.read(LARGEST_TEXT + 1)
        return None

    def mentioned(self, words: Iterable[bytes]) -> set[bytes]:
        """Return the words that the Python files contain; all of them if the files are too large to be searched."""
        files = [file for file in self.members if file.path.suffix == ".py"]
        texts = map(self.text, files) if sum(file.size for file in files) <= _MOST_PYTHON else (None,)
        wanted, found = set(words), set[bytes]()
        for text in texts if wanted else ():
            found |= {word for word in wanted - found if text is None or word in text}
        return found

    def parsed(self, file: CheckedFile) -> Outline | SyntaxError | None:
        """Return the outline of a Python file, or why no Python accepts it; None if it cannot be judged."""
        if file.path not in self._parsed:
            from model_archiver.checks.source import read_outline  # noqa: PLC0415 - not for a built-in handler

            text, is_package = self.text(file), file.path.name == "__init__.py"
            self._parsed[file.path] = None if text is None else read_outline(text, is_package=is_package)
        return self._parsed[file.path]

    def outline(self, file: CheckedFile) -> Outline | None:
        """Return the outline of a Python file, or None if it does not parse or cannot be judged."""
        parsed = self.parsed(file)
        return None if isinstance(parsed, SyntaxError) else parsed

    @cached_property
    def handler_outline(self) -> Outline | None:
        """Return the outline of the handler file, if the archive has one that the server finds and Python 3 runs."""
        handler = self.handler
        return self.outline(handler.file) if handler.file and handler.is_reachable and self.runs_python3 else None

    @cached_property
    def inherited(self) -> InheritedHandler | None:
        """Return how the handler loads its weights, if that is certainly the way of TorchServe's own handlers."""
        if self.server != "torchserve" or not self.runs_python3:
            return None
        if self.handler.built_in in _CLASSES:
            return InheritedHandler(frozenset(_CLASSES[self.handler.built_in]))
        outline = self.handler_outline
        if outline is None or not outline.lacks(self.handler.function) or outline.only_class is None:
            return None
        bases = [base for base in outline.only_class.bases if base not in ("abc.ABC", "builtins.object")]
        known = {f"ts.torch_handler.{module}.{names[0]}": names for module, names in _CLASSES.items()}
        classes = [known.get(base, ()) for base in bases]
        if not bases or () in classes or any(path.parts[0] in ("ts", "ts.py") for path in self.by_path):
            return None
        overridden = outline.only_class.overridden - {"initialize"}
        return InheritedHandler(frozenset().union(*classes), overridden) if outline.inherits_initialize else None

    @cached_property
    def weights(self) -> WeightsFile | None:
        """Return what the weights file is, if the archive has one whose bytes can be read."""
        from model_archiver.checks.weights_file import read_weights  # noqa: PLC0415 - not every archive has weights

        file = self.named_file("serializedFile")
        return read_weights(file) if file else None

    @cached_property
    def config(self) -> YamlMapping | Problem | None:
        """Return the settings of the config file, or why the server rejects it; None if the server reads none."""
        file = self.named_file("configFile")
        if file is None or file.size > LARGEST_CONFIG or self.server != "torchserve" or not self.runs_python3:
            return None
        from model_archiver.planning.yaml_file import read_yaml  # noqa: PLC0415 - PyYAML is slow to load

        raw = self.text(file)
        return None if raw is None else read_yaml(raw, file.display_path)
