"""The lines of a requirements file, as pip reads them."""

from __future__ import annotations

import codecs
import optparse
import re
import shlex
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NoReturn

from packaging.markers import InvalidMarker, Marker
from packaging.requirements import InvalidRequirement, Requirement

from model_archiver.checks.wording import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before that of UTF-16, with which it begins
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
)
_CODING = re.compile(rb"^#.*?coding[:=]\s*([-\w.]+)")
_KNOWN_CODINGS = {"ascii", "utf-8", "iso8859-1", "iso8859-15", "cp1252"}
_COMMENT = re.compile(r"(?:^|(?<=\s))#")
_VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
_EXTRAS = re.compile(r"\[[^\[\]]+\]$")
_ARCHIVES = (".whl", ".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar.lz", ".tar.lzma")
_HASHES = ("sha256", "sha384", "sha512")
_LONGEST = 10_000
"""Characters of a line that is judged."""
_LONGEST_REQUIREMENT = 1000
"""Characters of what stands before its options."""

_FLAGS = ("--no-index", "--prefer-binary", "--require-hashes", "--no-require-hashes", "--pre")
_WITH_VALUE = (
    ("-i", "--index-url", "--pypi-url"),
    ("--extra-index-url",),
    ("-f", "--find-links"),
    ("--no-binary",),
    ("--only-binary",),
    ("--all-releases",),
    ("--only-final",),
    ("--trusted-host",),
    ("--use-feature",),
    ("--global-option",),
    ("--install-option",),
    ("-C", "--config-settings", "--config-setting"),
)
_OF_THE_COMMAND = (
    *("--upgrade", "-U", "--user", "--target", "-t", "--no-deps", "--no-cache-dir", "--quiet", "-q", "--verbose", "-v"),
    *("--force-reinstall", "--ignore-installed", "-I", "--timeout", "--retries", "--proxy", "--root", "--prefix"),
)
"""Options of ``pip install`` that no version of pip takes in a file; of others this one may not know."""


class RefusedError(Exception):
    """What pip refuses.

    Attributes:
        message: why.
        hint: what to do.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True)
class Line:
    """What a line asks for in the file system of the server; each part is empty where it is not there.

    Attributes:
        file: another file to read, with ``-r`` or ``-c``; beside the one that it stands in.
        option: which of the two.
        project: a folder to install from, or a wheel or source archive; below the working directory.
        is_folder: which of the two.
    """

    file: str = ""
    option: str = ""
    project: str = ""
    is_folder: bool = False


def numbered(raw: bytes) -> Iterator[tuple[int, str]]:
    """The lines without comments, each with its number; one that is continued has that of its first.

    Raises:
        UnicodeDecodeError: it is no text.
    """
    number, parts = 0, list[str]()
    for count, line in enumerate(_decoded(raw).splitlines(), 1):
        number = number if parts else count
        is_comment = line.lstrip().startswith("#")
        if line.endswith("\\") and not is_comment:
            parts.append(line.strip("\\"))
            continue
        yield from _stripped(number, "".join([*parts, f" {line}" if is_comment else line]))
        parts = []
    yield from _stripped(number, "".join(parts))


def parse(line: str) -> Line:
    """What a line asks for.

    Raises:
        RefusedError: pip refuses it.
    """
    if len(line) > _LONGEST or _VARIABLE.search(line) or "\\" in line:
        return Line()
    words = line.split(" ")
    count = next((index for index, word in enumerate(words) if word.startswith("-")), len(words))
    options = _options(" ".join(words[count:]))
    if count:
        return _requirement(" ".join(words[:count]))
    for option, files in (("-r", options.requirements), ("-c", options.constraints)):
        if files:
            return Line(file=files[0], option=option)
    return _editable(options.editables[0]) if options.editables else Line()


def _decoded(raw: bytes) -> str:
    for mark, encoding in _BOMS:
        if raw.startswith(mark):
            return raw[len(mark) :].decode(encoding)
    for line in raw.split(b"\n", 2)[:2]:
        if coding := _CODING.match(line):
            return _decoded_as(coding[1].decode("ascii"), raw)
    return raw.decode("utf-8")


def _decoded_as(encoding: str, raw: bytes) -> str:
    """A text in the encoding that its first lines name; nothing where that is one that nobody uses."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        return ""
    return raw.decode(name) if name in _KNOWN_CODINGS else ""


