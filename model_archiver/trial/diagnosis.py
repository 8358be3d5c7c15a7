"""What a failure of a worker means, and what to do about it."""

from __future__ import annotations

import re
import signal
from itertools import takewhile
from pathlib import PurePosixPath

from model_archiver.core.problems import Problem
from model_archiver.core.record import Record
from model_archiver.core.text import counted, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from model_archiver.core.problems import Level
    from model_archiver.trial.report import TriedModel

_LONGEST = 300
_CODES = {"start": "trial-start", "import": "trial-import", "load": "trial-load"}
_ESCAPES = re.compile(r"\x1b\[[\d;]*m")

# The beginnings of the packages of libraries whose modules have other names.
_PACKAGES = {"cv2": "opencv", "PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml", "skimage": "scikit-image"}
_FROM_SERVER = ("ts", "mms")
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
        r"Could not infer dtype of dict",
        "define preprocess in the handler, and make a tensor from the request there; or, if the request is"
        ' {"instances": [...]}, run `test` with --envelope json',
    ),
    (r"^MemoryError|not enough memory|can't allocate memory", _MORE_MEMORY),
    (r"CUDA out of memory", "use a smaller batch size or model, or a GPU with more memory"),
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
_IN_SERVER = (  # only where no code of the model raised it
    (r"'\w+' object has no attribute 'encode'$", "give set_response_header and set_response_content_type only strings"),
    (r"required argument is not an integer", "give set_response_status an integer as the status"),
)
_IN_REQUEST = (
    (r"JSON object must be str.* not (dict|list)", "leave out json.loads: the server has parsed the request already"),
)

# How Python writes an exception, and what ends its text.
_START = "Traceback (most recent call last):"
_FRAME = re.compile(r'\s+File "(.+)", line (\d+)(?:, in (.+))?$')
_EXCEPTION = re.compile(r"([A-Za-z_][\w.]*)(?:: (.*))?$")
_ENDS = re.compile(
    r"Traceback \(most recent|Backend worker process died|Frontend disconnected|During handling of the above"
    r"|The above exception was|\[INFO\]|\[WARN|\[ERROR|\d{4}-\d\d-\d\d[T ]"
)
_LONGEST_TEXT = 200  # lines of an exception's text
# What the worker raises because of another exception that it logged before.
_WRAPPERS = ("500 - Unknown exception", "507 - System out of memory")


class Failure(Record):
    """Something that failed."""

    stage: str  # load, or the requests, such as request 2
    limit: float  # the seconds that it might take
    reason: str  # refused if the worker answered so, else the reason of an AnswerError
    message: str = ""  # the worker's own
    count: int = 1  # how many requests were sent together


class Frame(Record):
    """A line of a traceback."""

    file: str
    line: int
    function: str  # empty for the place of a syntax error


class LoggedException(Record):
    """An exception with its traceback."""

    frames: tuple[Frame, ...]  # from the outermost to the innermost
    kind: str  # the class, with its module if it is not built in
    text: str  # what it says; may have several lines

    @property
    def absent_module(self) -> str | None:
        """Return the module whose import failed because there is none, or None."""
        match = re.match(r"No module named '([^']+)'", self.text)
        return match[1] if match else None

    @property
    def is_from_import(self) -> bool:
        """Return whether it was raised while the worker imported the handler."""
        functions = [frame.function for frame in self.frames]
        return "import_module" in functions and "initialize" not in functions

    def place(self, root: str, files: Collection[str]) -> tuple[str, int] | None:
        """Return the innermost line that is in a file of the archive, which is unpacked in a folder."""
        for frame in reversed(self.frames):
            path = frame.file.removeprefix(f"{root}/").replace("\\", "/")
            if path in files:
                return path, frame.line
        return None


def diagnose(failure: Failure, log: str, status: int | None, model: TriedModel) -> Problem:
    """Return the problem for a failure, with the user's own line and a hint where it is certain.

    Args:
        failure: what failed.
        log: what the worker has written since it was asked for it.
        status: the exit status of the worker, if it ended; negative if a signal ended it.
        model: the model.
    """
    cause = find_cause(log, model.module)
    stage, place = failure.stage, (model.display_path, None)
    if stage == "load" and failure.reason == "closed" and "Connection accepted" not in log:
        stage = "start"
    elif status is not None and failure.reason == "closed" and _DIED not in log:
        cause = None  # the model handled it, and ended the process afterwards
    if failure.reason in ("late", "incomplete", "broken", "large"):
        text, hint = _late(failure)
    elif "model_service_worker.py: error:" in log:
        text = "code of the model parses the worker's command line"
        hint = "parse arguments only if __name__ is '__main__'"
        if "unrecognized arguments" in log:
            hint = f"call parse_known_args() instead of parse_args(), or {hint}"
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
        return _raised(cause, model, "error", _CODES.get(stage, "trial-answer"), stage)
    elif status is not None and failure.reason == "closed":
        text, hint = _ended(status, log)
    else:
        ended = "the process with the model ended without an exception: it called os._exit, or it was killed"
        text, hint = (f"the worker failed: {failure.message}" if failure.message else ended), ""
    code = "trial-timeout" if failure.reason in ("late", "incomplete") else _CODES.get(stage, "trial-answer")
    return Problem("error", code, f"{stage}: {text}", hint, *place)


def logged_warnings(log: str, model: TriedModel) -> Iterator[Problem]:
    """Yield a warning for an exception of ``initialize`` that Multi Model Server only logs."""
    cause = find_cause(log, model.module)
    if cause is not None and cause.frames[0].file.endswith("model_loader.py"):  # else the handler itself logged it
        found = _raised(cause, model, "warning", "trial-load", "load")
        note = "Multi Model Server only logs this exception of initialize, and serves"
        yield found.replace(message=f"{found.message} ({note})")


