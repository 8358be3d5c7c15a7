"""What a failure of a worker means, and what to do about it."""

from __future__ import annotations

import re
import signal
from pathlib import PurePosixPath

from model_archiver.core.problems import Problem
from model_archiver.core.record import Record
from model_archiver.core.text import counted, shortened
from model_archiver.trial.tracebacks import find_cause

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from model_archiver.core.problems import Level
    from model_archiver.trial.tracebacks import LoggedException

_LONGEST = 300
_CODES = {"start": "trial-start", "import": "trial-import", "load": "trial-load"}
_ESCAPES = re.compile(r"\x1b\[[\d;]*m")

# The beginnings of the packages of libraries whose modules have other names.
_PACKAGES = {"cv2": "opencv", "PIL": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml", "skimage": "scikit-image"}
_FROM_SERVER = ("ts", "mms")

# The worker's messages about a batch (ts/service.py, mms/service.py).
_NO_LIST = "Invalid model predict output"
_WRONG_COUNT = "number of batch response mismatched"
_NO_DATA = "Unsupported model output data type."

_ONE_EACH = "return a list with one answer for each request"
_MORE_MEMORY = "give it more memory, or use a smaller model or batch size"

# Parts of what is known about a failure (the exception, or the worker's last lines), and what to do.
_HINTS = (
    (
        r"Weights only load failed",
        "save the state_dict alone, torch.save(model.state_dict(), path); or, if you trust the file and load it in your"
        " own handler, call torch.load with weights_only=False",
    ),
    (
        r"Could not infer dtype of dict",
        "define preprocess in the handler, and make a tensor from the request there; or try --envelope json, if the"
        ' request is {"instances": [...]}',
    ),
    (r"^MemoryError|not enough memory", _MORE_MEMORY),
    (r"CUDA out of memory", "use a smaller batch size or model, or a GPU with more memory"),
    (r"Expected only one class", "define handle(data, context), or one class only, with initialize and handle"),
    (r"'\w+' object has no attribute 'encode'$", "give set_response_header and set_response_content_type only strings"),
    (r"required argument is not an integer", "give set_response_status an integer as the status"),
    (r"ts\.torch_handler\.request_envelope\.", "name an envelope of the server: json, body, kserve or kservev2"),
)


class Circumstances(Record):
    """What is known about a worker and the archive that it runs."""

    root: str  # the folder with the unpacked archive
    files: frozenset[str]  # the paths of the files in it
    requirements: Sequence[str]  # the lines of those of the archive that are not installed
    handler: str  # its file, or its name if it is built in
    module: str  # that the worker imports for it
    envelope: str  # or an empty string


class Failure(Record):
    """Something that failed."""

    stage: str  # load, or the requests, such as request 2
    limit: float  # the seconds that it might take
    reason: str  # refused if the worker answered so, else the reason of an AnswerError
    message: str = ""  # the worker's own
    count: int = 1  # how many requests were sent together


def diagnose(failure: Failure, log: str, status: int | None, about: Circumstances) -> Problem:
    """Return the problem for a failure, with the user's own line and a hint where it is certain.

    Args:
        failure: what failed.
        log: what the worker has written since it was asked for it.
        status: the exit status of the worker, if it ended; negative if a signal ended it.
        about: the archive.
    """
    cause = find_cause(log, about.module)
    stage, place = failure.stage, (about.handler, None)
    if stage == "load" and failure.reason == "closed" and "Connection accepted" not in log:
        stage = "start"
    if failure.reason in ("late", "incomplete", "broken"):
        text, hint = _late(failure)
    elif "unrecognized arguments: --sock-type" in log:
        stage, text = "import", "a module that the handler imports parses the command line, which is the worker's"
        hint = "call parse_known_args() instead of parse_args(), or parse arguments only if __name__ is '__main__'"
    elif failure.message in (_NO_LIST, _WRONG_COUNT):
        text, hint = _wrong_form(failure, log, about.envelope)
    elif failure.message == _NO_DATA:
        text = f"the server cannot send what the handler returned{f': {cause.text}' if cause else ''}"
        hint = "return strings, bytes, tensors, or what json.dumps takes"
    elif status is not None and status < 0:
        text, hint = _killed(-status)
    elif cause is not None:
        stage = "import" if stage == "load" and cause.is_from_import else stage
        return _raised(cause, about, "error", _CODES.get(stage, "trial-answer"), stage)
    elif status is not None and failure.reason == "closed":
        text, hint = _ended(status, log)
    else:
        ended = "the process with the model ended without an exception, as os._exit does it, or a lack of memory"
        text, hint = (f"the worker failed: {failure.message}" if failure.message else ended), ""
    code = "trial-timeout" if failure.reason in ("late", "incomplete") else _CODES.get(stage, "trial-answer")
    return Problem("error", code, f"{stage}: {text}", hint, *place)


def logged_warnings(log: str, about: Circumstances) -> Iterator[Problem]:
    """Yield a warning for an exception of ``initialize`` that Multi Model Server only logs."""
    cause = find_cause(log, about.module)
    if cause is not None and cause.frames[0].file.endswith("model_loader.py"):  # else the handler itself logged it
        found = _raised(cause, about, "warning", "trial-load", "load")
        note = "Multi Model Server only logs this exception of initialize, and serves"
        yield found.replace(message=f"{found.message} ({note})")


def _raised(cause: LoggedException, about: Circumstances, level: Level, code: str, stage: str) -> Problem:
    """Return the problem for an exception."""
    said = cause.text
    if "TorchScript interpreter" in said:  # what went wrong is below two tracebacks of TorchScript
        said = said.splitlines()[-1].partition(": ")[2] or said
    text = shortened(" ".join(_ESCAPES.sub("", said).split()), _LONGEST).replace(f"{about.root}/", "")
    line = f"{cause.kind}: {text}" if text else cause.kind
    advice = (hint for sign, hint in _HINTS if re.search(sign, line))
    hint = _about_module(cause, about) or _about_keys(cause.text) or _about_file(cause, about) or next(advice, "")
    path, number = cause.place(about.root, about.files) or (about.handler, None)
    return Problem(level, code, f"{stage}: {line}", hint, path, number)


def _late(failure: Failure) -> tuple[str, str]:
    if failure.reason == "late":
        hint = "raise the limit with --timeout, or find out with --log what it waits for"
        return f"the worker did not answer within {failure.limit:g} seconds", hint
    hint = "if the handler calls set_response_status, use only ASCII in the reason phrase"
    return "the answer of the worker is not complete", hint


def _ended(status: int, log: str) -> tuple[str, str]:
    last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "")
    shown = f" (last line: {shortened(last, 120)})" if last else ""
    hint = "remove the call of sys.exit, os._exit or quit from the code of the model" if status != 1 else ""
    return f"the worker ended with status {status}, without an exception{shown}", hint


