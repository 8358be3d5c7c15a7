"""One packaging request: what a command line, or a caller in Python, asks for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Union

StrPath = Union[str, "os.PathLike[str]"]
Paths = StrPath | Sequence[StrPath]


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
        target: the platform whose layout the output has: ``torchserve``, ``kserve``, ``vertex`` or ``sagemaker``.
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
    deflate: Literal["auto", "always", "never"] = "auto"
    link: bool = False
    jobs: int | None = None
    strict: bool = False
    checks: bool = True
    server: Literal["torchserve", "mms"] = "torchserve"
    target: Literal["torchserve", "kserve", "vertex", "sagemaker"] = "torchserve"

    @classmethod
    def from_args(cls, args: object) -> ModelArchiverConfig:
        """The request that an object's attributes describe.

        Args:
            args: anything with some of the fields as attributes: a namespace, a config, a caller's own class.
                A field that it lacks, or that is None or blank, has its default.
        """
        given: dict[str, Any] = {field.name: getattr(args, field.name, None) for field in fields(cls)}
        present = {name: value for name, value in given.items() if not _is_absent(value)}
        return cls(**{"model_name": "", **present})


def _is_absent(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def as_list(value: Paths | None) -> list[StrPath]:
    """The values of a field that takes one value or several, without those that are absent."""
    values = [value] if value is None or isinstance(value, (str, os.PathLike)) else value
    return [path for path in values if path is not None and not _is_absent(path)]
