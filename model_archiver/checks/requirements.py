"""The file of Python packages that TorchServe installs for a model (``--requirements-file``).

Its problems are warnings, because only a server with ``install_py_dep_per_model=true`` reads it.
TorchServe: org/pytorch/serve/wlm/ModelManager.java, `setupModelDependencies`, which runs pip in the model's folder.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from pathlib import PurePosixPath

from model_archiver.checks.context import CheckContext, CheckedFile
from model_archiver.core.problems import Problem
from model_archiver.core.text import shortened

_MAX_SIZE = 1 << 19  # bytes of a file that is checked
_MAX_LINE = 1000  # characters of a line that is checked
_MAX_PARENTHESES = 20  # new versions of packaging reject markers that are nested deeply, and old ones exhaust the stack
_MAX_PROBLEMS = 20  # of one kind

_ARCHIVES = (".whl", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar.lz", ".tar.lzma")
# Options of ``pip install`` that no version of pip accepts in a file. Another version may know other ones.
_COMMAND_OPTIONS = (
    *("--upgrade", "-U", "--user", "--target", "-t", "--no-deps", "--no-cache-dir", "--quiet", "-q", "--verbose", "-v"),
    *("--force-reinstall", "--ignore-installed", "-I", "--timeout", "--retries", "--proxy", "--root", "--prefix"),
)
_WHEEL = r"[^-]+-[^-]+(-\d[^-]*)?(-[^-]+){3}\.whl"  # PEP 427: name, version, build, and three tags
_NOT_INSTALLABLE = {"python": "remove it", "pkg-resources": "remove it", "pytorch": "write torch"}


def requirements_invalid(context: CheckContext) -> Iterator[Problem]:
    """Report lines that pip rejects, or cannot install on any server."""
    return _problems(context, "requirements-invalid", _mistake)


def requirements_local(context: CheckContext) -> Iterator[Problem]:
    """Report files and folders that a line names but the archive does not contain."""
    folder = PurePosixPath(context.text_field("requirementsFile")).parent
    packed = context.by_path.keys() | {parent for path in context.by_path for parent in path.parents}
    return _problems(context, "requirements-local", lambda line: _not_packed(line, folder, packed))


def _problems(context: CheckContext, code: str, judge: Callable[[str], tuple[str, str] | None]) -> Iterator[Problem]:
    """Yield the problems of the first wrong lines."""
    wrong = ((file, number, found) for file, number, line in _lines(context) if (found := judge(line)))
    for file, number, (message, hint) in islice(wrong, _MAX_PROBLEMS):
        yield Problem("warning", code, message, hint, file.display_path, number)


def _not_packed(line: str, folder: PurePosixPath, packed: Collection[PurePosixPath]) -> tuple[str, str] | None:
    """Return what a line names that is not in the archive, and what to do; None if it names nothing of it."""
    option, name = _target(line)
    # SageMaker runs pip in the folder of the file, TorchServe in the model's.
    bases = (folder,) if option in ("-r", "-c") else (PurePosixPath(), folder)
    paths = [PurePosixPath(posixpath.normpath(base / name)) for base in bases]
    if not name or name.startswith(("/", "~")) or ":" in name or "@" in name or any(path in packed for path in paths):
        return None
    hint = "pack it with --include or --extra-files, and name its path in the archive"
    return f"{shortened(f'{option} {name}'.strip())} is not in the archive, where pip looks for it", hint


def _lines(context: CheckContext) -> Iterator[tuple[CheckedFile, int, str]]:
    """Yield each line that can be checked, with the file and its number."""
    file = context.named_file("requirementsFile")
    if file is None or context.server != "torchserve" or not context.runs_python3 or file.size > _MAX_SIZE:
        return
    try:
        text = (context.text(file) or b"").decode("utf-8-sig")
    except UnicodeDecodeError:
        return
    is_continued = False
    lines = [] if "\0" in text else text.splitlines()  # in another encoding, which a byte order mark may name
    for number, line in enumerate(lines, 1):
        is_part, is_continued = is_continued, line.endswith("\\")
        stripped = re.split(r"(?:^|(?<=\s))#", line, maxsplit=1)[0].strip()
        if stripped and len(line) <= _MAX_LINE and not is_part and "\\" not in line and "${" not in line:
            yield file, number, stripped


def _target(line: str) -> tuple[str, str]:
    """Return the option of a line and the path or URL that it names; each is empty if there is none."""
    option = re.fullmatch(r"(?:-([rce])\s*|--(requirement|constraint|editable)(?:=|\s+))([^\s\"']+)", line)
    name = option[3] if option else _requirement(line).partition(";")[0].strip()
    letter = (option[1] or option[2][0]) if option else ""
    if letter not in ("r", "c"):
        name = re.sub(r"\[[^\[\]]*\]$", "", name)
    is_path = bool(option) or "/" in name or name.startswith(".") or name.lower().endswith(_ARCHIVES)
    return (f"-{letter}" if letter else ""), (name if is_path else "")


def _requirement(line: str) -> str:
    """Return the part before the options."""
    return re.split(r"(?:^|(?<= ))-", line, maxsplit=1)[0]


def _mistake(line: str) -> tuple[str, str] | None:
    """Return what is wrong with a line and what to do; None if nothing is, or it cannot be known."""
    text = _requirement(line)
    option = line[len(text) :].partition(" ")[0]
    if option in _COMMAND_OPTIONS:
        return f"pip does not accept {option} in a file", "remove it"
    if not text or "://" in text or "file:" in text or _target(line)[1] or text.count("(") > _MAX_PARENTHESES:
        return _source_mistake(text)
    from packaging.markers import InvalidMarker, Marker  # noqa: PLC0415 - only for a model with requirements
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415

    name, _, marker = (part.strip() for part in text.partition(";"))
    try:
        if marker:
            Marker(marker)
        package = Requirement(name).name
    except InvalidMarker:
        return f"{shortened(marker)!r} is not a valid condition", 'write one such as python_version >= "3.9"'
    except InvalidRequirement:
        return _invalid_requirement(name)
    except ValueError:  # how packaging 22 rejects some versions
        return None
    hint = "" if marker else _NOT_INSTALLABLE.get(package.lower().replace("_", "-"), "")
    return (f"pip cannot install {shortened(package)!r}", hint) if hint else None


def _source_mistake(text: str) -> tuple[str, str] | None:
    if re.search(r"@\s*file:///(\S*/)?(croot|feedstock_root|tmp/build)/", text):
        return f"{shortened(text)!r} is in a folder of conda, which the server does not have", "write NAME==VERSION"
    wheel = re.search(r"(?:^|[/\s@])([^/\s@?#=%\[]+\.whl)(?=[\s#\[;]|$)", text)
    if wheel is None or re.fullmatch(_WHEEL, wheel[1]):
        return None
    hint = "write the name that the wheel was built with, such as NAME-1.0-py3-none-any.whl"
    return f"{shortened(wheel[1])!r} is not a wheel's name", hint


def _invalid_requirement(text: str) -> tuple[str, str]:
    if text.startswith(("pip ", "pip3 ", "conda ", "python ")):
        return f"{shortened(text)!r} is a command", "write only the names of the packages"
    if "=" in text and not re.search(r"[=<>!~]=|[<>]", text):
        return f"{shortened(text)!r} has a single =", "write NAME==VERSION to require one version"
    return f"{shortened(text)!r} is not a requirement", "write a name, or one with versions such as numpy>=1.26,<3"
