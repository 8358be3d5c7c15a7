"""The flags of packaging, and the answer to a mistyped one."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys

from model_archiver._version import __version__
from model_archiver.commands import COMMANDS
from model_archiver.core.problems import Problem, error, raise_errors
from model_archiver.core.request import DEFLATE, ArchiveFormat, Platform
from model_archiver.core.text import did_you_mean, invalid_choice, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

    Group = argparse._ArgumentGroup

TORCH = "torch-model-archiver"
MMS = "model-archiver"
NUMBER = r"[0-9]{0,9}\.?[0-9]{1,9}(e-?[0-9]{1,2})?"


class FlagParser(argparse.ArgumentParser):
    """A parser that raises its errors, and that suggests the flag that was likely meant."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override] # noqa: ANN401
        """Return the arguments as a namespace.

        Raises:
            UsageError: a flag is unknown or missing, or a value is not one that the flag takes.
        """
        given = sys.argv[1:] if args is None else list(args)
        raise_errors([self._unknown_flag(word) for word in given if self._is_unknown(word)])
        self._values: dict[str, object] = {}  # the last value of each flag that takes one
        self.repeated: list[Problem] = []  # a warning for each value that does not count
        args, rest = self.parse_known_args(given, namespace)
        if rest:
            hint = f"see {self.prog} --help"
            if "--extra-files" in self._option_string_actions and not rest[0].startswith("-"):
                hint = "put a pattern, or a value with spaces, into quotes; separate --extra-files with commas"
            raise error("usage-invalid", f"unrecognized arguments: {shortened(' '.join(rest))}", hint)
        return args

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the command line."""
        message, _, hint = message.partition("; ")  # some types of flags bring a hint
        raise error("usage-invalid", message, hint or f"see {self.prog} --help")

    def _get_values(self, action: argparse.Action, words: list[str]) -> Any:  # noqa: ANN401 - as in argparse
        value = super()._get_values(action, words)
        if isinstance(action, argparse._StoreAction) and action.option_strings:
            flag = action.option_strings[-1]
            before, self._values[flag] = self._values.get(flag, value), value
            same = os.path.normpath(str(before)) == os.path.normpath(str(value))
            if not same and str(before).strip():  # an empty value means nothing
                message = f"is given as {str(before)!r} and as {str(value)!r}, and only the last value counts"
                self.repeated.append(Problem("warning", "flag-repeated", message, "remove the other", flag))
        return value

    def _is_unknown(self, word: str) -> bool:
        flag = word.partition("=")[0]
        if " " in flag or flag == "--":
            return False
        if flag.startswith("--"):
            return not any(known.startswith(flag) for known in self._option_string_actions)
        # A long flag with one dash: argparse would take -force for -f with a value, -version for version "ersion".
        is_short = flag[:2] in self._option_string_actions and _long(flag) not in self._option_string_actions
        return re.match("-[a-z][a-z_-]{2}", flag) is not None and not is_short

    def _unknown_flag(self, word: str) -> Problem:
        flag = word.partition("=")[0]
        hint = did_you_mean(_long(flag), self._option_string_actions, f"see {self.prog} --help")
        return Problem("error", "flag-unknown", f"unknown flag {flag}", hint)


def torch_parser() -> FlagParser:
    """Return the parser of ``torch-model-archiver``."""
    return _program(TORCH, "Package a trained model as one archive that TorchServe can serve.", _TORCH_EXAMPLE)


def mms_parser() -> FlagParser:
    """Return the parser of ``model-archiver``."""
    parser = _program(MMS, "Package a model's folder as one archive that Multi Model Server can serve.", _MMS_EXAMPLE)
    parser.set_defaults(server="mms")
    return parser


_TORCH_EXAMPLE = """\
example:
  torch-model-archiver --model-name digits --model-file model.py \\
      --serialized-file digits.pt --handler handler.py --extra-files index_to_name.json
  writes digits.mar to the current folder."""

_MMS_EXAMPLE = """\
example:
  model-archiver --model-name squeezenet --model-path squeezenet --handler service:handle
  writes squeezenet.mar to the current folder."""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help of the terminal's width, without importing shutil, which argparse does for every flag."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=_columns() - 2)


def _columns() -> int:
    given = os.environ.get("COLUMNS", "")
    if given.isdecimal() and int(given[:9]) > 0:  # Python reads no number of many digits
        return int(given[:9])
    try:
        return os.get_terminal_size(1).columns or 80
    except OSError:  # not a terminal
        return 80


def _program(name: str, description: str, example: str) -> FlagParser:
    commands = "\n".join(f"  {command:<10}{text}" for command, text in COMMANDS.items())
    parser = FlagParser(
        prog=name,
        usage=f"{name} --model-name NAME [flags]\n       {name} COMMAND ARCHIVE [flags]",
        description=description,
        epilog=f"commands, each with its own --help:\n{commands}\n\n{example}",
        formatter_class=HelpFormatter,
    )
    version = f"{name} {__version__}"
    parser.add_argument("--tool-version", action="version", version=version, help="print this tool's version and exit")
    is_mms = name == MMS
    _add_model_flags(parser.add_argument_group("model"), is_mms=is_mms)
    _add_content_flags(parser.add_argument_group("other contents"), is_mms=is_mms)
    _add_output_flags(parser.add_argument_group("output"))
    behavior = parser.add_argument_group("behavior")
    _add_behavior_flags(behavior)
    if is_mms:
        text = "no longer available: MXNet has been retired"
        behavior.add_argument("-c", "--convert", action=_Convert, nargs=0, help=text)
    return parser


def _add_model_flags(group: Group, *, is_mms: bool) -> None:
    text = "the model's name on the server, and the name of the output: letters, digits, '_', '-' and '.'"
    group.add_argument("--model-name", required=True, metavar="NAME", help=text)
    if is_mms:
        group.add_argument("--model-path", required=True, metavar="DIR", help="the folder to pack, with its tree")
        text = "the handler, a module of the folder: module, module:function, module.py, package.module:function or "
        text += "dir/module.py:function"
    else:
        text = "the weights: a state_dict (with --model-file), TorchScript, ONNX, or whatever the handler loads"
        group.add_argument("--serialized-file", metavar="FILE", help=text)
        group.add_argument("--model-file", metavar="FILE", help="the Python file that defines the model's class")
        text = "what answers requests: a built-in handler such as image_classifier; a Python file; or a module of a "
        text += "packed folder; each with an optional :function (default: base_handler)"
    group.add_argument("--handler", required=is_mms, help=text)
    short = [] if is_mms else ["-v"]
    group.add_argument(*short, "--version", metavar="VERSION", help="the model's version (default: 1.0)")
    if not is_mms:
        group.add_argument("-r", "--requirements-file", metavar="FILE", help="the model's Python requirements")
        text = "the model's configuration for the server, YAML (batchSize, ...)"
        group.add_argument("-c", "--config-file", metavar="FILE", help=text)
    runtimes = ["python", "python2", "python3", *([] if is_mms else ["LSP"])]
    text = f"the runtime of the handler: {', '.join(runtimes)} (default: %(default)s)"
    group.add_argument("--runtime", default="python", type=_choice(*runtimes), metavar="RUNTIME", help=text)


def _add_content_flags(group: Group, *, is_mms: bool) -> None:
    if not is_mms:
        text = "comma-separated files, folders and patterns; files and the contents of folders go to the archive's "
        text += "root; may be repeated"
        group.add_argument("--extra-files", action="append", metavar="PATHS", help=text)
        group.add_argument("--model-path", metavar="DIR", help="a folder whose tree goes to the archive's root")
    text = "a file or folder to pack under its own name, so that `import helpers` works; may be repeated"
    group.add_argument("--include", action="append", metavar="PATH", help=text)
    text = "inside folders, skip what has this name or relative path, such as 'tests' or '*.log'; "
    text += "hidden files, caches, compiled Python and archives are always left out; may be repeated"
    group.add_argument("--exclude", action="append", metavar="PATTERN", help=text)
    text = "requests and expected answers, a JSON list as for `test --cases`, to pack as the archive's own test"
    group.add_argument("--samples", metavar="FILE", help=text)


def _add_output_flags(group: Group) -> None:
    text = "the folder for the output, created if missing (default: current folder)"
    group.add_argument("--export-path", metavar="DIR", help=text)
    text = "default: NAME.mar, text deflated and weights stored; zip-store: NAME.mar, everything stored; tgz: "
    text += "NAME.tar.gz; no-archive: the folder NAME"
    formats = _choice(*(archive_format.value for archive_format in ArchiveFormat))
    group.add_argument("--archive-format", default="default", type=formats, metavar="FORMAT", help=text)
    text = "lay the output out for a platform: torchserve; kserve: model-store/NAME.mar and config/config.properties; "
    text += "vertex: model.mar; sagemaker: model.tar.gz with code/ (default: %(default)s)"
    platforms = _choice(*(platform.value for platform in Platform))
    group.add_argument("--target", default="torchserve", type=platforms, metavar="PLATFORM", help=text)
    group.add_argument("-f", "--force", action="store_true", help="replace existing output")
    text = "in a .mar of the default format: auto (files that shrink by a quarter or more), always or never "
    text += "(default: %(default)s)"
    group.add_argument("--deflate", default="auto", type=_choice(*DEFLATE), metavar="WHEN", help=text)
    text = "with no-archive: make hard links instead of copies; sources and output then share their bytes, and "
    text += "writing to one changes the other"
    group.add_argument("--link", action="store_true", help=text)


def _add_behavior_flags(group: Group) -> None:
    checks = group.add_mutually_exclusive_group()
    checks.add_argument("--strict", action="store_true", help="do not build if there is a warning")
    checks.add_argument("--no-checks", dest="checks", action="store_false", help="skip the checks of the model")
    text = "first run the archive with its samples in the server's own worker, and write it only if it serves; with "
    text += "--dry-run, run what would be packed"
    group.add_argument("--test", action="store_true", help=text)
    add_worker_flags(group, "test-")
    group.add_argument("--dry-run", action="store_true", help="print what would be packed, and write nothing")
    jobs = valid(int, "a number of cores; give 1 or more", "0*[1-9][0-9]{0,8}")
    group.add_argument("-j", "--jobs", type=jobs, metavar="N", help="how many cores to use (default: all available)")
    add_common_flags(group)


def add_worker_flags(group: Group | FlagParser, prefix: str = "") -> None:
    """Add the flags that say how the server's worker runs; `prefix` goes before the names that packaging could mean."""
    text = "the Python with the server's package, or a virtual environment (default: the one of this tool)"
    group.add_argument(f"--{prefix}python", metavar="PATH", help=text)
    seconds = valid(
        float,
        "a number of seconds; give one such as 30 or 0.5",
        r"(?=[0.]*[1-9])([0-9]{1,9}(\.[0-9]{0,9})?|\.[0-9]{1,9})",
    )
    text = "how long loading, and each answer, may take (default: from the configuration, or 120)"
    group.add_argument(f"--{prefix}timeout", type=seconds, metavar="SECONDS", help=text)
    text = "before the model is run, install its requirements into a private folder"
    group.add_argument("--install-requirements", action="store_true", help=text)