def _stripped(number: int, line: str) -> Iterator[tuple[int, str]]:
    comment = _COMMENT.search(line)
    if text := (line[: comment.start()] if comment else line).strip():
        yield number, text


class _Parser(optparse.OptionParser):
    """Pip uses the standard library's one too, so abbreviations and the like need no words here."""

    def error(self, msg: str) -> NoReturn:
        raise RefusedError(msg, "see pip's manual of requirements files")


@cache
def _parser() -> _Parser:
    parser = _Parser(add_help_option=False)
    for name in _FLAGS:
        parser.add_option(name, action="store_true")
    for names in _WITH_VALUE:
        parser.add_option(*names)
    parser.add_option("-r", "--requirement", action="append", dest="requirements")
    parser.add_option("-c", "--constraint", action="append", dest="constraints")
    parser.add_option("-e", "--editable", action="append", dest="editables")
    parser.add_option("--hash", action="append", dest="hashes")
    return parser


def _options(text: str) -> optparse.Values:
    parser = _parser()
    try:
        values, _ = parser.parse_args(shlex.split(text))
    except ValueError:
        raise RefusedError("a quote is not closed", "close it") from None
    except RefusedError as error:
        if error.message.startswith("no such option"):
            name = error.message.rpartition(" ")[2]
            if name in _OF_THE_COMMAND:
                raise RefusedError(f"{name} is for the command only", "leave it out") from None
            return parser.get_default_values()
        raise
    for value in values.hashes or ():
        if value.partition(":")[0] not in _HASHES or ":" not in value:
            hint = f"write --hash={' or --hash='.join(f'{name}:...' for name in _HASHES)}"
            raise RefusedError(f"--hash={shortened(value)} is none that it knows", hint)
    return values


def _requirement(text: str) -> Line:
    if "://" in text or text.startswith("file:") or len(text) > _LONGEST_REQUIREMENT:
        return Line()
    name, _, condition = (part.strip() for part in text.partition(";"))
    if condition:
        _check_condition(condition)
    path = _EXTRAS.sub("", name)
    is_archive = path.lower().endswith(_ARCHIVES)
    if is_archive and ("@" not in path or _is_path(path.partition("@")[0])):
        return _project(path)
    if _is_path(name) and " @ " not in name:
        return _project(path, is_folder=True)
    _check_specifier(name)
    return Line()


def _editable(text: str) -> Line:
    if "://" in text or "@" in text or text.startswith("file:"):
        return Line()
    return _project(_EXTRAS.sub("", text.partition(";")[0].strip()), is_folder=True)


def _project(path: str, *, is_folder: bool = False) -> Line:
    return Line() if path.startswith(("/", "~")) else Line(project=path, is_folder=is_folder)


def _is_path(text: str) -> bool:
    return "/" in text or text.startswith(".")


def _check_condition(text: str) -> None:
    try:
        Marker(text)
    except InvalidMarker:
        message = f"{_short(text)} is no condition"
        raise RefusedError(message, 'write one such as python_version >= "3.9" after the semicolon') from None
    except RecursionError:  # of parentheses; another Python may bear more of them
        return


def _check_specifier(text: str) -> None:
    try:
        Requirement(text)
    except InvalidRequirement:
        pass
    else:
        return
    if text.startswith(("pip ", "pip3 ", "conda ", "python ")):
        raise RefusedError(f"{_short(text)} is a command", "write the names of the packages only")
    if "=" in text and not re.search(r"[=<>!~]=|[<>]", text):
        if text.count("=") > 1:  # name=version=build
            hint = "write the file with pip list --format=freeze"
            raise RefusedError(f"{_short(text)} is a line of conda's", hint)
        raise RefusedError(f"{_short(text)} has a single =", "write == for one version")
    raise RefusedError(f"{_short(text)} is no requirement", "write a name, or one with versions, as in numpy>=1.26,<3")


def _short(text: str) -> str:
    return repr(shortened(text))
