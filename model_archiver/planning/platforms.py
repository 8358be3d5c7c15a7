"""What the platforms around the servers need below the export path: ``--target``, in one place.

The rules are those of the platforms' own start scripts:

* KServe mounts one folder for TorchServe, with ``config/config.properties`` and ``model-store/``; in the latter it sees
  folders, and files whose single suffix is ``.mar``.
* Vertex AI's prebuilt PyTorch containers serve one file with the name ``model.mar``.
* SageMaker unpacks a ``.tar.gz`` itself, installs ``code/requirements.txt`` and imports handlers from ``code/``. The
  archive's manifest, if there is one, wins over ``code/inference.py``.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from model_archiver.core.plan import Member
from model_archiver.core.problems import ProblemList, error
from model_archiver.core.record import Record
from model_archiver.core.request import ArchiveFormat, ModelArchiverConfig, Platform
from model_archiver.planning.handler import Handler, packed_module, split_function

KSERVE_STORE = "/mnt/models/model-store"
_CODE = PurePosixPath("code")


class Layout(Record):
    """The layout that a platform needs."""

    folder: str = ""  # of the archive, below the export path
    fixed_name: str | None = None  # the archive's name without its suffix; None for the model's name
    formats: tuple[ArchiveFormat, ...] = tuple(ArchiveFormat)  # the first one replaces `default`
    config: PurePosixPath | None = None  # the server's configuration, below the export path; None: it has its own
    has_code: bool = False  # whether handler and requirements are in `code/`; else a tar has one top folder for all


_MAR = (ArchiveFormat.DEFAULT, ArchiveFormat.ZIP_STORE)
LAYOUTS = {
    Platform.TORCHSERVE: Layout(),
    Platform.KSERVE: Layout(
        folder="model-store",
        formats=(*_MAR, ArchiveFormat.NO_ARCHIVE),
        config=PurePosixPath("config/config.properties"),
    ),
    Platform.VERTEX: Layout(fixed_name="model", formats=_MAR),
    Platform.SAGEMAKER: Layout(fixed_name="model", formats=(ArchiveFormat.TGZ,), has_code=True),
}


def format_for(platform: Platform, given: ArchiveFormat, problems: ProblemList) -> ArchiveFormat:
    """Return the format of the output; add an error if the platform does not take the one that was given."""
    formats = LAYOUTS[platform].formats
    if given in formats:
        return given
    if given is not ArchiveFormat.DEFAULT:
        message = f"{platform.value} does not take this format"
        hint = f"choose {' or '.join(taken.value for taken in formats)}, or leave it out"
        problems.error("platform-format", message, hint, path=f"--archive-format {given.value}")
    return formats[0]


def check_platform_name(platform: Platform, name: str, suffix: str, problems: ProblemList) -> None:
    """Add an error for a model whose archive the platform would not see; a folder has no suffix."""
    if "." in name and suffix and platform is Platform.KSERVE:
        message = f"{platform.value} does not see an archive whose name has a dot before .mar"
        hint = "choose a name without dots, and give the version with --version"
        problems.error("platform-name", message, hint, path=f"--model-name {name}")


def check_handler(platform: Platform, config: ModelArchiverConfig, packed: list[Member]) -> None:
    """Raise ModelArchiverError if SageMaker would serve its own kind of script, and no handler was given."""
    script = next((member for member in packed if member.path == _CODE / "inference.py"), None)
    if script is None or config.handler or not LAYOUTS[platform].has_code:
        return
    import shlex  # noqa: PLC0415 - only for this error

    root, weights = script.source.path.parent.parent, Path(config.serialized_file or "")
    names = sorted({member.path.parts[0] for member in packed} | {*weights.parts[-1:]})
    command = shlex.join(["tar", "-czf", "model.tar.gz", "-C", str(root), *names])
    begin = f"put {weights} into {root}, then " if weights.name and weights.parent != root else ""
    message = "is a script of SageMaker's script mode, which needs no model archive"
    hint = f"{begin}run {command}; or, if it is a handler, add --handler {script.path}:handle"
    raise error("platform-handler", message, hint, script.source.path)


def handler_for(platform: Platform, handler: Handler, packed: list[Member], problems: ProblemList) -> Handler:
    """Return the handler as the manifest names it on the platform; add an error if the platform does not find it."""
    module, function = split_function(handler.manifest_name)
    if not LAYOUTS[platform].has_code:
        return handler
    if handler.file is None:
        found = packed_module(module, [member.path for member in packed if len(member.path.parts) == 1])
        if found:
            hint = f"move it to the folder {_CODE}, and give --handler {_CODE / found}{function or ':handle'}"
            problems.error("platform-handler", f"is not in {_CODE}/, where SageMaker looks for it", hint, path=found)
        return handler
    # TorchServe's front end puts code/ on the path only if a function is named too, which may be a class's method.
    return handler.replace(manifest_name=f"{_CODE / handler.file.name}{function or ':handle'}")


def path_for(platform: Platform, flag: str, name: str) -> PurePosixPath:
    """Return the path in the archive of the file that a flag names; `name` is the file's own name."""
    in_code = {"--handler": _CODE / name, "--requirements-file": _CODE / "requirements.txt"}
    return in_code.get(flag, PurePosixPath(name)) if LAYOUTS[platform].has_code else PurePosixPath(name)
