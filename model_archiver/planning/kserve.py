"""KServe's ``config/config.properties``, which tells its TorchServe where to listen and which models to load."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from model_archiver.planning.findings import Findings
from model_archiver.planning.plan import Companion

_SNAPSHOT = "model_snapshot"

# KServe's own server answers on 8080 and asks TorchServe on 8085, without a token. It reads these keys itself.
_NEW = """\
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
model_store=/mnt/models/model-store
"""

_SETTINGS = {"minWorkers": 1, "maxWorkers": 1, "batchSize": 1, "maxBatchDelay": 100, "responseTimeout": 120}


def plan_config(path: Path, name: str, version: str, archive: str, findings: Findings) -> Companion:
    """The configuration in which a model is among those that are loaded when the server starts.

    One that is there already, for other models or with settings of the user's, keeps all it says but for this model's
    entry; of that, the settings stay.

    Args:
        path: of the configuration.
        name: the model's name.
        version: the model's version.
        archive: the archive's name in the model store.
        findings: takes what is wrong with the former configuration.
    """
    former = _read(path, findings)
    lines = (_NEW if former is None else former.decode("utf-8", "surrogateescape")).splitlines()
    snapshots = [line.partition("=")[2] for line in lines if _is_snapshot(line)]
    models: dict[str, Any] = {}
    try:
        models = _models(snapshots[-1] if snapshots else "{}")
    except ValueError:
        message = f"{_SNAPSHOT} is not, on one line, a JSON object with models, so none can be added"
        findings.error("platform-config", message, "mend it, or move the file away", path=path)
    models[name] = _versions(models.get(name, {}), version, archive)
    snapshot = {"name": "startup.cfg", "modelCount": sum(map(len, models.values())), "models": models}
    new_line = f"{_SNAPSHOT}={json.dumps(snapshot, separators=(',', ':'))}"
    text = "\n".join([*(line for line in lines if not _is_snapshot(line)), new_line, ""])
    return Companion(path, text.encode("utf-8", "surrogateescape"), former)


def _read(path: Path, findings: Findings) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        findings.error("platform-config", error.strerror or str(error), "check the path and its rights", path=path)
        return None


def _is_snapshot(line: str) -> bool:
    return line.partition("=")[0].strip() == _SNAPSHOT


def _models(snapshot: str) -> dict[str, Any]:
    """The models of a snapshot, by name, each a map of its versions.

    Raises:
        ValueError: the text is no snapshot.
    """
    fields = json.loads(snapshot)
    models = fields.get("models", {}) if isinstance(fields, dict) else None
    if not isinstance(models, dict) or not all(_are_versions(versions) for versions in models.values()):
        raise ValueError(snapshot)
    return models


def _are_versions(versions: object) -> bool:
    return isinstance(versions, dict) and all(isinstance(settings, dict) for settings in versions.values())


def _versions(former: dict[str, Any], version: str, archive: str) -> dict[str, Any]:
    """A model's versions: this one, with the settings of the one whose archive it replaces, and those of others."""
    replaced = [settings for settings in former.values() if settings.get("marName") == archive]
    settings = replaced[-1] if replaced else _SETTINGS
    others = {
        number: {**other, "defaultVersion": False}
        for number, other in former.items()
        if number != version and other.get("marName") != archive
    }
    return {**others, version: {**settings, "defaultVersion": True, "marName": archive}}
