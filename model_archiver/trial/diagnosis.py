"""What a failure of a worker means, and what to do about it."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath

from model_archiver.core.problems import Problem
from model_archiver.core.record import Record
from model_archiver.core.text import counted, shortened
from model_archiver.trial.report import TriedModel
from model_archiver.trial.tracebacks import LoggedException, find_cause

_LONGEST = 300
_CODES = {"start": "trial-start", "import": "trial-import", "load": "trial-load"}
_ESCAPES = re.compile(r"\x1b\[[\d;]*m")

# The beginnings of the packages of libraries whose modules have other names.
_PACKAGES = {"cv2": "opencv", "PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml", "skimage": "scikit-image"}
_ENVELOPES = "ts.torch_handler.request_envelope."
# What the worker itself writes (ts/model_service_worker.py, mms/model_service_worker.py).
_OWN_LINES = re.compile(
    r"s_name_part|Listening on|Successfully loaded|\[PID\]|Torch worker|MMS worker|Python runtime|Connection accepted"
    r"|model_name: |Backend received|.*- generated new fontManager"
)

_DIED = "Backend worker process died"  # what the worker writes after the exception that ends it

# The worker's messages about a batch (ts/service.py, mms/service.py).
_NO_LIST = "Invalid model predict output"
_WRONG_COUNT = "number of batch response mismatched"
_NO_DATA = "Unsupported model output data type."

_ONE_EACH = "return a list with one answer per request"
_MORE_MEMORY = "give the worker more memory, or use a smaller model or batch size"

# Parts of an exception's text, and what to do.
_HINTS = (
    (
        r"Weights only load failed",
        "save the state_dict alone, torch.save(model.state_dict(), path); or, if you trust the file and load it in your"
        " own handler, call torch.load with weights_only=False",
    ),
    (
        r"loading state_dict for .*Missing key",
        "save the state_dict of this very class, without a checkpoint around it or a prefix before its keys",
    ),
    (
        r"Could not infer dtype of dict",
        "define preprocess in the handler, and make a tensor from the request there; or, if the request is"
        ' {"instances": [...]}, run `test` with --envelope json',
    ),
    (r"^MemoryError|not enough memory|can't allocate memory|CUDA out of memory", _MORE_MEMORY),
    (r"Expected only one class as model definition", "keep only the model's class in the model file"),
    (r"Expected only one class", "define handle(data, context), or one class only, with initialize and handle"),
    (
        r"failed locating file constants\.pkl",
        "pack the model's class with --model-file, or save the model as TorchScript",
    ),
    (
        r"Can't get attribute .* on <module '__main__'",
        "move the class from the script that saved the file to a module, save it again, and pack the module too",
    ),
    (r"not compiled with CUDA|No CUDA GPUs|NVIDIA driver", "use the CPU in the handler if torch finds no GPU"),
)
# What says that a file is missing: Python and safetensors; torch.jit.load; ONNX Runtime; sentencepiece; transformers.
_MISSING = re.compile(
    r"""No such file or directory: ['"]?(.+?)['"]?$|The provided filename (.+) does not exist$"""
    r"""|Load model from (.+?) failed:.* doesn't exist|(?:Not found|NOT_FOUND): "(.+)": No such file"""
    r"""|(?:Repo id must .*: |path_or_model_id: |Can't load .+ for )'(.+?)'(?:\.|$)"""
)
_HUB = 5  # the group for which it may also be the name of a model on a hub
_ON_PATH = re.compile(r"\s*sys\.path(?:\.\w+\(|\s*\+?=)")
_QUOTED = re.compile(r"""["']([^"']+)["']""")
_IN_REQUEST = (
    (r"JSON object must be str.* not (dict|list)", "leave out json.loads: the server has parsed the request already"),
)


class Failure(Record):
    """Something that failed."""

    stage: str  # load, or the requests, such as request 2
    limit: float  # the seconds that it might take
    reason: str  # refused if the worker answered so, else the reason of an AnswerError
    message: str = ""  # the worker's own
    count: int = 1  # how many requests were sent together


