"""KServe's ``config/config.properties``, which tells its TorchServe where to listen and which models to load."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from model_archiver.core.manifest import model_of
from model_archiver.core.plan import Plan
from model_archiver.core.problems import LARGEST_CONFIG, ModelArchiverError, Problem, ProblemList, error, system_hint
from model_archiver.planning.platforms import KSERVE_STORE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_ENCODING = "iso-8859-1"  # every byte is a character, so that lines that are kept stay as they are
_SNAPSHOT = "model_snapshot"

# KServe's own server listens on 8080 and calls TorchServe on 8085, without a token. It reads these keys itself.
_NEW = f"""\
inference_address=http://0.0.0.0:8085
management_address=http://0.0.0.0:8085
metrics_address=http://0.0.0.0:8082
grpc_inference_address=0.0.0.0
grpc_inference_port=7070
grpc_management_port=7071
disable_token_authorization=true
enable_metrics_api=true
metrics_format=prometheus
enable_envvars_config=true
install_py_dep_per_model=true
number_of_netty_threads=4
job_queue_size=10
model_store={KSERVE_STORE}
"""

_SETTINGS = {"minWorkers": 1, "maxWorkers": 1, "batchSize": 1, "maxBatchDelay": 100}
_SETTINGS |= {"responseTimeout": 120, "startupTimeout": 120}

_BLANK = " \t\f"


def check_config(plan: Plan, path: Path, problems: ProblemList) -> None:
    """Check whether the model can be entered in the configuration; add what is wrong with an existing one."""
    try:
        config_content(plan, path)
        for message, hint in _doubts(_read(path), plan.target.path):
            problems.warning("platform-config", message, hint, path=path)
    except ModelArchiverError as failure:
        problems.extend(failure.problems)


def config_content(plan: Plan, path: Path) -> bytes:
    """Return the configuration at a path with the model in it, named as the manifest names it.

    An existing one keeps its lines and models; this model keeps the settings that its own config file does not have.

    Raises:
        ModelArchiverError: no model can be added to the existing one.
    """
    lines, archive, model = _read(path), f"{plan.name}{plan.archive_format.suffix}", model_of(plan.fields)
    own = {**_config_file_settings(plan), **plan.settings, "runtimeType": plan.fields.get("runtime", "python")}
    name, version = str(model.get("modelName") or plan.name), str(model.get("modelVersion") or "1.0")
    try:
        snapshot = _snapshot(lines)
        existing = snapshot["models"].get(name, {})
        replaced = [settings for settings in existing.values() if settings.get("marName") == archive]
        others = {key: {**value, "defaultVersion": False} for key, value in existing.items() if value not in replaced}
        if version in others:
            message = f"already has version {version} of {name}, from {others[version].get('marName')}"
            raise error("platform-config", message, "choose another --version, or remove that entry", path)
        ours = {**(replaced or [_SETTINGS])[-1], **own, "defaultVersion": True, "marName": archive}
        snapshot["models"][name] = {**others, version: ours}
        snapshot["modelCount"] = sum(map(len, snapshot["models"].values()))
        value = json.dumps(snapshot, separators=(",", ":"), allow_nan=False)
    except (ValueError, RecursionError):
        message = f"{_SNAPSHOT} is not a JSON object with models, so none can be added"
        raise error("platform-config", message, "correct it, or move the file away", path) from None
    # KServe reads the value as it is, and TorchServe without the escapes of properties: this is JSON for both.
    plain = re.sub(r"\\.", lambda match: r"\u0022" if match[0] == r"\"" else match[0], value)
    return _with_value(lines, plain.replace("\\", "\\\\")).encode(_ENCODING)


def _config_file_settings(plan: Plan) -> dict[str, object]:
    """Return the valid settings of the model's config file that the server reads only in its own configuration."""
    # TorchServe: org/pytorch/serve/wlm/Model.java, `setModelState`.
    name = model_of(plan.fields).get("configFile")
    member = next((member for member in plan.members if str(member.path) == name), None)
    if member is None or member.size > LARGEST_CONFIG:
        return {}
    from model_archiver.planning.yaml_file import read_yaml  # noqa: PLC0415 - PyYAML is slow to load

    with member.open() as file:
        settings = read_yaml(file.read(), member.display_path)
    if isinstance(settings, Problem):  # which the checks report
        return {}
    numbers = {key: value for key, value in settings.items() if key in _SETTINGS and type(value) is int}
    own = {str(key): value for key, value in numbers.items() if (0 if key == "maxBatchDelay" else 1) <= value < 1 << 31}
    if own.get("minWorkers", 1 << 31) > own.get("maxWorkers", 0):  # it takes both, or neither
        own = {key: value for key, value in own.items() if not key.endswith("Workers")}
    device = str(settings.get("deviceType")).lower()
    return {**own, "deviceType": device} if device in ("cpu", "gpu") else {**own}