def _wrong_form(failure: Failure, log: str, envelope: str) -> tuple[str, str]:
    """Return message and hint for an answer that is not a list with one item for each request."""
    if envelope == "kserve" and failure.count > 1:  # it takes the first request of a batch
        return "the envelope kserve answers one request of several", "use the batch size 1 with it"
    if failure.message == _WRONG_COUNT:
        match = re.search(r"mismatched, expect: \d+, got: (\d+)", log)
        got = counted(int(match[1]), "answer") if match else "another number of answers"
        return f"the handler returned {got} for {counted(failure.count, 'request')}", _ONE_EACH
    match = re.search(r"Invalid return type: <class '([^']+)'>", log)
    kind = match[1] if match else ""
    if kind == "coroutine":
        return "the handler returned a coroutine", "remove async from its definition, or set asyncCommunication: true"
    what = f"an object of the type {kind}" if kind not in ("", "NoneType") else "None" if kind else "something else"
    return f"the handler returned {what}, where the server needs a list", _ONE_EACH


def _killed(number: int) -> tuple[str, str]:
    name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
    if name == "SIGKILL":
        message = "the worker was killed (SIGKILL), as the system does with a process for which memory is short"
        return message, _MORE_MEMORY
    hint = "look for a library of compiled code that does not fit the machine or the versions here"
    return f"the worker was ended by the signal {name}", hint if name in ("SIGSEGV", "SIGILL", "SIGBUS") else ""


def _about_module(cause: LoggedException, about: Circumstances) -> str:
    """Return what to do about a module that there is not."""
    module = cause.absent_module
    if module is None:
        return ""
    top = module.partition(".")[0]
    name = _normalized(_PACKAGES.get(top, top))
    if any(_normalized(line).startswith(name) for line in about.requirements):
        return "use --install-requirements, which installs what the archive requires, as a server can"
    if module == about.module or top in _FROM_SERVER:
        return ""
    elsewhere = sorted(path for path in about.files if PurePosixPath(path).name == f"{top}.py" and "/" in path)
    if elsewhere:
        return f"the archive has {elsewhere[0]}, where the worker does not look: pack it with --include, at the root"
    return f"if {top} is a module of your own, pack it with --include; if it is a library, name it in the file of -r"


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


def _about_file(cause: LoggedException, about: Circumstances) -> str:
    """Return what to do about a file that was not found."""
    quoted = re.search(r"['\"]([^'\"]+)['\"]", cause.text)
    if not quoted or not re.search(r"FileNotFoundError|No such file|not exist", f"{cause.kind} {cause.text}"):
        return ""
    wanted = quoted[1].removeprefix(f"{about.root}/")
    same = sorted(path for path in about.files if PurePosixPath(path).name == PurePosixPath(wanted).name)
    if same:
        return f'it is {same[0]} in the archive: join that to context.system_properties["model_dir"]'
    return "" if wanted.startswith("/") else "pack it with --extra-files"