def diagnose(failure: Failure, log: str, status: int | None, model: TriedModel) -> Problem:
    """Return the problem for a failure, with the user's own line and a hint where it is certain.

    The log is what the worker has written since it was asked for what failed. The status is the exit status of the
    worker, if it ended; negative if a signal ended it.
    """
    cause = find_cause(log, model.handler.module)
    stage = failure.stage
    place: tuple[str, int | None] = (model.handler.display_path, None)
    if stage == "load" and failure.reason == "closed" and "Connection accepted" not in log:
        stage = "start"
    elif status is not None and failure.reason == "closed" and _DIED not in log:
        cause = None  # the model handled it, and ended the process afterwards
    if failure.reason in ("late", "incomplete", "broken", "large"):
        text, hint = _late(failure)
    elif "model_service_worker.py: error:" in log:
        text = "code of the model parses the worker's command line"
        hint = "parse arguments only if __name__ is '__main__'"
        found = [(path, number) for path, number, line in _lines(model, model.files) if ".parse_args(" in line]
        place = found[0] if len(found) == 1 else place
    elif failure.message in (_NO_LIST, _WRONG_COUNT):
        text, hint = _wrong_form(failure, log, model.envelope)
    elif failure.message == _NO_DATA:
        text = f"the server cannot send what the handler returned{f': {cause.text}' if cause else ''}"
        hint = "return strings, bytes, tensors, or what json.dumps takes"
    elif status is not None and status < 0:
        text, hint = _killed(-status)
    elif cause is not None and (cause.absent_module or "").startswith(_ENVELOPES):
        text, hint = f"TorchServe has no envelope {model.envelope}", "name one of json, body, kserve and kservev2"
        place = (f"--envelope {model.envelope}", None)
    elif cause is not None:
        stage = "import" if stage == "load" and cause.is_from_import else stage
        return _raised(cause, model, stage)
    elif status is not None and failure.reason == "closed":
        text, hint = _ended(status, log)
    else:
        ended = "the process with the model ended without an exception: it called os._exit, or it was killed"
        text, hint = (f"the worker failed: {failure.message}" if failure.message else ended), ""
    code = "trial-timeout" if failure.reason in ("late", "incomplete") else _CODES.get(stage, "trial-answer")
    return Problem("error", code, f"{stage}: {text}", hint, *place)


def logged_warnings(log: str, model: TriedModel) -> Iterator[Problem]:
    """Yield a warning for an exception of ``initialize`` that Multi Model Server only logs."""
    cause = find_cause(log, model.handler.module)
    if cause is not None and cause.frames[0].file.endswith("model_loader.py"):  # else the handler itself logged it
        found = _raised(cause, model, "load")
        note = "Multi Model Server only logs this exception of initialize, and serves"
        yield found.replace(level="warning", message=f"{found.message} ({note})")


def _raised(cause: LoggedException, model: TriedModel, stage: str) -> Problem:
    """Return the error for an exception."""
    said = cause.text
    if "TorchScript interpreter" in said:  # what went wrong is below two tracebacks of TorchScript
        said = said.splitlines()[-1].partition(": ")[2] or said
    said = " ".join(_ESCAPES.sub("", said).split()).replace(f"{model.folder}/", "").replace(model.folder, "model_dir")
    text = shortened(said.rstrip("."), _LONGEST)
    line = f"{cause.kind}: {text}" if text else cause.kind
    path, number = cause.place(model.folder, model.files) or (model.handler.display_path, None)
    known = (*_HINTS, *(_IN_REQUEST if stage.startswith("request") else ()))
    advice = (hint for sign, hint in known if re.search(sign, line))
    hint = _about_module(cause, model) or _about_file(cause, model) or next(advice, "")
    return Problem("error", _CODES.get(stage, "trial-answer"), f"{stage}: {line}", hint, path, number)


def _late(failure: Failure) -> tuple[str, str]:
    if failure.reason == "late":
        hint = "raise the limit with --timeout, or look in the log for what it waits for"
        return f"the worker did not answer within {failure.limit:g} seconds", hint
    hint = "if the handler calls set_response_status, use only ASCII in the reason phrase"
    if failure.reason == "large":
        message = "the answer is larger than a server passes on by default (6,553,500 bytes), or than test keeps"
        return message, "send less; on a server, max_response_size in config.properties is the limit"
    return f"only a part of the answer arrived within {failure.limit:g} seconds", hint


def _ended(status: int, log: str) -> tuple[str, str]:
    lines = (line.strip() for line in reversed(log.splitlines()) if line.strip() and not _OWN_LINES.match(line))
    last = next(lines, "")
    shown = f" (last line: {shortened(last, 120)})" if last else ""
    hint = "remove the call of sys.exit, os._exit or quit from the code of the model" if status != 1 else ""
    return f"the worker ended with status {status}, without an exception{shown}", hint


