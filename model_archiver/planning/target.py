"""Where the output goes, whether it may go there, and what exists there already."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache, cached_property
from pathlib import Path, PurePosixPath

from model_archiver.core.entries import check_model_name
from model_archiver.core.manifest import MANIFEST_PATH, SUMS_PATH
from model_archiver.core.plan import Member, Plan, Target
from model_archiver.core.problems import PATH_ERRORS, Problem, ProblemList, as_seen
from model_archiver.core.request import ArchiveFormat, ModelArchiverConfig, Platform, StrPath
from model_archiver.core.sums import file_sha256, read_sums
from model_archiver.planning.gathering import identity, resolved, walk_tree
from model_archiver.planning.platforms import KSERVE_STORE, LAYOUTS, check_platform_name

Snapshot = dict[PurePosixPath, tuple[int, int, int]]

_LOCAL_URL = "file:///"
_ARCHIVE_SUFFIX = r"(?i)\.(?:mar|war|tar\.gz|tgz|zip)$"
_NOT_FOLDERS = (  # a pattern, a message and a hint
    ("^~", "begins with a ~, but there is no such home folder", "name the folder itself, or begin with ./~"),
    (r"^[A-Za-z][\w+.-]+:/", "is a URL, and URLs are not supported", "name a local folder, and upload what is in it"),
    (r"\s--[a-z]", "contains a flag", "end the quotes before it"),
    (_ARCHIVE_SUFFIX, "is the name of an archive, not of a folder", "name only the folder"),
)


def choose_target(
    config: ModelArchiverConfig, platform: Platform, archive_format: ArchiveFormat, problems: ProblemList
) -> Target:
    """Return where the output goes, with the links of its folder followed; add an error if it cannot go there.

    A link at the target itself is existing output: it is replaced, and what it leads to is left alone. If the model's
    name is invalid, only the folder is checked.
    """
    layout, folder = LAYOUTS[platform], _export_folder(config)
    is_named = check_model_name(config.model_name, problems)
    if is_named:
        check_platform_name(platform, config.model_name, archive_format.suffix, problems)
    name = layout.fixed_name or (config.model_name if is_named else "unnamed")
    path = resolved(folder / layout.folder) / f"{name}{archive_format.suffix}"
    model_path = config.model_path if archive_format is ArchiveFormat.NO_ARCHIVE else None
    in_place = model_path is not None and path.is_dir() and Path(model_path).is_dir() and path.samefile(model_path)
    target = Target(resolved(path) if in_place else path, config.force, in_place)
    if is_named and not layout.fixed_name and (suffix := re.search(_ARCHIVE_SUFFIX, config.model_name)):
        output = path.name if archive_format.suffix else f"the folder {path.name}"
        message = f"ends with {suffix[0]}, so the output will be {output}"
        problems.warning("name-suffix", message, f"leave out {suffix[0]}", path=f"--model-name {config.model_name}")
    if _names_folder(config.export_path, problems) and _check_folder(path.parent, problems) and is_named:
        other = "--export-path" if layout.fixed_name else "--model-name or --export-path"
        _check_existing(target, archive_format, f"choose another {other}", problems)
    return target


def _export_folder(config: ModelArchiverConfig) -> Path:
    """Return the export path, of which ``file:///x`` is another spelling of ``/x``."""
    given = os.fspath(config.export_path or Path.cwd())
    if given.startswith(_LOCAL_URL):
        from urllib.request import url2pathname  # noqa: PLC0415 - few need it

        given = url2pathname(given.removeprefix("file://"))
    return Path(given)


def _names_folder(export_path: StrPath | None, problems: ProblemList) -> bool:
    """Return whether an export path exists or means a local folder; add an error if not."""
    given = os.fspath(export_path or "")
    is_local = os.path.isdir(given) or given.startswith(_LOCAL_URL)  # noqa: PTH112 - no errors
    for pattern, message, hint in () if is_local else _NOT_FOLDERS:
        if re.search(pattern, given):
            problems.error("export-path-invalid", f"{message} (--export-path)", hint, path=given)
            return False
    return True


