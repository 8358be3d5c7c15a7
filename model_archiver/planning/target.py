"""Where the output goes, whether it may go there, and what exists there already."""

from __future__ import annotations

import os
import stat
import zlib
from contextlib import suppress
from functools import cached_property
from pathlib import Path, PurePosixPath

from model_archiver.core.entries import TIME
from model_archiver.core.manifest import MANIFEST_PATH, SUMS_PATH
from model_archiver.core.plan import Target
from model_archiver.core.problems import Problem
from model_archiver.core.request import ArchiveFormat
from model_archiver.core.sums import file_sha256, read_sums
from model_archiver.planning.kserve import is_config, plan_config
from model_archiver.planning.platforms import LAYOUTS, check_platform_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator

    from model_archiver.core.plan import Member, Plan
    from model_archiver.core.problems import ProblemList
    from model_archiver.core.request import ModelArchiverConfig, Platform


class ExistingOutput:
    """An existing folder at the target.

    Attributes:
        path: the folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def is_untouched(self) -> bool:
        """Whether everything in it is as a former build left it, and nothing came in since."""
        ours = {*self.sums, PurePosixPath(SUMS_PATH)}
        folders = {parent for path in ours for parent in path.parents}
        return (
            bool(self.sums)
            and set(self._tree(PurePosixPath())) == ours | folders
            and self.unchanged_files() == set(self.sums)
        )

    def snapshot(self) -> dict[PurePosixPath, tuple[int, int, int]]:
        """Inode, size and time of the last change of everything in it: equal as long as nobody writes there."""
        paths = [path for path in self._tree(PurePosixPath()) if path.parts]
        statuses = {path: (self.path / path).lstat() for path in paths}
        return {path: (status.st_ino, status.st_size, status.st_mtime_ns) for path, status in statuses.items()}

    def unchanged_files(self) -> set[PurePosixPath]:
        """The files that a former build wrote and that still have their sums."""
        return set(self._unchanged)

    def in_the_way(self, paths: Iterable[PurePosixPath], removable: Collection[PurePosixPath]) -> Iterator[Problem]:
        """What keeps files from being laid at their paths in this folder.

        Args:
            paths: of the files.
            removable: what will be gone by then.
        """
        told: set[PurePosixPath] = set()
        for path in paths:
            for parent in reversed(path.parents):  # from the top: what lies below an obstacle is no further one
                place = self.path / parent
                if parent in told or (problem := None if parent in removable else _folder_problem(place)):
                    if parent not in told:
                        yield _obstacle(place, f"{problem}, and {path} goes there")
                    told.add(parent)
                    break
            place = self.path / path
            if place.is_dir() and not place.is_symlink() and not self._holds_only(path, removable):
                yield _obstacle(place, "is a folder, and a file of that name goes there")

    def _holds_only(self, folder: PurePosixPath, removable: Collection[PurePosixPath]) -> bool:
        """Whether nothing is left of a folder without these files; folders go with the last file in them."""
        gone = {*removable, *(parent for path in removable for parent in path.parents)}
        return gone.issuperset(self._tree(folder))

    @cached_property
    def sums(self) -> dict[PurePosixPath, str]:
        """What a former build wrote, as far as its sums file tells."""
        try:
            return read_sums((self.path / SUMS_PATH).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError):
            return {}

    @cached_property
    def _unchanged(self) -> frozenset[PurePosixPath]:
        return frozenset(path for path, digest in self.sums.items() if self._has_sum(path, digest))

    def _has_sum(self, path: PurePosixPath, digest: str) -> bool:
        """Whether the file is there, reached through no link, with that content."""
        steps = [self.path / parent for parent in path.parents[:-1]] + [self.path / path]
        try:
            is_there = not any(step.is_symlink() for step in steps) and (self.path / path).is_file()
            return is_there and file_sha256(self.path / path) == digest
        except OSError:  # such as a name that is too long to be one
            return False

    def _tree(self, below: PurePosixPath) -> Iterator[PurePosixPath]:
        """Every path below a folder in it, that folder included; links are not followed."""
        yield below
        for folder, folders, files in os.walk(self.path / below):
            for name in folders + files:
                yield PurePosixPath(Path(folder, name).relative_to(self.path).as_posix())


def _folder_problem(place: Path) -> str | None:
    """What keeps files from being laid into a folder; None where nothing does, or where there is none yet."""
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        return "is no folder"
    if place.exists() and not os.access(place, os.W_OK | os.X_OK):
        return "may not be written to"
    return None


def _obstacle(place: Path, message: str) -> Problem:
    return Problem("error", "target-in-the-way", message, "move it away, or choose another --export-path", str(place))


def choose_target(
    config: ModelArchiverConfig,
    platform: Platform,
    archive_format: ArchiveFormat,
    problems: ProblemList,
    *,
    named: bool,
) -> Target:
    """The output's path, a link followed to where it leads; what stands in its way is a finding.

    Args:
        config: the request.
        platform: the platform whose layout the output has.
        archive_format: the form of the output.
        problems: takes what is wrong.
        named: whether the model's name is one that can be part of a path.
    """
    layout = LAYOUTS[platform]
    folder = _export_path(config)
    if named:
        check_platform_name(platform, config.model_name, problems)
    name = layout.fixed_name or (config.model_name if named else "unnamed")
    path = Path(os.path.realpath(folder / layout.folder / f"{name}{archive_format.suffix}"))
    in_place = archive_format is ArchiveFormat.NO_ARCHIVE and _is_model_path(path, config)
    target = Target(path, config.force, in_place)
    if folder.parts[:1] == ("~",) and not folder.exists():
        message = "begins with a ~ that the shell left as it is (--export-path)"
        problems.error("export-path-invalid", message, "write $HOME for it", path=folder)
    elif _check_folder(path.parent, problems) and named:
        otherwise = "--export-path" if layout.fixed_name else "--model-name or --export-path"
        _check_existing(target, archive_format, f"choose another {otherwise}", problems)
    return target


def check_in_place(target: Target, members: Iterable[Member], problems: ProblemList) -> None:
    """A build in place copies nothing: whatever it is to hold must lie in the folder already."""
    for member in members:
        try:
            lies_there = (target.path / member.path).samefile(member.source.path)
        except OSError:
            lies_there = False
        if not lies_there:
            message = f"is not in {target.path}, where only a manifest is written ({member.flag})"
            hint = "put it there yourself, or choose another --export-path"
            problems.error("in-place-elsewhere", message, hint, path=member.source.path)


def check_laid_over(target: Target, members: Iterable[Member], problems: ProblemList) -> None:
    """What stands in the way of the members in an existing folder that is not only a former build's."""
    if target.path.is_dir():
        existing = ExistingOutput(target.path)
        of_the_build = [PurePosixPath(MANIFEST_PATH), PurePosixPath(SUMS_PATH)]
        problems.extend(existing.in_the_way([*(member.path for member in members), *of_the_build], existing.sums))


