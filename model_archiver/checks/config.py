"""The YAML file that configures a model on TorchServe (``--config-file``).

TorchServe: org/pytorch/serve/archive/model/ModelConfig.java and ModelArchive.java, `getModelConfig`;
ts/utils/util.py, `get_yaml_config`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from itertools import islice

from model_archiver.checks.context import CheckContext
from model_archiver.core.problems import Problem
from model_archiver.core.text import closest, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from model_archiver.core.problems import Level
    from model_archiver.planning.yaml_file import YamlMapping

_MAX_UNKNOWN = 50  # more unknown keys are a table of the handler's, not misspelt settings
_LARGEST = 2**31 - 1  # Java's largest Integer: the server ignores a larger number, also where it counts in Long

_LEAST = {  # the smallest value of each integer
    **dict.fromkeys(("minWorkers", "maxWorkers", "batchSize", "responseTimeout", "startupTimeout"), 1),
    **dict.fromkeys(("maxSequenceJobQueueSize", "maxNumSequence"), 1),
    **dict.fromkeys(("maxBatchDelay", "jobQueueSize", "maxRetryTimeoutInSec", "clientTimeoutInMills"), 0),
    **dict.fromkeys(("parallelLevel", "sequenceMaxIdleMSec", "sequenceTimeoutMSec"), 0),
}
_SWITCHES = ("useJobTicket", "continuousBatching", "sequenceBatching", "asyncCommunication", "useVenv")
_WORDS = {"deviceType": ("cpu", "gpu"), "parallelType": ("pp", "tp", "pptp", "custom")}
KEYS = (*_LEAST, *_SWITCHES, *_WORDS, "deviceIds", "torchrun")

_TORCHRUN_LEAST = {"nnodes": 1, "nproc-per-node": 1, "monitor-interval": 1, "OMP_NUMBER_THREADS": 1, "node-rank": 0}
TORCHRUN_KEYS = (*_TORCHRUN_LEAST, "rdzv-backend", "rdzv-endpoint", "rdzv-conf")
_NAMED_FILES = (  # a field of the manifest, its flag, file names, and what such a file begins or contains
    ("requirementsFile", "-r", r"requirements\.txt", rb"\n[^\S\n]*[^#\s]"),
    ("configFile", "-c", r"[^/]+\.ya?ml", rf"^model[-_]config\.|\n(?:{'|'.join(KEYS)})\s*:".encode()),
)
_MOST_TABLES = 200  # in one table: aliases may repeat each of them
_TABLES = ("handler", "pt2", "pippy", "deepspeed", "dali", "micro_batching")  # of handlers, which may have such keys


def config_invalid(context: CheckContext) -> Iterator[Problem]:
    """Report a config file that the server cannot read, and keys that are not strings, which it does not accept."""
    if isinstance(context.config, Problem):
        yield context.config
    for mapping, _ in _parts(context):
        for key in [key for key in mapping if not isinstance(key, str)][:1]:
            message = f"the key {'null' if key is None else _shown(key)} is not a string"
            yield Problem("error", "config-invalid", message, "put it into quotes", _path(context), mapping.lines[key])


def config_value(context: CheckContext) -> Iterator[Problem]:
    """Report values that the server does not accept, and a ``pt2`` that keeps BaseHandler from loading."""
    for mapping, keys in _parts(context):
        for key, wanted in _wrong_values(mapping, keys).items():
            message = f"{key} is {_shown(mapping[key])}, which the server does not accept"
            yield Problem("warning", "config-value", message, f"write {wanted}", _path(context), mapping.lines[key])
    settings, inherited = config_settings(context), context.inherited
    if settings and inherited and inherited.runs("initialize") and not _loads_with(settings.get("pt2", "")):
        message = f"with {_shown(settings['pt2'])} as pt2, the handler does not load"
        hint = "write a backend, such as inductor, or compile: {enable: true} below it"
        yield Problem("error", "config-value", message, hint, _path(context), settings.lines["pt2"])


def config_unknown_key(context: CheckContext) -> Iterator[Problem]:
    """Report keys that are almost one of the server's, which ignores them."""
    for key, (meant, line) in _misspelt(context).items():
        message = f"unknown key {shortened(key)!r}"
        yield Problem("warning", "config-unknown-key", message, f"did you mean {meant!r}?", _path(context), line)


