"""One packaging request: what a command line, or a caller in Python, asks for."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Union

from model_archiver.archive_format import Deflate
from model_archiver.issue import Issue
from model_archiver.model_archiver_error import ModelArchiverError

StrPath = Union[str, "os.PathLike[str]"]
Paths = StrPath | Sequence[StrPath]
Server = Literal["torchserve", "mms"]


@dataclass
class ModelArchiverConfig:
    """Everything that can be asked of the archiver; each field is the flag of the same name.

    An empty text means the same as a value that was not given. Paths may be texts or path objects and are
    taken relative to the working directory at the time of the build.

    Attributes:
        model_name: the name under which the server knows the model, and the name of the output.
        handler: a built-in handler, a file, or a module of a packed folder, with ``:function`` where wanted;
            None stands for ``base_handler``.
        version: the model's version; None stands for ``1.0``.
        serialized_file: the weights.
        model_file: the Python file that defines the model class.
        extra_files: files, folders and patterns; each text may be a comma-separated list of them.
        runtime: ``python``, ``python2``, ``python3`` or ``LSP``.
        export_path: the folder for the output; None stands for the working directory.
        archive_format: ``default``, ``zip-store``, ``tgz`` or ``no-archive``.
        force: replace an existing output.
        requirements_file: Python requirements of the model.
        config_file: the model's configuration, YAML.
        model_path: a folder that is packed with its tree.
        include: files and folders that are packed under their own names.
        exclude: patterns of what is left out of walked folders.
        deflate: ``auto`` deflates what shrinks by a quarter or more, ``always`` everything, ``never`` nothing.
        link: make hard links instead of copies; for ``no-archive`` only.
        jobs: how many cores to use; None stands for all that this process may use.
        strict: refuse to build where there is a warning.
        checks: look for what would not serve.
        server: whose archive it is, ``torchserve`` or ``mms``.
    """

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

    @classmethod
    def from_args(cls, args: object) -> ModelArchiverConfig:
        """The request that an object's attributes describe.

        Args:
            args: anything with some of the fields as attributes: a namespace, a config, a caller's own class.
                A field that it lacks, or that is None or blank, has its default.

        Raises:
            ModelArchiverError: fields have values of a kind that they do not take; it names all of them.
        """
        given: dict[str, Any] = {field.name: getattr(args, field.name, None) for field in fields(cls)}
        present: dict[str, Any] = {name: _settled(value) for name, value in given.items() if not _is_absent(value)}
        issues = [issue for name, value in present.items() for issue in _wrong_kind(name, value)]
        if issues:
            raise ModelArchiverError(issues=issues)
        return cls(**{"model_name": "", **present})


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def _settled(value: object) -> object:
    """The value; of an iterable that gives its items once, as a generator does, all of them."""
    if isinstance(value, Iterable) and not isinstance(value, (str, bytes, os.PathLike, Sequence, Mapping)):
        return list(value)
    return value


def _wrong_kind(name: str, value: object) -> Iterable[Issue]:
    """What is wrong with a value as such. Whether a text is one of a few choices is looked at where they are known."""
    is_right, kind = _KINDS.get(name, (_is_anything, ""))
    if not is_right(value):
        yield Issue("error", "value-invalid", f"does not take {value!r}", f"give {kind}", name)


def _is_anything(_: object) -> bool:
    return True


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_version(value: object) -> bool:
    if isinstance(value, str):
        return value == value.encode("utf-8", "replace").decode("utf-8")
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_switch(value: object) -> bool:
    return isinstance(value, int)


def _is_path(value: object) -> bool:
    text = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    return isinstance(text, str) and "\0" not in text


def _is_paths(value: object) -> bool:
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return all(item is None or _is_path(item) for item in value)
    return _is_path(value)


_Kind = tuple[Callable[[object], bool], str]
_PATH: _Kind = (_is_path, "a path: a text without NUL, or a path object")
_PATHS: _Kind = (_is_paths, "a path or a list of paths: texts without NUL, or path objects")
_SWITCH: _Kind = (_is_switch, "True or False")
_KINDS: dict[str, _Kind] = {
    "model_name": (_is_text, "a text"),
    "version": (_is_version, "a number, or a text that is UTF-8"),
    **dict.fromkeys(("handler", "serialized_file", "model_file", "export_path"), _PATH),
    **dict.fromkeys(("requirements_file", "config_file", "model_path"), _PATH),
    **dict.fromkeys(("extra_files", "include", "exclude"), _PATHS),
    **dict.fromkeys(("force", "link", "strict", "checks"), _SWITCH),
}
"""What the fields take that could be of a wrong kind, and how that is said."""


def as_list(value: Paths | None) -> list[StrPath]:
    """The values of a field that takes one value or several, without those that are absent."""
    values = [value] if value is None or isinstance(value, (str, os.PathLike)) else value
    return [path for path in values if path is not None and not _is_absent(path)]