def check_folder(target: Target, members: Sequence[Member], problems: ProblemList) -> None:
    """Add an error for what prevents the members from being written into an existing folder."""
    for member in members if target.in_place else ():  # which copies nothing
        with suppress(OSError):
            if (target.path / member.path).samefile(member.source.path):
                continue
        message = f"is not in {target.path}, where only a manifest is written ({member.flag})"
        hint = "put it there yourself, or choose another --export-path"
        problems.error("in-place-elsewhere", message, hint, path=member.source.path)
    if target.path.is_dir() and not target.path.is_symlink():
        existing, paths = ExistingOutput(target.path), [PurePosixPath(MANIFEST_PATH)]
        if not target.in_place:
            paths += [PurePosixPath(SUMS_PATH), *(member.path for member in members)]
        problems.extend(existing.obstacles(paths, () if target.in_place else existing.sums))


def check_inputs(target: Target, members: Iterable[Member], problems: ProblemList) -> None:
    """Add an error for each input that is the existing output, or in it: builds replace and remove what is there."""
    is_link = os.path.islink(target.path)  # noqa: PTH114 - no errors; the link is replaced, not its target
    if target.in_place or is_link or not os.path.exists(target.path):  # noqa: PTH110 - no errors
        return
    real = cache(os.path.realpath)
    for member in members:
        folder, name = os.path.split(member.source.path)
        if os.path.join(real(folder), name, "").startswith(os.path.join(target.path, "")):  # noqa: PTH118 - many files
            message = f"is in the output, which builds replace ({member.flag})"
            problems.error("target-in-the-way", message, "choose another --export-path", path=member.source.path)


def sidecars_for(config: ModelArchiverConfig, platform: Platform) -> tuple[Path, ...]:
    """Return where the server's configuration goes, if the platform has one, with the links of its folder followed."""
    below = LAYOUTS[platform].config
    return () if below is None else (resolved(_export_folder(config) / below.parent) / below.name,)


def check_sidecars(plan: Plan, problems: ProblemList) -> None:
    """Add what prevents the model from being entered in the server's configuration."""
    for path in plan.sidecars:
        if _check_folder(path.parent, problems):
            from model_archiver.planning.kserve import check_config  # noqa: PLC0415 - only for this platform

            check_config(plan, path, problems)


def existing_outputs(config: ModelArchiverConfig, platform: Platform, target: Target) -> set[tuple[int, int]]:
    """Return device and inode of what the build replaces or extends, and of what one for another platform extended."""
    own = {target.path, *sidecars_for(config, platform)}
    others = {path for other in LAYOUTS for path in sidecars_for(config, other) if os.path.isfile(path)}  # noqa: PTH113
    outputs = set()
    for path in own | others:
        with suppress(OSError):  # it does not exist, is not readable, or its name is too long to exist
            if path in own or f"model_store={KSERVE_STORE}".encode() in path.read_bytes():
                outputs.add(identity(path.lstat()))  # what a link leads to is not replaced
    return outputs


def _check_folder(folder: Path, problems: ProblemList) -> bool:
    """Return whether the export path is a folder that is writable or can be created; add an error if not."""
    existing = next(filter(os.path.lexists, (folder, *folder.parents)), folder)
    if problem := _folder_problem(existing):
        hint = "choose a folder that you may write to"
        problems.error("export-path-invalid", f"{problem} (--export-path)", hint, path=existing)
    return not problem


def _check_existing(target: Target, archive_format: ArchiveFormat, other: str, problems: ProblemList) -> None:
    path = target.path / MANIFEST_PATH if target.in_place else target.path
    is_file = target.in_place or archive_format is not ArchiveFormat.NO_ARCHIVE
    if os.path.lexists(path) and not path.is_symlink() and not (path.is_file() if is_file else path.is_dir()):
        message = f"is not a {'file' if is_file else 'folder'}, but the output goes there"
        problems.error("target-in-the-way", message, f"move it away, or {other}", path=as_seen(path))
    elif os.path.lexists(path) and not target.force:
        problems.error("target-exists", "already exists", f"use -f to replace it, or {other}", path=as_seen(path))