def config_misplaced(context: CheckContext) -> Iterator[Problem]:
    """Report keys of the server where it does not look for them, as below the model's name in config.properties."""
    settings = config_settings(context)
    if not settings or (context.handler.file is None and context.handler.built_in is None):
        return
    if context.mentioned([b"model_yaml_config"]):  # a handler that may use any part of it
        return
    keys, others = set(KEYS) - set(settings), [key for key in settings if key not in _TABLES]
    found = {key: table for key in others for table in _tables(settings[key]) if not keys.isdisjoint(table)}
    mentioned = context.mentioned(str(key).encode() for table in found.values() for key in keys.intersection(table))
    for place, table in found.items() if len(found) <= _MAX_UNKNOWN else ():
        wrong = [str(key) for key in table if key in keys and str(key).encode() not in mentioned]
        if wrong:
            message = f"the server does not read {' and '.join(wrong)} below {shortened(str(place))}"
            hint = "write each setting at the top level of the file"
            yield Problem("warning", "config-misplaced", message, hint, _path(context), table.lines[wrong[0]])


def file_not_in_manifest(context: CheckContext) -> Iterator[Problem]:
    """Report settings and requirements that the server does not read; a file that the handler mentions is its own."""
    # The command model-archiver, which writes that field, has no flags for these files.
    is_silent = context.server != "torchserve" or not context.runs_python3 or "specificationVersion" in context.fields
    for field, flag, name, sign in () if is_silent else _NAMED_FILES:
        found = [] if context.text_field(field) else [each for each in context.by_path if re.fullmatch(name, str(each))]
        for path in found:
            content = b"%s\n%s" % (path.name.encode(errors="replace"), context.text(context.by_path[path]) or b"")
            if re.search(sign, content) and not context.mentioned([content.partition(b"\n")[0]]):
                message = "the server does not read this file, because the manifest does not name it"
                hint, shown = f"name it with {flag}", context.by_path[path].display_path
                yield Problem("warning", "file-not-in-manifest", message, hint, shown)


def config_combination(context: CheckContext) -> Iterator[Problem]:
    """Report settings that are valid, each by itself, but do not work together."""
    settings = config_settings(context)
    if not settings:
        return
    wrong = _wrong_values(settings, KEYS)
    valid = {key: settings[key] for key in KEYS if key in settings and key not in wrong}
    absent = set(KEYS) - set(settings) - {meant for meant, _ in _misspelt(context).values()}
    for level, key, message, hint in _combinations(valid, absent):
        yield Problem(level, "config-combination", message, hint, _path(context), settings.lines[key])


def config_settings(context: CheckContext) -> YamlMapping | None:
    """Return the settings of the config file; None if there is no such file, or the server cannot read it."""
    return None if isinstance(context.config, Problem) else context.config


def _parts(context: CheckContext) -> Iterator[tuple[YamlMapping, Collection[str]]]:
    """Yield the mappings that the server reads, each with the keys that it knows."""
    settings = config_settings(context)
    if settings:
        yield settings, KEYS
        yield settings.below("torchrun"), TORCHRUN_KEYS


def _path(context: CheckContext) -> str:
    file = context.named_file("configFile")
    return file.display_path if file else ""


def _wrong_values(mapping: Mapping[Any, object], keys: Collection[str]) -> dict[str, str]:
    """Return the keys whose values the server does not accept, each with what to write."""
    return {key: text for key, value in mapping.items() if key in keys and (text := _wanted(key, value))}


def _wanted(key: str, value: object) -> str | None:
    """Return what to write as the value of a key; None if the server accepts this one."""
    least = _LEAST.get(key, _TORCHRUN_LEAST.get(key))
    if least is not None:
        is_valid = type(value) is int and least <= value <= _LARGEST  # True is an int too
        wanted = f"an integer from {least} to {_LARGEST}, without quotes"
    elif key in _SWITCHES:
        is_valid, wanted = isinstance(value, bool), "true or false, without quotes"
    elif key in _WORDS:  # in any case; an empty string means none
        is_valid = isinstance(value, str) and value.lower() in (*_WORDS[key], "")
        wanted = " or ".join(_WORDS[key])
    elif key == "deviceIds":
        is_valid = isinstance(value, list) and all(type(item) is int and 0 <= item <= _LARGEST for item in value)
        wanted = "a list of integers, such as [0, 1]"
    elif key == "torchrun":
        is_valid, wanted = isinstance(value, dict), "its settings below it, indented, such as nproc-per-node: 2"
    else:
        is_valid, wanted = isinstance(value, str), "a string, in quotes"
    return None if is_valid else wanted


