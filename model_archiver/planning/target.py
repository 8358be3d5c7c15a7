"""Where the output goes, and whether it may go there."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from model_archiver import reproducible
from model_archiver.archive_format import ArchiveFormat, Platform
from model_archiver.manifest_components.manifest import MANIFEST_PATH
from model_archiver.model_archiver_config import ModelArchiverConfig
from model_archiver.planning.findings import Findings
from model_archiver.planning.former import FormerFolder
from model_archiver.planning.kserve import is_config, plan_config
from model_archiver.planning.plan import Member, Plan, Target
from model_archiver.planning.platforms import LAYOUTS, check_platform_name
from model_archiver.sums import SUMS_PATH


def choose_target(
    config: ModelArchiverConfig, platform: Platform, archive_format: ArchiveFormat, findings: Findings, *, named: bool
) -> Target:
    """The output's path, a link followed to where it leads; what stands in its way is a finding.

    Args:
        config: the request.
        platform: the platform whose layout the output has.
        archive_format: the form of the output.
        findings: takes what is wrong.
        named: whether the model's name is one that can be part of a path.
    """
    layout = LAYOUTS[platform]
    folder = _export_path(config)
    if named:
        check_platform_name(platform, config.model_name, findings)
    name = layout.fixed_name or (config.model_name if named else "unnamed")
    path = Path(os.path.realpath(folder / layout.folder / f"{name}{archive_format.suffix}"))
    in_place = archive_format is ArchiveFormat.NO_ARCHIVE and _is_model_path(path, config)
    target = Target(path, config.force, in_place)
    if folder.parts[:1] == ("~",) and not folder.exists():
        message = "begins with a ~ that the shell left as it is (--export-path)"
        findings.error("export-path-invalid", message, "write $HOME for it", path=folder)
    elif _check_folder(path.parent, findings) and named:
        otherwise = "--export-path" if layout.fixed_name else "--model-name or --export-path"
        _check_former(target, archive_format, f"choose another {otherwise}", findings)
    return target


def check_in_place(target: Target, members: Iterable[Member], findings: Findings) -> None:
    """A build in place copies nothing: whatever it is to hold must lie in the folder already."""
    for member in members:
        try:
            lies_there = (target.path / member.path).samefile(member.source.path)
        except OSError:
            lies_there = False
        if not lies_there:
            message = f"is not in {target.path}, where only a manifest is written ({member.flag})"
            hint = "put it there yourself, or choose another --export-path"
            findings.error("in-place-elsewhere", message, hint, path=member.source.path)


def check_laid_over(target: Target, members: Iterable[Member], findings: Findings) -> None:
    """What stands in the way of the members in an existing folder that is not only a former build's."""
    if target.path.is_dir():
        former = FormerFolder(target.path)
        of_the_build = [PurePosixPath(MANIFEST_PATH), PurePosixPath(SUMS_PATH)]
        findings.extend(former.in_the_way([*(member.path for member in members), *of_the_build], former.sums))


def plan_companions(
    config: ModelArchiverConfig, platform: Platform, plan: Plan, version: str, findings: Findings
) -> Plan:
    """The plan with what the platform wants beside the archive.

    Args:
        config: the request.
        platform: the platform.
        plan: of the archive, whose manifest names the model and its version.
        version: the model's where the manifest names none.
        findings: takes what stands in the way.
    """
    path = _config_path(config, platform)
    if path is None or not _check_folder(path.parent, findings):
        return plan
    model = plan.fields.get("model", {})
    name, version = str(model.get("modelName") or config.model_name), str(model.get("modelVersion") or version)
    # By the name that the server sees, which may be a link's.
    archive = _export_path(config) / LAYOUTS[platform].folder / f"{config.model_name}{plan.archive_format.suffix}"
    return replace(plan, companions=(plan_config(path, name, version, archive, findings),))