def add_common_flags(group: Group | FlagParser, *, has_checks: bool = True) -> None:
    """Add the flags that packaging and all commands have, and --ignore for those that check a model."""
    if has_checks:
        text = "do not report warnings with these codes, comma-separated; errors stay"
        group.add_argument("--ignore", action="append", metavar="CODES", help=text)
    group.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    group.add_argument("--quiet", action="store_true", help="no progress bar and no summary; warnings stay")
    group.add_argument("--debug", action="store_true", help="show where in the code an error came from")


class _Convert(argparse.Action):
    """Answers ``--convert``."""

    def __call__(self, *_: object) -> None:
        message = "ONNX models can no longer be converted to MXNet, because MXNet has been retired"
        hint = "leave out --convert: an .onnx file is packed as it is"
        raise error("convert-retired", message, hint)


def _choice(*values: str) -> Callable[[str], str]:
    """Return the type of a flag that takes one of a few values; an empty value means the default."""

    def choose(given: str) -> str:
        if given in values or not given:
            return given
        raise argparse.ArgumentTypeError("; ".join(invalid_choice(given, values)))

    choose.choices = values  # type: ignore[attr-defined]  # for shell completion
    return choose


def valid(convert: Callable[[str], float | str], expected: str, pattern: str = "(?s:.*)") -> Callable[[str], object]:
    """Return the converter of a flag; a value that does not match the pattern is rejected as not `expected`."""

    def check(given: str) -> object:
        with contextlib.suppress(ValueError):
            if re.fullmatch(pattern, given):
                return convert(given)
        raise argparse.ArgumentTypeError(f"{given!r} is not {expected}")

    return check


def _long(flag: str) -> str:
    return f"--{flag.lstrip('-').replace('_', '-')}"
