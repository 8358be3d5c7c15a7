"""KServe's ``config/config.properties``, which tells its TorchServe where to listen and which models to load."""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from model_archiver.issue import Issue
from model_archiver.model_archiver_error import ModelArchiverError
from model_archiver.planning.findings import Findings
from model_archiver.planning.plan import Companion
from model_archiver.planning.properties import ENCODING, Line, parse, values, with_value

_SNAPSHOT = "model_snapshot"
_STORE = "/mnt/models/model-store"
_LARGEST = 1 << 20

# KServe's own server answers on 8080 and asks TorchServe on 8085, without a token. It reads these keys itself.
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
model_store={_STORE}
"""

_SETTINGS = {"minWorkers": 1, "maxWorkers": 1, "batchSize": 1, "maxBatchDelay": 100, "responseTimeout": 120}


def plan_config(path: Path, name: str, version: str, archive: Path, findings: Findings) -> Companion:
    """The configuration in which a model is among those that are loaded when the server starts.

    One that is there already, for other models or with settings of the user's, keeps all it says but for this model's
    entry; of that, the settings stay.

    Args:
        path: of the configuration.
        name: the model's name.
        version: the model's version.
        archive: the archive, by its name in the model store.
        findings: takes what is wrong with the former configuration.
    """
    content = partial(_content, path, name, version, archive.name)
    try:
        content()
        for message, hint in _doubts(_read(path), archive):
            findings.warning("platform-config", message, hint, path=path)
    except ModelArchiverError as error:
        findings.extend(error.issues)
    return Companion(path, content)


def is_config(path: Path) -> bool:
    """Whether this is such a configuration, and not one of the user's that is called so."""
    try:
        given = values(_read(path))
    except ModelArchiverError:
        return False
    return _SNAPSHOT in given and given.get("model_store") == _STORE


def _content(path: Path, name: str, version: str, archive: str) -> bytes:
    """What the configuration is to hold, with all that it holds now.

    Raises:
        ModelArchiverError: no model can be added to what lies there.
    """
    lines = _read(path)
    try:
        snapshot = _with_model(_snapshot(lines), name, version, archive)
        value = json.dumps(snapshot, separators=(",", ":"))
    except (ValueError, RecursionError):
        message = f"{_SNAPSHOT} is not a JSON object with models, so none can be added"
        raise _refusal(path, message, "mend it, or move the file away") from None
    except _TakenError as error:
        message = f"has version {version} of {name} already, from {error}"
        raise _refusal(path, message, "choose another --version, or remove that entry") from None
    # KServe reads the value as it stands, and TorchServe without the escapes of properties: this is JSON either way.
    plain = re.sub(r"\\.", lambda found: r"\u0022" if found[0] == r"\"" else found[0], value)
    return with_value(lines, _SNAPSHOT, plain).encode(ENCODING)


class _TakenError(Exception):
    """Another archive has the version."""


def _read(path: Path) -> list[Line]:
    """The lines of the configuration; those of a new one where there is none, or nothing in it."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _refusal(path, "is no file", "move it away")
        if status.st_size > _LARGEST:
            raise _refusal(path, "is too large for a configuration", "move it away")
        text = path.read_bytes().decode(ENCODING)
    except (FileNotFoundError, NotADirectoryError):
        text = ""
    except OSError as error:
        if isinstance(error, ModelArchiverError):
            raise
        raise _refusal(path, error.strerror or str(error), "check the path and its rights") from error
    return parse(text if text.strip() else _NEW)


def _refusal(path: Path, message: str, hint: str) -> ModelArchiverError:
    return ModelArchiverError(issues=[Issue("error", "platform-config", message, hint, str(path))])


def _snapshot(lines: list[Line]) -> dict[str, Any]:
    """The snapshot, whose models are each a map of its versions.

    Raises:
        ValueError: it is none.
    """
    snapshot = json.loads(values(lines).get(_SNAPSHOT, "{}"))
    models = snapshot.get("models", {}) if isinstance(snapshot, dict) else None
    if not isinstance(models, dict) or not all(_are_versions(versions) for versions in models.values()):
        raise ValueError(_SNAPSHOT)
    return {"name": "startup.cfg", **snapshot, "models": models}


def _are_versions(versions: object) -> bool:
    return isinstance(versions, dict) and all(isinstance(settings, dict) for settings in versions.values())


def _with_model(snapshot: dict[str, Any], name: str, version: str, archive: str) -> dict[str, Any]:
    former = snapshot["models"]
    models = {**former, name: _versions(former.get(name, {}), version, archive)}
    return {**snapshot, "modelCount": sum(map(len, models.values())), "models": models}


def _versions(former: dict[str, Any], version: str, archive: str) -> dict[str, Any]:
    """A model's versions: this one, with the settings of the one whose archive it replaces, and those of others."""
    replaced = [settings for settings in former.values() if settings.get("marName") == archive]
    settings = replaced[-1] if replaced else _SETTINGS
    others = {
        number: {**other, "defaultVersion": False}
        for number, other in former.items()
        if other.get("marName") != archive
    }
    if version in others:
        raise _TakenError(others[version].get("marName"))
    return {**others, version: {**settings, "defaultVersion": True, "marName": archive}}


def _doubts(lines: list[Line], archive: Path) -> Iterator[tuple[str, str]]:
    """What will not work in a configuration, and what to do about it."""
    given = values(lines)
    if given.get("model_store") != _STORE:
        yield f"model_store is not {_STORE}, where KServe puts the archives", f"say model_store={_STORE}"
    for key in ("inference_address", "management_address"):
        if key not in given:
            yield f"has no {key}, which KServe asks for", f"say {key}=http://0.0.0.0:8085"
    for name, versions in _snapshot(lines)["models"].items():
        for version, settings in versions.items():
            other = settings.get("marName")
            if isinstance(other, str) and other != archive.name and not os.path.lexists(archive.parent / other):
                message = f"has version {version} of {name} from {other}, which is not in {archive.parent.name}"
                yield message, "put it there, or remove that entry"
