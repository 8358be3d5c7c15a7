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
    from collections.abc import Callable, Sequence

    from model_archiver.core.problems import Level
    from model_archiver.trial.tracebacks import LoggedException

_LONGEST = 400
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
_RAISED = "Prediction failed"
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
    (r"CUDA out of memory", "use a smaller batch size or model, or a GPU with more memory"),
)
"""Parts of an exception's text, and what to do."""


class Circumstances(Record):
    """What is known about a worker and the archive that it runs.

    Attributes:
        root: the folder with the unpacked archive.
        files: the paths of the files in it.
        requirements: the lines of the archive's requirements; empty if it has none, or if they are installed.
        handler: the handler, as the manifest names it.
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
        stage: ``start``, ``load``, or the requests, such as ``request 2``.
        log: what the worker wrote since it began.
        status: the exit status of the worker, if it ended; negative if a signal ended it.
        message: the worker's own message, or an empty string.
        count: how many requests were sent together.
    """

    stage: str
    log: str
    status: int | None = None
    message: str = ""
    count: int = 1


def diagnose(failure: Failure, about: Circumstances) -> Problem:
    """Return the problem for a worker that failed or ended, with the user's own line and a certain hint."""
    if "unrecognized arguments: --sock-type" in failure.log:
        message = "a module that the handler imports parses the command line, which is the worker's"
        hint = "call parse_known_args() instead of parse_args(), or parse arguments only if __name__ is '__main__'"
        return Problem("error", "trial-import", f"{failure.stage}: {message}", hint, about.handler)
    cause = find_cause(failure.log, about.module)
    if failure.message in (_NO_LIST, _WRONG_COUNT):
        return _problem(failure, *_wrong_form(failure), path=about.handler)
    if failure.message == _NO_DATA:
        text = f": {cause.text}" if cause else ""
        hint = "return strings, bytes, tensors, or what json.dumps takes"
        return _problem(failure, f"the server cannot send what the handler returned{text}", hint, path=about.handler)
    if failure.status is not None and failure.status < 0:
        return _problem(failure, *_killed(-failure.status))
    if cause is not None:
        return _raised(failure, cause, about)
    if failure.status is not None:
        last = next((line for line in reversed(failure.log.splitlines()) if line.strip()), "")
        shown = f" (last line: {shortened(last.strip(), 120)})" if last else ""
        message = f"the worker ended with status {failure.status}, without an exception{shown}"
        hint = "remove the call of sys.exit, os._exit or quit from the code of the model" if failure.status != 1 else ""
        return _problem(failure, message, hint)
    return _problem(failure, f"the worker failed: {failure.message or 'it closed the connection'}", "")


def logged_warning(log: str, about: Circumstances) -> Problem | None:
    """Return a warning for an exception of ``initialize`` that Multi Model Server only logs."""
    cause = find_cause(log, about.module)
    if cause is None:
        return None
    problem = _raised(Failure("load", log), cause, about)
    message = f"{problem.message} (Multi Model Server only logs this exception of initialize, and serves)"
    return problem.replace(level="warning", message=message)


def late(stage: str, seconds: float, *, is_broken: bool, is_begun: bool) -> Problem:
    """Return the problem for an answer that does not come in time, or that cannot be read."""
    if is_broken or is_begun:
        message = "the answer of the worker is not complete"
        hint = "if the handler calls set_response_status, use only ASCII in the reason phrase"
        return Problem("error", "trial-timeout" if not is_broken else "trial-answer", f"{stage}: {message}", hint)
    message = f"the worker did not answer within {seconds:g} seconds"
    hint = "raise the limit with --timeout, or find out with --log what the handler waits for"
    return Problem("error", "trial-timeout", f"{stage}: {message}", hint)


def _problem(
    failure: Failure, message: str, hint: str, path: str = "", line: int | None = None, *, code: str = ""
) -> Problem:
    codes = {"start": "trial-start", "import": "trial-import", "load": "trial-load"}
    level: Level = "error"
    return Problem(
        level, code or codes.get(failure.stage, "trial-answer"), f"{failure.stage}: {message}", hint, path, line
    )


def _wrong_form(failure: Failure) -> tuple[str, str]:
    """Return message and hint for an answer that is not a list with one item for each request."""
    if failure.message == _WRONG_COUNT:
        match = re.search(r"mismatched, expect: \d+, got: (\d+)", failure.log)
        got = counted(int(match[1]), "answer") if match else "another number of answers"
        return f"the handler returned {got} for {counted(failure.count, 'request')}", _ONE_EACH
    match = re.search(r"Invalid return type: <class '([^']+)'>", failure.log)
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


def _raised(failure: Failure, cause: LoggedException, about: Circumstances) -> Problem:
    """Return the problem for an exception."""
    stage = "import" if failure.stage == "load" and cause.is_from_import else failure.stage
    text = " ".join(cause.text.split())
    place, line = cause.place(about.root, about.files) or (about.handler, None)
    message = f"{cause.kind}: {shortened(text, _LONGEST)}" if text else cause.kind
    message = message.replace(f"{about.root}/", "")
    steps: tuple[Callable[[LoggedException, Circumstances], str], ...]
    steps = (_about_module, _about_keys, _about_file, _about_envelope)
    hint = next((hint for step in steps if (hint := step(cause, about))), "")
    hint = hint or next((advice for sign, advice in _HINTS if re.search(sign, text)), "")
    if cause.kind == "MemoryError" or failure.message == "System out of memory":
        hint = "give it more memory, or use a smaller model or batch size"
    return _problem(failure.replace(stage=stage), message, hint, place, line)


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
    """Return what to do about a state_dict whose keys differ from the model's by a prefix, or that is one of several."""
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


def _about_envelope(cause: LoggedException, about: Circumstances) -> str:
    if about.envelope and f"request_envelope.{about.envelope}" in cause.text:
        return "name an envelope that the server has: json, body, kserve or kservev2"
    return ""
