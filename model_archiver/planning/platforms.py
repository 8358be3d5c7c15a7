"""What the platforms around the servers need below the export path: ``--target``, in one place.

The rules are those of the platforms' own start scripts:

* KServe mounts one folder for TorchServe, with ``config/config.properties`` and ``model-store/``; in the latter it sees
  folders, and files whose single suffix is ``.mar``.
* Vertex AI's prebuilt PyTorch containers serve one file with the name ``model.mar``.
* SageMaker unpacks a ``.tar.gz`` itself, installs ``code/requirements.txt`` and imports handlers from ``code/``. The
  archive's manifest, if there is one, wins over ``code/inference.py``.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from model_archiver.core.problems import error
from model_archiver.core.record import Record
from model_archiver.core.request import ArchiveFormat, Platform
from model_archiver.planning.handler import split_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from model_archiver.core.plan import Member
    from model_archiver.core.problems import ProblemList
    from model_archiver.core.request import ModelArchiverConfig
    from model_archiver.planning.handler import Handler

KSERVE_STORE = "/mnt/models/model-store"
_CODE = PurePosixPath("code")
_SCRIPT = rb"(?m)^def (model|input|predict|output|transform)_fn\("  # of SageMaker's script mode


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
    """Check that the platform would serve no other code than the handler that the manifest names.

    Raises:
        ModelArchiverError: there is such code, and no handler was given.
    """
    for member in packed if LAYOUTS[platform].has_code and not config.handler else ():
        if member.path.parent != _CODE or member.path.suffix != ".py":
            continue
        with member.open() as file:
            text = file.read()
        is_default = member.path.name == "inference.py"
        if re.search(_SCRIPT, text) or (is_default and not re.search(rb"\bhandle\b", text)):
            message = "is a script of SageMaker's script mode, which needs no model archive"
            raise error("platform-handler", message, _tar_command(config, member, packed), member.source.path)
        if is_default:
            message = "is not used, because the manifest names the handler"
            hint = f"to use it, name it and its function: --handler {member.path}:handle"
            raise error("platform-handler", message, hint, member.source.path)


def _tar_command(config: ModelArchiverConfig, script: Member, packed: list[Member]) -> str:
    """Return how to pack what SageMaker serves without a manifest: the folder in which the script's folder is."""
    import shlex  # noqa: PLC0415 - only for this error

    root, weights = script.source.path.parent.parent, Path(config.serialized_file or "")
    names = sorted({member.path.parts[0] for member in packed} | {*weights.parts[-1:]})
    begin = f"put {weights} into {root}, then " if weights.name and weights.parent != root else ""
    return f"{begin}run {shlex.join(['tar', '-czf', 'model.tar.gz', '-C', str(root), *names])}"


def handler_for(platform: Platform, handler: Handler) -> Handler:
    """Return the handler as the manifest names it on the platform.

    A file in ``code/`` is found by its path only if a function is named too: TorchServe's front end then puts its
    folder on the path. ``handle`` may be the method of a class instead.
    """
    if handler.file is None or not LAYOUTS[platform].has_code:
        return handler
    _, function = split_function(handler.manifest_name)
    return handler.replace(manifest_name=f"{_CODE / handler.file.name}{function or ':handle'}")


def path_for(platform: Platform, flag: str, name: str) -> PurePosixPath:
    """Return the path in the archive of the file that a flag names; `name` is the file's own name."""
    if LAYOUTS[platform].has_code and flag == "--requirements-file":
        return _CODE / "requirements.txt"
    return _CODE / name if LAYOUTS[platform].has_code and flag == "--handler" else PurePosixPath(name)