def former_outputs(
    config: ModelArchiverConfig, platform: Platform, target: Target, archive_format: ArchiveFormat
) -> set[tuple[int, int]]:
    """Device and inode of what former builds of the same name, in any format, have left at and beside the target.

    What builds for other platforms have left below the export path counts too.
    """
    name = target.path.name.removesuffix(archive_format.suffix)
    beside = {target.path.with_name(f"{name}{other.suffix}") for other in ArchiveFormat}
    ours = {path for path in beside if path == target.path or _is_former_output(path, f"{name}/")}
    for other, layout in LAYOUTS.items():
        path = _config_path(config, other)
        if path is not None and (other is platform or is_config(path)):
            ours.add(path)
        if not layout.has_top:
            folder = _export_path(config) / layout.folder
            paths = {folder / f"{layout.fixed_name or config.model_name}{form.suffix}" for form in layout.formats}
            ours |= {path for path in paths if _is_former_output(path, "")}
    outputs = set()
    for path in ours:
        with suppress(OSError):  # there is none, or there can be none of so long a name
            status = path.stat()
            outputs.add((status.st_dev, status.st_ino))
    return outputs


def _export_path(config: ModelArchiverConfig) -> Path:
    return Path(config.export_path or Path.cwd())


def _config_path(config: ModelArchiverConfig, platform: Platform) -> Path | None:
    """Where the server's configuration goes, a link followed to where it leads."""
    below = LAYOUTS[platform].config
    return None if below is None else Path(os.path.realpath(_export_path(config) / below))


def _is_former_output(path: Path, top: str) -> bool:
    """Whether a build made this, and not a user something of their own that is called so.

    Args:
        path: a folder or a tar.
        top: what the names in a tar begin with.
    """
    try:
        status = path.stat()
    except OSError:
        return False
    if stat.S_ISDIR(status.st_mode):
        return (path / MANIFEST_PATH).is_file()
    if not stat.S_ISREG(status.st_mode):
        return False
    import tarfile  # noqa: PLC0415 - there is seldom something to look at

    try:
        with tarfile.open(path, "r:gz") as archive:
            first = archive.next()
    except (OSError, EOFError, tarfile.TarError, zlib.error):
        return False
    return first is not None and first.name.startswith(top) and first.mtime == reproducible.TIME


def _is_model_path(path: Path, config: ModelArchiverConfig) -> bool:
    if config.model_path is None:
        return False
    model_path = Path(config.model_path)
    return path.is_dir() and model_path.is_dir() and path.samefile(model_path)


def _check_folder(folder: Path, findings: Findings) -> bool:
    """Whether the export path is a folder that can be written to, or can be made."""
    existing = folder
    while not os.path.lexists(existing) and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        what = "is a file" if existing.is_file() else "is not a folder"
        findings.error("export-path-invalid", f"{what} (--export-path)", "name a folder", path=existing)
        return False
    if not os.access(existing, os.W_OK | os.X_OK):
        message = "may not be written to (--export-path)"
        findings.error("export-path-invalid", message, "choose a folder of yours", path=existing)
        return False
    return True


def _check_former(target: Target, archive_format: ArchiveFormat, otherwise: str, findings: Findings) -> None:
    path = target.path
    if not os.path.lexists(path):
        return
    if target.in_place:
        if (path / MANIFEST_PATH).exists() and not target.replace:
            findings.error("target-exists", "exists already", "-f replaces it", path=path / MANIFEST_PATH)
    elif path.exists() and not path.is_dir() and not path.is_file():
        message = "is neither a file nor a folder, and the output goes there"
        findings.error("target-in-the-way", message, otherwise, path=path)
    elif path.is_dir() != (archive_format is ArchiveFormat.NO_ARCHIVE):
        what = "a folder" if path.is_dir() else "a file"
        message = f"is {what}, and the output goes there"
        findings.error("target-in-the-way", message, "remove it, or choose another --export-path", path=path)
    elif not target.replace:
        findings.error("target-exists", "exists already", f"-f replaces it; or {otherwise}", path=path)
