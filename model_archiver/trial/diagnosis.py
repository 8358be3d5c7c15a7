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

    from model_archiver.trial.tracebacks import LoggedException

_LONGEST = 300
_CODES = {"start": "trial-start", "import": "trial-import", "load": "trial-load"}
_ESCAPES = re.compile(r"\x1b\[[\d;]*m")
_KEYS = re.compile(r'"([^"]+)"')
_DISTRIBUTIONS = {
    "cv2": "opencv",
    "PIL": "pillow",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
    "skimage": "scikit-image",
}
"""Modules of libraries whose packages have other names; the beginning of the name is enough."""
_FROM_SERVER = ("ts", "mms")

# The worker's messages about a batch (ts/service.py, mms/service.py).
_NO_LIST = "Invalid model predict output"
_WRONG_COUNT = "number of batch response mismatched"
_NO_DATA = "Unsupported model output data type."
_PARSES_ARGUMENTS = (
    "a module that the handler imports parses the command line, which is the worker's",
    "call parse_known_args() instead of parse_args(), or parse arguments only if __name__ is '__main__'",
)
_ONE_EACH = "return a list with one answer for each request"

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
    (r"^MemoryError|not enough memory", "give it more memory, or use a smaller model or batch size"),
    (r"CUDA out of memory", "use a smaller batch size or model, or a GPU with more memory"),
    (r"Expected only one class", "define handle(data, context), or one class only, with initialize and handle"),
    (r"'\w+' object has no attribute 'encode'$", "give set_response_header and set_response_content_type only strings"),
    (r"required argument is not an integer", "give set_response_status an integer as the status"),
    (r"ts\.torch_handler\.request_envelope\.", "name an envelope of the server: json, body, kserve or kservev2"),
)
"""Parts of an exception's text, and what to do."""


class Circumstances(Record):
    """What is known about a worker and the archive that it runs.

    Attributes:
        root: the folder with the unpacked archive.
        files: the paths of the files in it.
        requirements: the lines of the archive's requirements; empty if it has none, or if they are installed.
        handler: the handler's file, or its name if it is built in.
        module: the module that the worker imports for it.
        envelope: the service envelope, or an empty string.
    """

    root: str
    files: frozenset[str]
    requirements: Sequence[str]
    handler: str
    module: str
    envelope: str = ""


class Failure(Record):
    """Something that failed.

    Attributes:
        stage: ``load``, or the requests, such as ``request 2``.
        limit: the seconds that it might take.
        reason: ``refused`` if the worker answered so, else why there is no answer: a reason of `AnswerError`.
        message: the worker's own message, or an empty string.
        count: how many requests were sent together.
    """

    stage: str
    limit: float
    reason: str
    message: str = ""
    count: int = 1


def diagnose(failure: Failure, log: str, status: int | None, about: Circumstances) -> Problem:
    """Return the problem for a failure, with the user's own line and a hint where it is certain.

    Args:
        failure: what failed.
        log: what the worker has written since it was asked for it.
        status: the exit status of the worker, if it ended; negative if a signal ended it.
        about: the archive.
    """
    cause = find_cause(log, about.module)
    is_start = failure.stage == "load" and failure.reason == "closed" and "Connection accepted" not in log
    stage = "start" if is_start else failure.stage
    place: tuple[str, int | None] = (about.handler, None)
    if failure.reason in ("late", "incomplete", "broken"):
        text, hint = _late(failure)
    elif "unrecognized arguments: --sock-type" in log:
        stage, (text, hint) = "import", _PARSES_ARGUMENTS
    elif failure.message in (_NO_LIST, _WRONG_COUNT):
        text, hint = _wrong_form(failure, log)
        if about.envelope == "kserve" and failure.count > 1:  # it takes the first request of a batch
            text, hint = "the envelope kserve answers one request of several", "use the batch size 1 with it"
    elif failure.message == _NO_DATA:
        text = f"the server cannot send what the handler returned{f': {cause.text}' if cause else ''}"
        hint = "return strings, bytes, tensors, or what json.dumps takes"
    elif status is not None and status < 0:
        text, hint = _killed(-status)
    elif cause is not None:
        stage = "import" if stage == "load" and cause.is_from_import else stage
        text, hint = _raised(cause, about)
        place = cause.place(about.root, about.files) or place
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
        text, hint = _raised(cause, about)
        message = f"load: {text} (Multi Model Server only logs this exception of initialize, and serves)"
        place = cause.place(about.root, about.files) or (about.handler, None)
        yield Problem("warning", "trial-load", message, hint, *place)


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