def _raised(cause: LoggedException, model: TriedModel, level: Level, code: str, stage: str) -> Problem:
    """Return the problem for an exception."""
    said = cause.text
    if "TorchScript interpreter" in said:  # what went wrong is below two tracebacks of TorchScript
        said = said.splitlines()[-1].partition(": ")[2] or said
    said = " ".join(_ESCAPES.sub("", said).split()).replace(f"{model.folder}/", "")
    text = shortened(said.rstrip("."), _LONGEST)
    line = f"{cause.kind}: {text}" if text else cause.kind
    place = cause.place(model.folder, model.files)
    path, number = place or (model.display_path, None)
    known = (*_HINTS, *(() if place else _IN_SERVER), *(_IN_REQUEST if stage.startswith("request") else ()))
    advice = (hint for sign, hint in known if re.search(sign, line))
    hint = _about_module(cause, model) or _about_keys(cause.text) or _about_file(cause, model) or next(advice, "")
    return Problem(level, code, f"{stage}: {line}", hint, path, number)


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
    return f"the handler returned {what}; the server needs a list", _ONE_EACH


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
    if module == model.module or top in _FROM_SERVER:
        return ""
    elsewhere = sorted(path for path in model.files if path.endswith((f"/{top}.py", f"/{top}/__init__.py")))
    if elsewhere:
        found = elsewhere[0].removesuffix("/__init__.py")
        return f"the archive has {found}, but the worker looks only at the root: pack {found} with --include"
    library = "add it to the requirements (-r)" if model.server == "torchserve" else "install it for the server"
    return f"if {top} is your own module, pack it with --include; if it is a library, {library}"


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip().lower())


def _about_keys(text: str) -> str:
    """Return what to do about a state_dict whose keys differ from the model's by a prefix, or a checkpoint."""
    missing, _, unexpected = text.partition("Unexpected key(s)")
    # Only the keys are quoted; sizes that differ come last.
    absent = set(re.findall(r'"([^"]+)"', missing.partition("Missing key(s)")[2]))
    found = set(re.findall(r'"([^"]+)"', unexpected.partition("size mismatch")[0]))
    if "loading state_dict" not in text or not found:
        return ""
    for name in ("state_dict", "model_state_dict", "model"):
        if name in found - absent:
            return f'the file is a checkpoint: save its item alone, torch.save(checkpoint["{name}"], path)'
    for verb, prefix in (("remove", _prefix(found, absent)), ("add", _prefix(absent, found))):
        if prefix:
            where = "from" if verb == "remove" else "to"
            return f"{verb} the prefix {prefix} {where} the keys of the state_dict before you save it"
    return ""


def _prefix(longer: set[str], shorter: set[str]) -> str:
    """Return what all longer keys have in front of the shorter ones, or an empty string."""
    key = min(longer, key=len, default="")
    prefixes = (key.removesuffix(other) for other in shorter if key.endswith(f".{other}"))
    return next((prefix for prefix in prefixes if {f"{prefix}{each}" for each in shorter} == longer), "")


def _about_file(cause: LoggedException, model: TriedModel) -> str:
    """Return what to do about a file that was not found."""
    missing = re.search(r"\[Errno 2\] No such file or directory: '(.+)'$", cause.text)
    if not missing:
        return ""
    wanted = PurePosixPath(missing[1].removeprefix(f"{model.folder}/"))
    same = wanted.name if wanted.is_absolute() else wanted  # of another machine, or in another folder here
    found = sorted(path for path in model.files if f"/{path}".endswith(f"/{same}"))
    if found and ".." not in wanted.parts:
        return f'in the archive it is {found[0]}: join that to context.system_properties["model_dir"]'
    return "pack it with --include" if str(wanted) == wanted.name else ""


def find_cause(log: str, handler_module: str) -> LoggedException | None:
    """Return the exception for which something failed, the last one of a log, without those that hide it.

    Args:
        log: what the worker wrote since it was asked for what failed.
        handler_module: the module of the handler, as the worker imports it.
    """
    # After a failed import of the handler, TorchServe looks for it among its own handlers.
    hiding = (f"ts.torch_handler.{handler_module}", handler_module)
    found = [each for each in _exceptions(log) if each.kind != "RuntimeError" or each.text not in _WRAPPERS]
    ranks = (hiding.index(each.absent_module) if each.absent_module in hiding else 2 for each in found)
    return max(zip(ranks, range(len(found)), found, strict=True), default=(0, 0, None))[2]


def _exceptions(log: str) -> Iterator[LoggedException]:
    """Yield the exceptions of a log, in its order."""
    lines = log.splitlines()
    for start in [number for number, line in enumerate(lines) if line.strip() == _START]:
        frames = []
        number, margin = start + 1, len(lines[start]) - len(lines[start].lstrip())
        while number < len(lines) and (not lines[number][margin:].strip() or lines[number][margin:].startswith(" ")):
            if match := _FRAME.match(lines[number]):
                frames.append(Frame(match[1], int(match[2]), match[3] or ""))
            number += 1
        found = _EXCEPTION.match(lines[number][margin:]) if number < len(lines) else None
        if found and frames:
            rest = lines[number + 1 : number + _LONGEST_TEXT]
            text = [found[2] or "", *takewhile(lambda line: not _ENDS.match(line.strip()), rest)]
            yield LoggedException(tuple(frames), found[1], "\n".join(text).strip())
