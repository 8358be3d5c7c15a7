"""From a request to a plan, and everything that is wrong with the request."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from enum import Enum
from itertools import takewhile
from pathlib import Path, PurePosixPath

from model_archiver.core import request
from model_archiver.core.entries import is_reserved, path_problem
from model_archiver.core.manifest import MAR_INF, Manifest, Model, RuntimeType, parse_manifest
from model_archiver.core.plan import Member, Plan
from model_archiver.core.problems import ModelArchiverError, ProblemList
from model_archiver.core.request import ArchiveFormat, ModelArchiverConfig, Platform, StrPath, as_list
from model_archiver.core.text import invalid_choice
from model_archiver.planning import platforms
from model_archiver.planning.gathering import Exclusions, Gatherer
from model_archiver.planning.handler import Handler, missing_handler, resolve_handler
from model_archiver.planning.target import (
    check_folder,
    check_inputs,
    check_sidecars,
    choose_target,
    existing_outputs,
    sidecars_for,
)

_DEFLATE: dict[ArchiveFormat, request.Deflate] = {ArchiveFormat.ZIP_STORE: "never", ArchiveFormat.TGZ: "always"}


def make_plan(config: ModelArchiverConfig, manifest: str | None, problems: ProblemList) -> Plan:
    """Decide everything about a build, and write nothing. With errors, the plan must not be built.

    `manifest` is the text of the caller's own manifest; None makes it from the request.
    """
    archive_format = ArchiveFormat(_choice(ArchiveFormat, config.archive_format, "--archive-format", problems))
    runtime = _choice(RuntimeType, config.runtime, "--runtime", problems)
    platform = Platform(_choice(Platform, config.target, "--target", problems))
    archive_format = platforms.format_for(platform, archive_format, problems)
    target = choose_target(config, platform, archive_format, problems)
    exclusions = Exclusions(as_list(config.exclude), existing_outputs(config, platform, target))
    gatherer = Gatherer(exclusions, problems)
    model_path = gatherer.model_path(config.model_path) if config.model_path else []
    packed = [*model_path, *(member for value in as_list(config.include) for member in gatherer.include(value))]
    packed += [member for value in as_list(config.extra_files) for member in gatherer.extra_files(value)]
    platforms.check_handler(platform, config, packed)
    handler = resolve_handler(config, runtime, model_path, packed, problems)
    handler = platforms.handler_for(platform, handler, packed, problems)
    members = _resolve_collisions([*packed, *_named_files(config, platform, handler, gatherer)], problems)
    cases, samples = b"", tuple[Member, ...]()
    if config.samples is not None:
        from model_archiver.planning.samples import gather_samples  # noqa: PLC0415 - most builds have none

        cases, samples = gather_samples(config.samples, target, gatherer)
    check_inputs(target, [*members, *samples], problems)
    if target.in_place or (archive_format is ArchiveFormat.NO_ARCHIVE and target.force):
        check_folder(target, [*members, *samples], problems)
    elif config.link and archive_format is not ArchiveFormat.NO_ARCHIVE:
        problems.error("link-impossible", "works only with --archive-format no-archive", "leave it out", path="--link")
    note = f"no --handler is given, so {handler.manifest_name} is used"
    if runtime != "LSP" and platform is not Platform.KSERVE:  # which wraps JSON requests in an envelope itself
        note += "; for JSON requests, set service_envelope=json in the server's config.properties, "
        note += "or write a handler with its own preprocess"
    plan = Plan(
        name=config.model_name,
        server=config.server if platform is Platform.TORCHSERVE else "torchserve",  # which all other platforms run
        archive_format=archive_format,
        target=target,
        members=members,
        cases=cases,
        samples=samples,
        manifest=_given_manifest(manifest, problems) or _manifest_text(config, platform, runtime, handler, problems),
        deflate=_DEFLATE.get(archive_format, config.deflate),
        link=config.link,
        jobs=config.jobs or available_cores(),
        notes=() if config.handler else (note,),
        excluded=exclusions.excluded,
        top="" if platforms.LAYOUTS[platform].has_code else config.model_name,
        sidecars=sidecars_for(config, platform),
        settings=config.server_settings or {},
    )
    check_sidecars(plan, problems)
    return plan


def _choice(kind: type[Enum], given: object, flag: str, problems: ProblemList) -> str:
    """Return the value of the choice that is given; add an error and return that of the first one if there is none."""
    choices = [str(member.value) for member in kind]
    try:
        return str(kind(given).value)
    except ValueError:
        problems.error("value-invalid", *invalid_choice(given, choices), path=flag)
        return choices[0]


def _named_files(
    config: ModelArchiverConfig, platform: Platform, handler: Handler, gatherer: Gatherer
) -> Iterator[Member]:
    """Yield each file that has its own flag, where the platform looks for it."""
    handler_file = handler.file
    if handler_file is not None and not os.path.lexists(handler_file):
        missing_handler(os.fspath(config.handler or ""), handler_file, gatherer.problems)
        handler_file = None
    flags: dict[str, StrPath | None] = {
        "--handler": handler_file,
        "--model-file": config.model_file,
        "--serialized-file": config.serialized_file,
        "--requirements-file": config.requirements_file,
        "--config-file": config.config_file,
    }
    for flag, value in flags.items():
        for member in gatherer.single_file(value, flag) if value is not None else ():
            path = platforms.path_for(platform, flag, member.path.name)
            yield member.replace(path=path, flag=flag if path == member.path else f"{flag}, for {platform.value}")


def _resolve_collisions(members: Iterable[Member], problems: ProblemList) -> tuple[Member, ...]:
    """Return the members, one for each path, sorted by path; add an error for each real collision."""
    by_path: dict[PurePosixPath, Member] = {}
    reported: set[PurePosixPath] = set()
    for member in members:
        _check_path(member, reported, problems)
        first = by_path.setdefault(member.path, member)
        if not _have_same_content(first, member):
            _report_clash(first, member, problems)
    folders: set[PurePosixPath] = set()
    for member in by_path.values():
        for folder in takewhile(lambda folder: folder not in folders, member.path.parents):
            folders.add(folder)
            if folder in by_path:
                _report_clash(by_path[folder], member, problems)
    return tuple(sorted(by_path.values(), key=lambda member: str(member.path)))


def _check_path(member: Member, reported: set[PurePosixPath], problems: ProblemList) -> None:
    """Add an error for an invalid path; once for all members of an invalid folder."""
    if is_reserved(member.path):
        wrong, code, hint = PurePosixPath(MAR_INF), "path-reserved", "pack it under another name"
        message = "would go to MAR-INF, which the archive itself uses"
    elif path_problem(member.path):
        wrong = next(path for path in [*reversed(member.path.parents), member.path] if path_problem(path))
        code, message, hint = "path-invalid", f"the name {path_problem(wrong)}", "rename it"
    else:
        return
    if wrong not in reported:
        problems.error(code, f"{message} ({member.flag})", hint, path=member.source.path)
    reported.add(wrong)


def _have_same_content(one: Member, other: Member) -> bool:
    if one.source.identity == other.source.identity:
        return True
    import filecmp  # noqa: PLC0415 - collisions are rare

    with suppress(OSError):
        return filecmp.cmp(one.source.path, other.source.path, shallow=False)
    return False


def _report_clash(one: Member, other: Member, problems: ProblemList) -> None:
    message = f"goes to {other.path}, and {one.source.path} ({one.flag}) to {one.path}"
    hint = "rename one, or pack its folder under its own name with --include"
    problems.error("path-clash", message, hint, path=f"{other.source.path} ({other.flag})")


def _manifest_text(
    config: ModelArchiverConfig, platform: Platform, runtime: str, handler: Handler, problems: ProblemList
) -> str:
    requirements = _base_name(config.requirements_file)
    model = Model(
        model_name=config.model_name,
        serialized_file=_base_name(config.serialized_file),
        handler=handler.manifest_name,
        model_file=_base_name(config.model_file),
        model_version="1.0" if config.version is None else str(config.version),
        requirements_file=requirements and str(platforms.path_for(platform, "--requirements-file", requirements)),
        config_file=_base_name(config.config_file),
    )
    try:
        return str(Manifest(runtime, model, for_mms=config.server == "mms"))
    except ModelArchiverError as error:
        problems.extend(error.problems)
        return "{}"


def _given_manifest(manifest: str | None, problems: ProblemList) -> str | None:
    if manifest is None:
        return None
    with suppress(AttributeError, UnicodeEncodeError):
        fields = parse_manifest(manifest.encode())  # as it will be written
        if fields is not None and isinstance(fields.get("model", {}), dict):
            return manifest
    message = "the given manifest must be a JSON object, and its model must be one too"
    problems.error("manifest-invalid", message, "give what ModelExportUtils.generate_manifest_json returns")
    return None


def _base_name(value: StrPath | None) -> str | None:
    return None if value is None else Path(value).name


def available_cores() -> int:
    """Return how many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