def _loads_with(pt2: object) -> bool:
    """Return whether BaseHandler accepts a ``pt2`` (TorchServe: ts/torch_handler/base_handler.py, `initialize`)."""
    if isinstance(pt2, dict):
        options = pt2.get("compile", {"enable": False})
        return isinstance(options, dict) and "enable" in options
    return (isinstance(pt2, str) or (isinstance(pt2, list) and "export" in pt2)) and "compile" not in pt2


def _tables(value: Any, depth: int = 3) -> Iterator[YamlMapping]:  # noqa: ANN401 - any value of the file
    """Yield the mappings in a value, itself too: below models, those of a name and of its version."""
    if hasattr(value, "lines"):
        yield value
        for each in islice(value.values(), _MOST_TABLES if depth else 0):
            yield from _tables(each, depth - 1)


def _misspelt(context: CheckContext) -> dict[str, tuple[str, int]]:
    """Return the keys that are almost one of the server's, with that one and the line."""
    found = {}  # without those of the handler: the key that they resemble is set too, or the handler may read them
    for mapping, known in _parts(context):
        by_letters = {_letters(word): word for word in known}
        unknown = [key for key in mapping if isinstance(key, str) and key not in known]
        for key in unknown if len(unknown) <= _MAX_UNKNOWN else ():
            meant = by_letters.get(closest(_letters(key[:100]), by_letters, 0.885) or "")
            if meant and meant not in mapping:
                found[key] = meant, mapping.lines[key]
    if not found or (context.handler.file is None and context.handler.built_in is None):
        return {}
    words = {key: key.encode(errors="surrogatepass") for key in found}
    mentioned = context.mentioned(words.values())
    return {key: value for key, value in found.items() if words[key] not in mentioned}


def _letters(key: str) -> str:
    """Return what different spellings of a key have in common."""
    return key.lower().translate(dict.fromkeys(map(ord, " _.-")))


def _combinations(valid: Mapping[str, Any], absent: Collection[str]) -> Iterator[tuple[Level, str, str, str]]:
    """Yield a level, the key, a message and a hint for settings that do not work together."""
    # TorchServe: org/pytorch/serve/util/ApiUtils.java, `handleRegister`.
    for key, other in (("minWorkers", "maxWorkers"), ("maxWorkers", "minWorkers")):
        if key in valid and other in absent:
            yield "warning", key, f"the server ignores {key} without {other}", f"set {other} too"
    least, most = valid.get("minWorkers", 0), valid.get("maxWorkers", 0)
    if 0 < most < least:
        message = f"the server ignores minWorkers and maxWorkers, because minWorkers ({least}) is larger than {most}"
        yield "warning", "maxWorkers", message, f"set maxWorkers to {least} or more"
    # org/pytorch/serve/wlm/Model.java; WorkerLifeCycle.java, `attachRunner`.
    kind, level = valid.get("parallelType", "").lower(), valid.get("parallelLevel", 0)
    if kind in ("pp", "tp", "pptp") and "torchrun" in absent:
        hint = "add torchrun, with nproc-per-node and a number below it"
        message = f"parallelType {kind} does not work without torchrun"
        yield "error" if level else "warning", "parallelType", message, hint
    if not kind and ("parallelType" in valid or "parallelType" in absent):
        for key, is_set in (("parallelLevel", level), ("torchrun", "torchrun" in valid)):
            if is_set:
                hint = "set parallelType to pp, tp, pptp or custom"
                yield "warning", key, f"the server ignores {key} without parallelType", hint
    # org/pytorch/serve/wlm/Model.java, which answers each request with 500.
    end = "sequenceMaxIdleMSec"
    if valid.get("sequenceBatching") and (end in absent or valid.get(end) == 0):
        message = f"with sequenceBatching and without {end}, the server answers every request with an error"
        hint = f"set {end} to the number of milliseconds after which a sequence ends"
        yield "error", "sequenceBatching", message, hint


def _shown(value: object) -> str:
    """Return a value roughly as it is written in the file."""
    if value is None:
        return "empty"
    if isinstance(value, (dict, list)):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, bool):
        return str(value).lower()
    return shortened(repr(value) if isinstance(value, str) else str(value), 40)