def _wrong_form(failure: Failure, log: str, envelope: str) -> tuple[str, str]:
    """Return message and hint for an answer that is not a list with one item for each request."""
    if envelope == "kserve" and failure.count > 1:  # it takes the first request of a batch
        return "the envelope kserve answers only one request of a batch", "use the batch size 1 with it"
    if failure.message == _WRONG_COUNT:
        match = re.search(r"mismatched, expect: \d+, got: (\d+)", log)
        got = counted(int(match[1]), "answer") if match else "another number of answers"
        return f"the handler returned {got} for {counted(failure.count, 'request')}", _ONE_EACH
    match = re.search(r"Invalid return type: <class '([^']+)'>", log)
    kind = match[1] if match else ""
    if kind == "coroutine":
        return "the handler returned a coroutine", "remove async from its definition, or set asyncCommunication: true"
    what = {"": "something else", "NoneType": "None"}.get(kind, f"a value of the type {kind}")
    example = ", such as output.tolist()" if kind in ("torch.Tensor", "numpy.ndarray") else ""
    return f"the handler returned {what}, not a list", f"{_ONE_EACH}{example}"


def _killed(number: int) -> tuple[str, str]:
    name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
    if name == "SIGKILL":
        return "the worker was killed (SIGKILL)", f"if it ran out of memory, {_MORE_MEMORY}"
    hint = "look for a compiled library that does not match this machine or these versions"
    return f"the worker ended by the signal {name}", hint if name in ("SIGSEGV", "SIGILL", "SIGBUS") else ""


def _about_module(cause: LoggedException, model: TriedModel) -> str:
    """Return what to do about a module that there is not."""
    module = cause.absent_module
    if module is None or "is not a package" in cause.text:
        return ""
    top = module.partition(".")[0]
    name = _normalized(_PACKAGES.get(top, top))
    required = [_normalized(re.split(r"[^\w.-]", line.strip())[0]) for line in model.requirements]
    if name in required or (top in _PACKAGES and any(each.startswith(name) for each in required)):
        return "use --install-requirements; on a server, set install_py_dep_per_model=true"
    if module == model.handler.module or top in ("ts", "mms"):  # the packages of the servers
        return ""
    elsewhere = sorted(path for path in model.files if path.endswith((f"/{top}.py", f"/{top}/__init__.py")))
    if elsewhere:
        found = elsewhere[0].removesuffix("/__init__.py")
        return f"the archive has {found}, but the worker looks only at the root: pack {found} with --include"
    if lost := _lost_folder(cause, model):
        return f"{lost} on sys.path, and there is no such folder: pack {top} with --include"
    library = "add it to the requirements (-r)" if model.server == "torchserve" else "install it for the server"
    return f"if {top} is your own module, pack it with --include; if it is a library, {library}"


def _lost_folder(cause: LoggedException, model: TriedModel) -> str:
    """Return which line of the model puts a folder on ``sys.path`` that does not exist, or an empty string."""
    for path, number, line in _lines(model, [frame.file.removeprefix(f"{model.folder}/") for frame in cause.frames]):
        parts = _QUOTED.findall(line) if _ON_PATH.match(line) and "env" not in line else []
        if parts and not Path(model.folder, *parts).is_dir():
            return f"{path}:{number} puts {PurePosixPath(*parts)}"
    return ""


def _lines(model: TriedModel, paths: Iterable[str]) -> Iterator[tuple[str, int, str]]:
    """Yield the lines of the Python files of the archive among some paths, each with its path and its number."""
    for path in sorted(model.files.intersection(paths)):
        with suppress(OSError):  # the model may have removed it
            text = Path(model.folder, path).read_text("utf-8", "replace") if path.endswith(".py") else ""
            yield from ((path, number, line) for number, line in enumerate(text.splitlines(), 1))


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip().lower())


def _about_file(cause: LoggedException, model: TriedModel) -> str:
    """Return what to do about a file or a folder that was not found."""
    missing = _MISSING.search(" ".join(cause.text.split()))
    given = missing[missing.lastindex] if missing and missing.lastindex else ""
    wanted = PurePosixPath(given.removeprefix(f"{model.folder}/"))
    if not wanted.name or (missing and missing.lastindex == _HUB and not given.startswith(("/", "./", "../"))):
        return ""  # else it may be the name of a model on a hub
    is_outside = wanted.is_absolute() or ".." in wanted.parts
    same = wanted.name if is_outside else wanted
    found = sorted(path for path in model.files if f"/{path}".endswith(f"/{same}"))
    folder = 'context.system_properties["model_dir"]'
    if found:
        return f"in the archive it is {found[0]}: join that to {folder}"
    if is_outside:
        return f"if {wanted.name} belongs to the model, pack it with --include, and join its name to {folder}"
    top = wanted.parts[0]
    named = sorted(path for path in model.files if f"/{path}".endswith(f"/{wanted.name}"))
    if named:
        return f"the archive has {named[0]} instead: pack the folder {top} with --include, which keeps its name"
    return f"if {top} belongs to the model, pack it with --include"
