"""KServe's ``config/config.properties``, which tells its TorchServe where to listen and which models to load."""

from __future__ import annotations

import json
import os
import re
import stat

from model_archiver.core.plan import SidecarFile
from model_archiver.core.problems import ModelArchiverError, Problem
from model_archiver.core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Any

    from model_archiver.core.problems import ProblemList

ENCODING = "iso-8859-1"
"""Of the bytes, whatever they are: each is a character, so what is not touched stays as it is."""

_NATURAL_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_BLANKS = " \t\f"
_KEY_AND_VALUE = re.compile(r"\A((?:\\.|[^\\=: \t\f])*)[ \t\f]*[=:]?[ \t\f]*(.*)", re.DOTALL)
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.)|$)", re.DOTALL)
_CONTROL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


class PropertyLine(Record):
    """A logical line, which may be several lines of the file.

    Attributes:
        raw: as it stands in the file, with what ends it.
        key: None for a comment or a blank line.
        value: what the key stands for.
    """

    raw: str
    key: str | None = None
    value: str = ""


def parse_properties(text: str) -> list[PropertyLine]:
    """The logical lines of a file; together, their `raw` is the file."""
    return list(_logical_lines(_NATURAL_LINE.findall(text)))


def property_values(lines: list[PropertyLine]) -> dict[str, str]:
    """What each key stands for: the last line that names it counts."""
    return {line.key: line.value for line in lines if line.key is not None}


def with_property(lines: list[PropertyLine], key: str, value: str) -> str:
    """The text of a file in which a key has a value, at its former place or at the end; all else is as it was.

    Args:
        lines: of the former file.
        key: plain letters, digits and signs that need no escape.
        value: in ASCII, and not beginning with a blank.
    """
    places = [number for number, line in enumerate(lines) if line.key == key]
    number = places[-1] if places else len(lines)
    end = "\r\n" if lines and lines[0].raw.endswith("\r\n") else "\n"
    before = "".join(line.raw for line in lines[:number])
    if before and not before.endswith(("\r", "\n")):
        before += end
    if _goes_on(before):  # a blank line ends what would else go on with ours
        before += end
    escaped = value.replace("\\", "\\\\")
    return f"{before}{key}={escaped}{end}{''.join(line.raw for line in lines[number + 1 :])}"


def _logical_lines(natural: list[str]) -> Iterator[PropertyLine]:
    raw = content = ""
    for line in natural:
        raw += line
        piece = line.rstrip("\r\n").lstrip(_BLANKS)
        if not content and piece[:1] in {"", "#", "!"}:
            yield PropertyLine(raw)
            raw = ""
        elif _goes_on(line):
            content += piece[:-1]
        else:
            yield _property(raw, content + piece)
            raw = content = ""
    if raw:
        yield _property(raw, content)


def _goes_on(text: str) -> bool:
    """Whether the last line of a text ends in a backslash that is not escaped itself."""
    line = text.removesuffix("\n").removesuffix("\r") if text.endswith("\n") else text.removesuffix("\r")
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _property(raw: str, content: str) -> PropertyLine:
    [(key, value)] = _KEY_AND_VALUE.findall(content)
    return PropertyLine(raw, _unescaped(key), _unescaped(value))


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _plain(found[2] or ""), text)


def _plain(character: str) -> str:
    return _CONTROL.get(character, character)


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


def plan_config(path: Path, name: str, version: str, archive: Path, problems: ProblemList) -> SidecarFile:
    """The configuration in which a model is among those that are loaded when the server starts.

    One that is there already, for other models or with settings of the user's, keeps all it says but for this model's
    entry; of that, the settings stay.

    Args:
        path: of the configuration.
        name: the model's name.
        version: the model's version.
        archive: the archive, by its name in the model store.
        problems: takes what is wrong with the former configuration.
    """
    sidecar = SidecarFile(path, name, version, archive.name)
    try:
        config_content(sidecar)
        for message, hint in _doubts(_read(path), archive):
            problems.warning("platform-config", message, hint, path=path)
    except ModelArchiverError as error:
        problems.extend(error.problems)
    return sidecar