def plan_sidecars(
    config: ModelArchiverConfig, platform: Platform, plan: Plan, version: str, problems: ProblemList
) -> Plan:
    """The plan with what the platform wants beside the archive.

    Args:
        config: the request.
        platform: the platform.
        plan: of the archive, whose manifest names the model and its version.
        version: the model's where the manifest names none.
        problems: takes what stands in the way.
    """
    path = _config_path(config, platform)
    if path is None or not _check_folder(path.parent, problems):
        return plan
    model = plan.fields.get("model", {})
    name, version = str(model.get("modelName") or config.model_name), str(model.get("modelVersion") or version)
    # By the name that the server sees, which may be a link's.
    archive = _export_path(config) / LAYOUTS[platform].folder / f"{config.model_name}{plan.archive_format.suffix}"
    return plan.replace(sidecars=(plan_config(path, name, version, archive, problems),))


def existing_outputs(
    config: ModelArchiverConfig, platform: Platform, target: Target, archive_format: ArchiveFormat
) -> set[tuple[int, int]]:
    """Device and inode of what former builds of the same name, in any format, have left at and beside the target.

    What builds for other platforms have left below the export path counts too.
    """
    name = target.path.name.removesuffix(archive_format.suffix)
    beside = {target.path.with_name(f"{name}{other.suffix}") for other in ArchiveFormat}
    ours = {path for path in beside if path == target.path or _is_previous_output(path, f"{name}/")}
    for other, layout in LAYOUTS.items():
        path = _config_path(config, other)
        if path is not None and (other is platform or is_config(path)):
            ours.add(path)
        if not layout.has_top:
            folder = _export_path(config) / layout.folder
            paths = {folder / f"{layout.fixed_name or config.model_name}{form.suffix}" for form in layout.formats}
            ours |= {path for path in paths if _is_previous_output(path, "")}
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


def _is_previous_output(path: Path, top: str) -> bool:
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
    return first is not None and first.name.startswith(top) and first.mtime == TIME


def _is_model_path(path: Path, config: ModelArchiverConfig) -> bool:
    if config.model_path is None:
        return False
    model_path = Path(config.model_path)
    return path.is_dir() and model_path.is_dir() and path.samefile(model_path)


def _check_folder(folder: Path, problems: ProblemList) -> bool:
    """Whether the export path is a folder that can be written to, or can be made."""
    existing = folder
    while not os.path.lexists(existing) and existing != existing.parent:
        existing = existing.parent
    if not existing.is_dir():
        what = "is a file" if existing.is_file() else "is not a folder"
        problems.error("export-path-invalid", f"{what} (--export-path)", "name a folder", path=existing)
        return False
    if not os.access(existing, os.W_OK | os.X_OK):
        message = "may not be written to (--export-path)"
        problems.error("export-path-invalid", message, "choose a folder of yours", path=existing)
        return False
    return True


def _check_existing(target: Target, archive_format: ArchiveFormat, otherwise: str, problems: ProblemList) -> None:
    path = target.path
    if not os.path.lexists(path):
        return
    if target.in_place:
        if (path / MANIFEST_PATH).exists() and not target.force:
            problems.error("target-exists", "exists already", "-f replaces it", path=path / MANIFEST_PATH)
    elif path.exists() and not path.is_dir() and not path.is_file():
        message = "is neither a file nor a folder, and the output goes there"
        problems.error("target-in-the-way", message, otherwise, path=path)
    elif path.is_dir() != (archive_format is ArchiveFormat.NO_ARCHIVE):
        what = "a folder" if path.is_dir() else "a file"
        message = f"is {what}, and the output goes there"
        problems.error("target-in-the-way", message, "remove it, or choose another --export-path", path=path)
    elif not target.force:
        problems.error("target-exists", "exists already", f"-f replaces it; or {otherwise}", path=path)
