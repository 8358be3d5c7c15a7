"""What the platforms around the servers want to find below the export path: ``--target``, in one place.

The rules are those of the platforms' own start scripts:

* KServe mounts one folder for TorchServe, with ``config/config.properties`` and ``model-store/``; of the latter it sees
  only files whose single suffix is ``.mar``.
* Vertex AI's prebuilt PyTorch containers serve one file, which is called ``model.mar``.
* SageMaker unpacks a ``.tar.gz`` itself, installs ``code/requirements.txt`` and imports handlers from ``code/``. The
  archive's manifest, where there is one, wins over ``code/inference.py``.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from model_archiver.core.record import Record
from model_archiver.core.request import ArchiveFormat, Platform
from model_archiver.planning.handler import split_function

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from model_archiver.core.plan import Member
    from model_archiver.core.problems import ProblemList
    from model_archiver.core.request import ModelArchiverConfig
    from model_archiver.planning.handler import Handler

_CODE = PurePosixPath("code")


class Layout(Record):
    """Where a platform looks for what.

    Attributes:
        folder: the folder of the archive, below the export path.
        fixed_name: the archive's name without its suffix; None for the model's name.
        formats: the forms that the platform takes. The first one is meant where ``default`` is asked for.
        config: the server's configuration, below the export path; None where the platform has its own.
        may_hold_dots: whether the archive's name may hold dots.
        has_top: whether everything in a tar lies below one folder, as TorchServe needs it to open the file itself.
        has_code: whether handler and requirements lie in ``code/``.
    """

    folder: str = ""
    fixed_name: str | None = None
    formats: tuple[ArchiveFormat, ...] = tuple(ArchiveFormat)
    config: PurePosixPath | None = None
    may_hold_dots: bool = True
    has_top: bool = True
    has_code: bool = False


_MAR = (ArchiveFormat.DEFAULT, ArchiveFormat.ZIP_STORE)
LAYOUTS = {
    Platform.TORCHSERVE: Layout(),
    Platform.KSERVE: Layout(
        folder="model-store",
        formats=_MAR,
        config=PurePosixPath("config/config.properties"),
        may_hold_dots=False,
    ),
    Platform.VERTEX: Layout(fixed_name="model", formats=_MAR),
    Platform.SAGEMAKER: Layout(fixed_name="model", formats=(ArchiveFormat.TGZ,), has_top=False, has_code=True),
}
"""Where each platform looks for what."""


def platform_format(platform: Platform, given: ArchiveFormat, problems: ProblemList) -> ArchiveFormat:
    """The form of the output; a finding where the platform does not take the one that was asked for."""
    formats = LAYOUTS[platform].formats
    if given in formats:
        return given
    if given is not ArchiveFormat.DEFAULT:
        message = f"{platform.value} does not take this format"
        hint = f"choose {' or '.join(taken.value for taken in formats)}, or leave it out"
        problems.error("platform-format", message, hint, path=f"--archive-format {given.value}")
    return formats[0]


def check_platform_name(platform: Platform, name: str, problems: ProblemList) -> None:
    """A finding for a model whose archive the platform would not see."""
    if "." in name and not LAYOUTS[platform].may_hold_dots:
        message = f"{platform.value} does not see an archive whose name holds a dot before .mar"
        hint = "choose a name without dots; the version has a flag of its own, --version"
        problems.error("platform-name", message, hint, path=f"--model-name {name}")


def check_platform_handler(
    platform: Platform, config: ModelArchiverConfig, packed: Iterable[Member], problems: ProblemList
) -> None:
    """A finding for code that the platform would serve, were there not the manifest and the handler that it names."""
    inference = [member for member in packed if member.path == _CODE / "inference.py"]
    if LAYOUTS[platform].has_code and inference and not config.handler:
        message = "would not be used: the manifest names a handler, and that wins"
        hint = f"choose with --handler, such as {inference[0].path}:handle if it has that function"
        problems.error("platform-handler", message, hint, path=inference[0].source.path)


def platform_handler(platform: Platform, handler: Handler) -> Handler:
    """The handler as the manifest names it on the platform.

    A file in ``code/`` is found by its path if a function is named too, be it ``handle``, which a class may have
    instead: TorchServe's front end then puts its folder on the path.
    """
    if handler.file is None or not LAYOUTS[platform].has_code:
        return handler
    _, function = split_function(handler.entry)
    return handler.replace(entry=f"{_CODE / handler.file.name}{function or ':handle'}")


def platform_path(platform: Platform, flag: str, name: str) -> PurePosixPath:
    """Where a file that has a flag of its own lies in the archive.

    Args:
        platform: the platform.
        flag: the flag that names the file.
        name: the file's own name.
    """
    if LAYOUTS[platform].has_code and flag == "--requirements-file":
        return _CODE / "requirements.txt"
    return _CODE / name if LAYOUTS[platform].has_code and flag == "--handler" else PurePosixPath(name)