def is_config(path: Path) -> bool:
    """Whether this is such a configuration, and not one of the user's that is called so."""
    try:
        given = property_values(_read(path))
    except ModelArchiverError:
        return False
    return _SNAPSHOT in given and given.get("model_store") == _STORE


def config_content(sidecar: SidecarFile) -> bytes:
    """What the configuration is to hold, with all that it holds now.

    Raises:
        ModelArchiverError: no model can be added to what lies there.
    """
    path, name, version, archive = sidecar.path, sidecar.model_name, sidecar.version, sidecar.archive
    lines = _read(path)
    try:
        snapshot = _with_model(_snapshot(lines), name, version, archive)
        value = json.dumps(snapshot, separators=(",", ":"))
    except (ValueError, RecursionError):
        message = f"{_SNAPSHOT} is not a JSON object with models, so none can be added"
        raise _rejection(path, message, "mend it, or move the file away") from None
    except _TakenError as error:
        message = f"has version {version} of {name} already, from {error}"
        raise _rejection(path, message, "choose another --version, or remove that entry") from None
    # KServe reads the value as it stands, and TorchServe without the escapes of properties: this is JSON either way.
    plain = re.sub(r"\\.", lambda found: r"\u0022" if found[0] == r"\"" else found[0], value)
    return with_property(lines, _SNAPSHOT, plain).encode(ENCODING)


class _TakenError(Exception):
    """Another archive has the version."""


def _read(path: Path) -> list[PropertyLine]:
    """The lines of the configuration; those of a new one where there is none, or nothing in it."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise _rejection(path, "is no file", "move it away")
        if status.st_size > _LARGEST:
            raise _rejection(path, "is too large for a configuration", "move it away")
        text = path.read_bytes().decode(ENCODING)
    except (FileNotFoundError, NotADirectoryError):
        text = ""
    except OSError as error:
        if isinstance(error, ModelArchiverError):
            raise
        raise _rejection(path, error.strerror or str(error), "check the path and its rights") from error
    return parse_properties(text if text.strip() else _NEW)


def _rejection(path: Path, message: str, hint: str) -> ModelArchiverError:
    return ModelArchiverError(problems=[Problem("error", "platform-config", message, hint, str(path))])


def _snapshot(lines: list[PropertyLine]) -> dict[str, Any]:
    """The snapshot, whose models are each a map of its versions.

    Raises:
        ValueError: it is none.
    """
    snapshot = json.loads(property_values(lines).get(_SNAPSHOT, "{}"))
    models = snapshot.get("models", {}) if isinstance(snapshot, dict) else None
    if not isinstance(models, dict) or not all(_are_versions(versions) for versions in models.values()):
        raise ValueError(_SNAPSHOT)
    return {"name": "startup.cfg", **snapshot, "models": models}


def _are_versions(versions: object) -> bool:
    return isinstance(versions, dict) and all(isinstance(settings, dict) for settings in versions.values())


def _with_model(snapshot: dict[str, Any], name: str, version: str, archive: str) -> dict[str, Any]:
    existing = snapshot["models"]
    models = {**existing, name: _versions(existing.get(name, {}), version, archive)}
    return {**snapshot, "modelCount": sum(map(len, models.values())), "models": models}


def _versions(existing: dict[str, Any], version: str, archive: str) -> dict[str, Any]:
    """A model's versions: this one, with the settings of the one whose archive it replaces, and those of others."""
    replaced = [settings for settings in existing.values() if settings.get("marName") == archive]
    settings = replaced[-1] if replaced else _SETTINGS
    others = {
        number: {**other, "defaultVersion": False}
        for number, other in existing.items()
        if other.get("marName") != archive
    }
    if version in others:
        raise _TakenError(others[version].get("marName"))
    return {**others, version: {**settings, "defaultVersion": True, "marName": archive}}


def _doubts(lines: list[PropertyLine], archive: Path) -> Iterator[tuple[str, str]]:
    """What will not work in a configuration, and what to do about it."""
    given = property_values(lines)
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
