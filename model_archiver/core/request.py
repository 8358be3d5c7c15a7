"""What is asked of the archiver: one packaging request, and the values that its flags take."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import Enum

from model_archiver.core.problems import Problem, raise_errors
from model_archiver.core.record import Record
from model_archiver.core.text import expand_home

StrPath = str | os.PathLike[str]

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from typing import Any, Literal, Protocol, TypeAlias

    from typing_extensions import Self

    class HasModelName(Protocol):
        """An object of the caller's, with this field of a request and perhaps others as attributes."""

        @property
        def model_name(self) -> object:
            """The name of the model."""


Request: TypeAlias = "ModelArchiverConfig | Namespace | HasModelName"
Paths: TypeAlias = "StrPath | Sequence[StrPath]"
Server: TypeAlias = "Literal['torchserve', 'mms']"
Deflate: TypeAlias = "Literal['auto', 'always', 'never']"
DEFLATE = ("auto", "always", "never")  # which members of a ``.mar`` are deflated where the format leaves the choice


class ArchiveFormat(str, Enum):
    """The value of ``--archive-format``."""

    DEFAULT = "default"
    ZIP_STORE = "zip-store"
    TGZ = "tgz"
    NO_ARCHIVE = "no-archive"

    @property
    def suffix(self) -> str:
        """What follows the model's name in the name of the output."""
        return {"tgz": ".tar.gz", "no-archive": ""}.get(self.value, ".mar")

    @property
    def kind(self) -> str:
        """What the output is: ``mar``, ``tgz`` or ``folder``."""
        return {"tgz": "tgz", "no-archive": "folder"}.get(self.value, "mar")


class Platform(str, Enum):
    """The value of ``--target``."""

    TORCHSERVE = "torchserve"
    KSERVE = "kserve"
    VERTEX = "vertex"
    SAGEMAKER = "sagemaker"


class _OfDataclass:
    """An attribute that marks a class as a dataclass; upstream's request class is one."""

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, _: object, owner: type[Record]) -> Any:  # noqa: ANN401 - as in a dataclass
        import dataclasses  # noqa: PLC0415 - its import takes as long as a third of a small build

        defaults = {name: getattr(owner, name, dataclasses.MISSING) for name in owner._fields}
        fields = [(name, object, dataclasses.field(default=default)) for name, default in defaults.items()]
        return vars(dataclasses.make_dataclass(owner.__name__, fields))[self._name]


class ModelArchiverConfig(Record, frozen=False):
    """The settings of a build; each field is the flag of the same name.

    An empty string means the same as no value. Paths may be strings or path objects; they are relative to the current
    folder at the time of the build. A ``~`` at their start means the home folder.

    Attributes:
        model_name: the name by which the server knows the model, and the name of the output.
        handler: a built-in handler, or a file or a module of a packed folder with an optional ``:function``; None means
            ``base_handler``.
        version: the model's version; None means ``1.0``.
        serialized_file: the weights.
        model_file: the Python file that defines the model class.
        extra_files: files, folders and patterns; each string may be a comma-separated list of them.
        runtime: ``python``, ``python2``, ``python3`` or ``LSP``.
        export_path: the folder for the output; None means the current folder.
        archive_format: ``default``, ``zip-store``, ``tgz`` or ``no-archive``.
        force: replace existing output.
        requirements_file: Python requirements of the model.
        config_file: the model's configuration, YAML.
        model_path: a folder that is packed with its tree.
        include: files and folders that are packed under their own names.
        exclude: patterns of what is left out of walked folders.
        deflate: ``auto`` deflates what shrinks by a quarter or more, ``always`` everything, ``never`` nothing.
        link: make hard links instead of copies; for ``no-archive`` only.
        jobs: how many cores to use; None means all available cores.
        strict: do not build if there is a warning.
        checks: check whether the model will serve.
        server: the server that the archive is for, ``torchserve`` or ``mms``.
        target: the platform whose layout the output has: ``torchserve``, ``kserve``, ``vertex`` or ``sagemaker``.
        ignore: codes of warnings to ignore; each string may be a comma-separated list of them.
        samples: a JSON file of requests and expected answers, which is packed as the archive's own test.
        test: run the archive in the server's worker, and write it only if it serves. This runs the model's code.
        test_python: the interpreter that has the server's package, or the folder of a virtual environment.
        test_timeout: the seconds that loading, and each answer, may take; None means what the configuration says.
        install_requirements: for the test, install the model's requirements into a private folder first.
        server_settings: for the target ``kserve``, whole numbers that the server's configuration gives to the model by
            their names there, such as ``minWorkers``.
    """

    __dataclass_fields__ = _OfDataclass()
    __dataclass_params__ = _OfDataclass()
    __match_args__ = _OfDataclass()
    __hash__ = None  # type: ignore[assignment]

    model_name: str
    handler: StrPath | None = None
    version: str | None = None
    serialized_file: StrPath | None = None
    model_file: StrPath | None = None
    extra_files: Paths | None = None
    runtime: str = "python"
    export_path: StrPath | None = None
    archive_format: str = "default"
    force: bool = False
    requirements_file: StrPath | None = None
    config_file: StrPath | None = None
    model_path: StrPath | None = None
    include: Paths = ()
    exclude: str | Sequence[str] = ()
    deflate: Deflate = "auto"
    link: bool = False
    jobs: int | None = None
    strict: bool = False
    checks: bool = True
    server: Server = "torchserve"
    target: Literal["torchserve", "kserve", "vertex", "sagemaker"] = "torchserve"
    ignore: str | Sequence[str] = ()
    samples: StrPath | None = None
    test: bool = False
    test_python: StrPath | None = None
    test_timeout: float | None = None
    install_requirements: bool = False
    server_settings: Mapping[str, int] | None = None

    def __replace__(self, **changes: Any) -> Self:  # noqa: ANN401 - as the fields are annotated
        import dataclasses  # noqa: PLC0415 - its import takes as long as a third of a small build

        return dataclasses.replace(self, **changes)

    def __init_subclass__(cls) -> None:
        """Leave the fields of a subclass to ``@dataclass``, as for any dataclass."""

    @classmethod
    def from_args(cls, args: object) -> ModelArchiverConfig:
        """Return the request that an object's attributes describe.

        Args:
            args: anything that has some of the fields as attributes: a namespace, a config, a class of the caller's.
                A field that is missing, None or only spaces has its default.

        Raises:
            ModelArchiverError: fields have wrong values; all of them are named.
        """
        names = cls._fields if cls is ModelArchiverConfig else cls.__dataclass_fields__
        given = {name: getattr(args, name, None) for name in names}
        values: dict[str, Any] = {name: _as_sequence(value) for name, value in given.items() if not _is_absent(value)}
        problems = [
            Problem("error", "value-invalid", f"does not take {value!r}", f"give {_TYPES[name][1]}", name)
            for name, value in values.items()
            if name in _TYPES and not _TYPES[name][0](value)
        ]
        raise_errors(problems)
        paths = {name: _at_home(name, value) for name, value in values.items() if _TYPES.get(name) is _PATH}
        return cls(**{"model_name": "", **values, **paths})


