"""What the platforms around the servers want to find below the export path: ``--target``, in one place.

The rules are those of the platforms' own start scripts:

* KServe mounts one folder for TorchServe, with ``config/config.properties`` and ``model-store/``; of the latter it sees
  only files whose single suffix is ``.mar``.
* Vertex AI's prebuilt PyTorch containers serve one file, which is called ``model.mar``.
* SageMaker unpacks a ``.tar.gz`` itself, installs ``code/requirements.txt`` and imports handlers from ``code/``. The
  archive's manifest, where there is one, wins over ``code/inference.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path, PurePosixPath

from model_archiver.archive_format import ArchiveFormat
from model_archiver.planning.findings import Findings
from model_archiver.planning.handler import Handler, split_function
from model_archiver.planning.plan import Member

_CODE = PurePosixPath("code")
_REQUIREMENTS = "--requirements-file"


class Platform(str, Enum):
    """The value of ``--target``."""

    TORCHSERVE = "torchserve"
    KSERVE = "kserve"
    VERTEX = "vertex"
    SAGEMAKER = "sagemaker"

    @property
    def layout(self) -> Layout:
        """Where everything goes."""
        return _LAYOUTS[self]


@dataclass(frozen=True)
class Layout:
    """Where a platform looks for what.

    Attributes:
        folder: the folder of the archive, below the export path.
        fixed_name: the archive's name without its suffix; None for the model's name.
        formats: the forms that the platform takes. The first one is meant where ``default`` is asked for.
        dots: whether the archive's name may hold dots.
        top: whether everything in a tar lies below one folder, as TorchServe needs it to open the file itself.
        code: whether handler and requirements lie in ``code/``.
    """

    folder: PurePosixPath = PurePosixPath()
    fixed_name: str | None = None
    formats: tuple[ArchiveFormat, ...] = tuple(reversed(ArchiveFormat))
    dots: bool = True
    top: bool = True
    code: bool = False


_MAR = (ArchiveFormat.DEFAULT, ArchiveFormat.ZIP_STORE)
_LAYOUTS = {
    Platform.TORCHSERVE: Layout(),
    Platform.KSERVE: Layout(PurePosixPath("model-store"), formats=_MAR, dots=False),
    Platform.VERTEX: Layout(fixed_name="model", formats=_MAR),
    Platform.SAGEMAKER: Layout(fixed_name="model", formats=(ArchiveFormat.TGZ,), top=False, code=True),
}


def platform_format(platform: Platform, given: ArchiveFormat, findings: Findings) -> ArchiveFormat:
    """The form of the output; a finding where the platform does not take the one that was asked for."""
    formats = platform.layout.formats
    if given in formats:
        return given
    if given is not ArchiveFormat.DEFAULT:
        message = f"{platform.value} does not take this format"
        hint = f"choose {' or '.join(taken.value for taken in formats)}, or leave it out"
        findings.error("platform-format", message, hint, path=f"--archive-format {given.value}")
    return formats[0]


def check_platform_name(platform: Platform, name: str, findings: Findings) -> None:
    """A finding for a model whose archive the platform would not see."""
    if "." in name and not platform.layout.dots:
        message = f"{platform.value} does not see an archive whose name holds a dot before .mar"
        hint = "choose a name without dots; the version has a flag of its own, --version"
        findings.error("platform-name", message, hint, path=f"--model-name {name}")


def platform_handler(platform: Platform, handler: Handler) -> Handler:
    """The handler as the manifest names it on the platform.

    A file in ``code/`` is found by its path if a function is named too, be it ``handle``, which a class may have
    instead: TorchServe's front end then puts its folder on the path.
    """
    if handler.file is None or not platform.layout.code:
        return handler
    _, function = split_function(handler.entry)
    return replace(handler, entry=f"{_CODE / handler.file.name}{function or ':handle'}")


def platform_members(platform: Platform, members: Iterable[Member]) -> list[Member]:
    """The files that have a flag of their own, where the platform looks for them."""
    if not platform.layout.code:
        return list(members)
    return [_in_code(member) for member in members]


def platform_path(platform: Platform, flag: str, path: Path) -> PurePosixPath:
    """Where a file that a flag names lies in the archive."""
    if platform.layout.code and flag == _REQUIREMENTS:
        return _CODE / "requirements.txt"
    return _CODE / path.name if platform.layout.code and flag == "--handler" else PurePosixPath(path.name)


def _in_code(member: Member) -> Member:
    return replace(member, path=platform_path(Platform.SAGEMAKER, member.flag, Path(member.path)))