def _wrong_form(failure: Failure, log: str) -> tuple[str, str]:
    """Return message and hint for an answer that is not a list with one item for each request."""
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
        return message, "give it more memory, or use a smaller model or batch size"
    hint = "look for a library of compiled code that does not fit the machine or the versions here"
    return f"the worker was ended by the signal {name}", hint if name in ("SIGSEGV", "SIGILL", "SIGBUS") else ""


def _raised(cause: LoggedException, about: Circumstances) -> tuple[str, str]:
    """Return message and hint for an exception."""
    said = cause.text
    if "TorchScript interpreter" in said:  # what went wrong is below two tracebacks of TorchScript
        said = said.splitlines()[-1].partition(": ")[2] or said
    text = shortened(" ".join(_ESCAPES.sub("", said).split()), _LONGEST).replace(f"{about.root}/", "")
    steps = (_about_module, _about_keys, _about_file)
    hint = next((hint for step in steps if (hint := step(cause, about))), "")
    line = f"{cause.kind}: {text}"
    hint = hint or next((advice for sign, advice in _HINTS if re.search(sign, line)), "")
    return line if text else cause.kind, hint


def _about_module(cause: LoggedException, about: Circumstances) -> str:
    module = cause.absent_module
    if module is None:
        return ""
    top = module.partition(".")[0]
    name = _normalized(_DISTRIBUTIONS.get(top, top))
    if any(_normalized(line).startswith(name) for line in about.requirements):
        return "use --install-requirements, which installs what the archive requires, as a server can"
    if module == about.module or top in _FROM_SERVER:
        return ""
    elsewhere = sorted(path for path in about.files if PurePosixPath(path).parts[-1] == f"{top}.py" and "/" in path)
    if elsewhere:
        return f"the archive has {elsewhere[0]}, where the worker does not look: pack it with --include, at the root"
    return f"if {top} is a module of your own, pack it with --include; if it is a library, name it in the file of -r"


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip().lower())


def _about_keys(cause: LoggedException, _about: Circumstances) -> str:
    """Return what to do about a state_dict whose keys differ from the model's by a prefix, or a checkpoint."""
    if "loading state_dict" not in cause.text:
        return ""
    missing, _sentence, unexpected = cause.text.partition("Unexpected key(s)")
    # The first quoted text of neither part is a key's only with its sentence; sizes that differ have no quotes.
    absent = set(_KEYS.findall(missing.partition("Missing key(s)")[2]))
    found = set(_KEYS.findall(unexpected.partition("size mismatch")[0]))
    for name in ("state_dict", "model_state_dict", "model"):
        if name in found and name not in absent:
            return f'the file is a checkpoint: save its item alone, torch.save(checkpoint["{name}"], path)'
    prefix = _prefix(found, absent)
    if prefix:
        return f"remove the prefix {prefix} from the keys of the state_dict before you save it"
    prefix = _prefix(absent, found)
    return f"add the prefix {prefix} to the keys of the state_dict before you save it" if prefix else ""


def _prefix(longer: set[str], shorter: set[str]) -> str:
    """Return what all longer keys have in front of the shorter ones, or an empty string."""
    for key in sorted(longer, key=len)[:1]:
        for other in shorter:
            prefix = key.removesuffix(other)
            if prefix != key and prefix.endswith(".") and {f"{prefix}{each}" for each in shorter} == longer:
                return prefix
    return ""


def _about_file(cause: LoggedException, about: Circumstances) -> str:
    """Return what to do about a file that was not found."""
    if "FileNotFoundError" not in cause.kind and "No such file" not in cause.text and "not exist" not in cause.text:
        return ""
    quoted = re.search(r"['\"]([^'\"]+)['\"]", cause.text)
    wanted = (quoted[1] if quoted else "").removeprefix(f"{about.root}/")
    if not wanted:
        return ""
    name = PurePosixPath(wanted).name
    same = sorted(path for path in about.files if PurePosixPath(path).name == name)
    if same:
        return f'it is {same[0]} in the archive: join that to context.system_properties["model_dir"]'
    return "" if wanted.startswith("/") else "pack it with --extra-files"