def as_list(value: Paths | None) -> list[StrPath]:
    """Return the values of a field that takes one value or several, without absent ones."""
    values = [value] if value is None or isinstance(value, (str, os.PathLike)) else value
    return [path for path in values if path is not None and not _is_absent(path)]


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _as_sequence(value: object) -> object:
    """Return the value; an iterator that yields its items only once becomes a list."""
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, os.PathLike, Sequence, Mapping)):
        return list(value)
    return value


def _at_home(name: str, value: StrPath) -> StrPath:
    """Return the value of a field with its ``~`` expanded; a handler may lack the ``.py`` and name a function."""
    text = os.fspath(value)
    module = text.rpartition(":")[0] or text
    if text[:1] != "~" or (name == "handler" and any(map(os.path.lexists, (module, f"{module}.py")))):
        return value
    return expand_home(text)


def _is_version(value: object) -> bool:
    if isinstance(value, str):
        return value == value.encode("utf-8", "replace").decode("utf-8")
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_path(value: object) -> bool:
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    try:
        return isinstance(text, str) and b"\0" not in os.fsencode(text)
    except UnicodeEncodeError:
        return False


def _is_paths(value: object) -> bool:
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return all(item is None or _is_path(item) for item in value)
    return _is_path(value)


def _is_seconds(value: object) -> bool:
    return isinstance(value, (int, float)) and value is not True and 0 < value <= 1e9


_PATH = (_is_path, "a path: a string that can be one, or a path object")
_PATHS = (_is_paths, "a path or a list of paths: strings that can be paths, or path objects")
_SWITCH = (lambda value: isinstance(value, int), "True or False")
_TYPES: dict[str, tuple[Callable[[object], bool], str]] = {
    "model_name": (lambda value: isinstance(value, str), "a string"),
    "version": (_is_version, "a number, or a string that is valid UTF-8"),
    **dict.fromkeys(("handler", "serialized_file", "model_file", "export_path"), _PATH),
    **dict.fromkeys(("requirements_file", "config_file", "model_path", "samples", "test_python"), _PATH),
    **dict.fromkeys(("extra_files", "include", "exclude"), _PATHS),
    "ignore": (_is_paths, "a code or a list of codes"),
    **dict.fromkeys(("force", "link", "strict", "checks", "test", "install_requirements"), _SWITCH),
    "deflate": (lambda value: value in DEFLATE, "auto, always or never"),
    "server": (lambda value: value in ("torchserve", "mms"), "torchserve or mms"),
    "jobs": (lambda value: type(value) is int and value > 0, "a number of cores, 1 or more"),  # True is an int too
    "test_timeout": (_is_seconds, "a number of seconds, more than 0"),
    "server_settings": (lambda value: isinstance(value, Mapping), "a mapping of names to whole numbers"),
}
"""The fields whose value can be wrong: the test, and what to give instead; other choices are checked elsewhere."""