class ExistingOutput:
    """An existing folder at the target, or a link, which is replaced as if it were an unchanged folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def is_unchanged(self) -> bool:
        """Return whether everything in it is as a previous build left it, and nothing was added."""
        ours = {*self.sums, PurePosixPath(SUMS_PATH)}
        folders = {parent for path in ours for parent in path.parents}
        has_only_ours = bool(self.sums) and set(self._tree(PurePosixPath())) == ours | folders
        return self.path.is_symlink() or (has_only_ours and self.unchanged_files == set(self.sums))

    def snapshot(self) -> Snapshot:
        """Return inode, size and modification time of everything in it: equal as long as nobody writes to it."""
        paths = [path for path in self._tree(PurePosixPath()) if path.parts]
        statuses = {path: (self.path / path).lstat() for path in paths}
        return {path: (status.st_ino, status.st_size, status.st_mtime_ns) for path, status in statuses.items()}

    def obstacles(self, paths: Iterable[PurePosixPath], removable: Collection[PurePosixPath]) -> Iterator[Problem]:
        """Yield an error for all that prevents files from being written here, once the `removable` ones are gone."""
        reported: set[PurePosixPath] = set()
        gone = {*removable, *(parent for path in removable for parent in path.parents)}  # empty folders go too
        for path in paths:
            for parent in reversed(path.parents):  # from the top: below an obstacle nothing else is reported
                place = self.path / parent
                if parent in reported or (problem := None if parent in removable else _folder_problem(place)):
                    if parent not in reported:
                        yield _obstacle(place, f"{problem}, but {path} goes there")
                    reported.add(parent)
                    break
            else:
                place = self.path / path
                if place.is_dir() and not place.is_symlink() and not gone.issuperset(self._tree(path)):
                    yield _obstacle(place, "is a folder, but a file with that name goes there")

    @cached_property
    def sums(self) -> dict[PurePosixPath, str]:
        """The checksums of the files that a previous build wrote, as its sums file records them."""
        try:
            return dict(filter(None, read_sums((self.path / SUMS_PATH).read_bytes())))
        except OSError as failure:
            if failure.errno not in PATH_ERRORS:
                raise
            return {}

    @cached_property
    def unchanged_files(self) -> set[PurePosixPath]:
        """The files that a previous build wrote and that still have their checksums."""
        return {path for path, digest in self.sums.items() if self._has_sum(path, digest)}

    def _has_sum(self, path: PurePosixPath, digest: str) -> bool:
        """Return whether the file is there, not behind a link, with that content."""
        steps = [self.path / parent for parent in path.parents[:-1]] + [self.path / path]
        try:
            exists = not any(step.is_symlink() for step in steps) and (self.path / path).is_file()
            return exists and file_sha256(self.path / path) == digest
        except OSError as failure:  # for example a name that is too long
            if failure.errno not in PATH_ERRORS:
                raise
            return False

    def _tree(self, below: PurePosixPath) -> Iterator[PurePosixPath]:
        """Yield a folder in it and every path below that; links are not followed."""
        yield below
        for _, entries in () if self.path.is_symlink() else walk_tree(self.path / below):
            for entry in entries:
                yield PurePosixPath(Path(entry.path).relative_to(self.path).as_posix())


def _folder_problem(place: Path) -> str | None:
    """Return what prevents files from being written into a folder, or None; the folder may be missing."""
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        return "is not a folder"
    if place.exists() and not os.access(place, os.W_OK | os.X_OK):
        return "is not writable"
    return None


def _obstacle(place: Path, message: str) -> Problem:
    return Problem("error", "target-in-the-way", message, "move it away, or choose another --export-path", str(place))