def _read(path: Path) -> list[str]:
    """Return the lines of the configuration, with their ends; those of a new one if it is missing or empty."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) or status.st_size > 1 << 20:
            raise error("platform-config", "is not a file, or too large for a configuration", "move it away", path)
        content = path.read_bytes()
    except FileNotFoundError:
        content = b""
    except OSError as failure:
        raise error("platform-config", failure.strerror or str(failure), system_hint(failure), path) from failure
    # Split before it is decoded: text has more line ends than Java knows.
    content = content if content.strip() else _NEW.encode()
    lines = [line.decode(_ENCODING) for line in content.splitlines(keepends=True)]
    for number, line in enumerate(lines, 1):
        key, equals, value = _parts(line)
        if not equals or re.search(r"[\\:\s]", key) or value.endswith("\\"):
            message = f"line {number} is not plain key=value, which KServe and TorchServe read in the same way"
            raise error("platform-config", message, "write it so, on one line, or move the file away", path)
    return lines


def _parts(line: str) -> tuple[str, str, str]:
    """Return key, equals sign and value of a line; a comment or an empty line has neither key nor value."""
    text = line.lstrip(_BLANK).rstrip("\r\n")
    key, equals, value = ("=" if text[:1] in ("", "#", "!") else text).partition("=")
    return key.rstrip(_BLANK), equals, value.lstrip(_BLANK)


def _values(lines: list[str]) -> dict[str, str]:
    """Return the value of each key; the last line with it counts."""
    return {key: value for key, _, value in map(_parts, lines)}


def _with_value(lines: list[str], value: str) -> str:
    """Return the text with another snapshot, in its line or at the end; everything else is unchanged."""
    number = max((number for number, line in enumerate(lines) if _parts(line)[0] == _SNAPSHOT), default=len(lines))
    end = "\r\n" if lines[0].endswith("\r\n") else "\n"
    gap = end if number and not lines[number - 1].endswith(("\r", "\n")) else ""
    return "".join([*lines[:number], gap, f"{_SNAPSHOT}={value}{end}", *lines[number + 1 :]])


def _snapshot(lines: list[str]) -> dict[str, Any]:
    """Return the snapshot, in which each model is a map of its versions; raise ValueError if it has another form."""
    text = _values(lines).get(_SNAPSHOT, "{}")
    if "\\" in text.replace(r"\\", ""):  # an escape of properties, which KServe does not know
        raise ValueError(text)
    snapshot = json.loads(text.replace(r"\\", "\\"))
    models = snapshot.get("models", {}) if isinstance(snapshot, dict) else None
    versions = list(models.values()) if isinstance(models, dict) else [None]
    settings = [each for version in versions for each in (version.values() if isinstance(version, dict) else [None])]
    if not all(isinstance(each, dict) for each in settings):
        raise ValueError(_SNAPSHOT)
    return {"name": "startup.cfg", "modelCount": 0, **snapshot, "models": models}


def _doubts(lines: list[str], archive: Path) -> Iterator[tuple[str, str]]:
    """Yield what will not work in an existing configuration, and what to do about it."""
    values = _values(lines)
    if values.get("model_store") != KSERVE_STORE:
        yield f"model_store is not {KSERVE_STORE}, where KServe puts the archives", f"set model_store={KSERVE_STORE}"
    for key in ("inference_address", "management_address"):
        if key not in values:
            yield f"has no {key}, which KServe needs", f"set {key}=http://0.0.0.0:8085"
    for name, versions in _snapshot(lines)["models"].items():
        for version, settings in versions.items():
            other = settings.get("marName")
            if isinstance(other, str) and other != archive.name and not os.path.lexists(archive.parent / other):
                message = f"has version {version} of {name} from {other}, which is not in {archive.parent.name}"
                yield message, "put it there, or remove that entry"
