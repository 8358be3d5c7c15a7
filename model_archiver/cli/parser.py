"""The flags of both commands, and how a mistyped one is answered."""

from __future__ import annotations

import argparse
import re
import sys

from model_archiver._version import __version__
from model_archiver.commands import COMMANDS
from model_archiver.core.problems import Problem, UsageError
from model_archiver.core.request import DEFLATE, ArchiveFormat, Platform
from model_archiver.core.text import did_you_mean, invalid_choice

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

    Group = argparse._ArgumentGroup

TORCH = "torch-model-archiver"
MMS = "model-archiver"


class FlagParser(argparse.ArgumentParser):
    """A parser that raises its errors, and that knows what a mistyped flag was likely meant to be."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override] # noqa: ANN401
        """The arguments as a namespace.

        Raises:
            UsageError: there is an unknown flag, a flag is missing, or a value is none that the flag takes.
        """
        given = sys.argv[1:] if args is None else list(args)
        unknown = [self._unknown_flag(word) for word in given if self._is_unknown(word)]
        if unknown:
            raise UsageError(problems=unknown)
        return super().parse_args(given, namespace)

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the command line."""
        message, _, hint = message.partition("; ")  # the types of our flags give advice of their own
        raise UsageError(problems=[Problem("error", "usage-invalid", message, hint or f"see {self.prog} --help")])

    def _is_unknown(self, word: str) -> bool:
        flag = word.partition("=")[0]
        if " " in flag or flag == "--":
            return False
        if flag.startswith("--"):
            return not any(known.startswith(flag) for known in self._option_string_actions)
        is_short = flag[:2] in self._option_string_actions and self._meant(flag) not in self._option_string_actions
        return _LONG_WITH_ONE_DASH.match(flag) is not None and not is_short

    def _meant(self, flag: str) -> str:
        """The flag with this name, whatever stands between its words and before them; else its name with two dashes."""
        name = _bare(flag)
        return next((known for known in self._option_string_actions if _bare(known) == name), f"--{flag.lstrip('-')}")

    def _unknown_flag(self, word: str) -> Problem:
        flag = word.partition("=")[0]
        hint = did_you_mean(self._meant(flag), self._option_string_actions, f"see {self.prog} --help")
        return Problem("error", "flag-unknown", f"there is no flag {flag}", hint)


# Such as -force: argparse takes its letters for -f and others, -version for the version "ersion".
_LONG_WITH_ONE_DASH = re.compile("-[a-z][a-z_-]{2}")


def _bare(flag: str) -> str:
    return flag.replace("-", "").replace("_", "")


def torch_parser() -> FlagParser:
    """The flags of ``torch-model-archiver``."""
    parser = _parser(TORCH, "Package a trained model as one archive that TorchServe can serve.", _TORCH_EXAMPLE)
    _add_model_flags(parser.add_argument_group("the model"))
    _add_content_flags(parser.add_argument_group("what else is packed"), with_files=True)
    _add_output_flags(parser.add_argument_group("the output"))
    _add_behaviour_flags(parser.add_argument_group("how it is done"))
    return parser


def mms_parser() -> FlagParser:
    """The flags of ``model-archiver``."""
    parser = _parser(MMS, "Package a model's folder as one archive that Multi Model Server can serve.", _MMS_EXAMPLE)
    model = parser.add_argument_group("the model")
    _add_name(model)
    model.add_argument("--model-path", required=True, metavar="DIR", help="the folder that is packed, with its tree")
    model.add_argument(
        "--handler",
        required=True,
        help="the handler, a module of the folder: module, module:function, module.py, package.module:function or "
        "dir/module.py:function",
    )
    _add_version(model, ())
    model.add_argument(
        "--runtime",
        default="python",
        type=_choice("python", "python2", "python3"),
        metavar="RUNTIME",
        help="what the server runs the handler with: python, python2 or python3 (default: %(default)s)",
    )
    _add_content_flags(parser.add_argument_group("what else is packed"), with_files=False)
    _add_output_flags(parser.add_argument_group("the output"))
    behaviour = parser.add_argument_group("how it is done")
    _add_behaviour_flags(behaviour)
    behaviour.add_argument("-c", "--convert", action=_Convert, help="not offered: MXNet, its target, has been retired")
    parser.set_defaults(server="mms")
    return parser


_TORCH_EXAMPLE = """\
example:
  torch-model-archiver --model-name digits --model-file model.py \\
      --serialized-file digits.pt --handler handler.py --extra-files index_to_name.json
  writes digits.mar to the working directory."""

_MMS_EXAMPLE = """\
example:
  model-archiver --model-name squeezenet --model-path squeezenet --handler service:handle
  writes squeezenet.mar to the working directory."""


_COMMANDS_HELP = "\n".join(
    ["commands, each with a --help of its own:", *(f"  {name:<10}{what}" for name, what in COMMANDS.items())]
)


def _parser(prog: str, description: str, example: str) -> FlagParser:
    parser = FlagParser(
        prog=prog,
        usage=f"{prog} --model-name NAME [flags]\n       {prog} COMMAND ARCHIVE [flags]",
        description=description,
        epilog=f"{_COMMANDS_HELP}\n\n{example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--tool-version",
        action="version",
        version=f"{prog} {__version__}",
        help="print this tool's version and exit",
    )
    return parser


def _add_name(group: Group) -> None:
    group.add_argument(
        "--model-name",
        required=True,
        metavar="NAME",
        help="the name under which the server knows the model, and of the output: letters, digits, '_', '-' and '.'",
    )


def _add_version(group: Group, short: Sequence[str]) -> None:
    group.add_argument(*short, "--version", metavar="VERSION", help="the model's version (default: 1.0)")


def _add_model_flags(group: Group) -> None:
    _add_name(group)
    group.add_argument(
        "--serialized-file",
        metavar="FILE",
        help="the weights: a state_dict (with --model-file), TorchScript, ONNX, or whatever the handler loads",
    )
    group.add_argument(
        "--model-file",
        metavar="FILE",
        help="the Python file with the one class that the state_dict belongs to",
    )
    group.add_argument(
        "--handler",
        help="what answers requests: a built-in handler such as image_classifier; a Python file, with :function where "
        "wanted; or a module of a packed folder (default: base_handler)",
    )
    _add_version(group, ["-v"])
    group.add_argument("-r", "--requirements-file", metavar="FILE", help="the model's Python requirements")
    group.add_argument(
        "-c",
        "--config-file",
        metavar="FILE",
        help="the model's configuration for the server, YAML (batchSize, ...)",
    )
    group.add_argument(
        "--runtime",
        default="python",
        type=_choice("python", "python2", "python3", "LSP"),
        metavar="RUNTIME",
        help="what the server runs the handler with: python, python2, python3 or LSP (default: %(default)s)",
    )


def _add_content_flags(group: Group, *, with_files: bool) -> None:
    if with_files:
        group.add_argument(
            "--extra-files",
            action="append",
            metavar="PATHS",
            help="comma-separated files, folders and patterns; files and the contents of folders go to the archive's "
            "root; may be given several times",
        )
        group.add_argument("--model-path", metavar="DIR", help="a folder whose tree goes to the archive's root")
    group.add_argument(
        "--include",
        action="append",
        metavar="PATH",
        help="a file or folder that is packed under its own name, so that `import helpers` works; may be given "
        "several times",
    )
    group.add_argument(
        "--exclude",
        action="append",
        metavar="PATTERN",
        help="leave out of folders what has this name or path below the folder, such as 'tests' or '*.log'; hidden "
        "files, caches, compiled Python and archives always are; may be given several times",
    )


def _add_output_flags(group: Group) -> None:
    group.add_argument(
        "--export-path",
        metavar="DIR",
        help="the folder for the output, made if missing (default: where you are)",
    )
    group.add_argument(
        "--archive-format",
        default="default",
        type=_choice("default", *(archive_format.value for archive_format in ArchiveFormat)),
        metavar="FORMAT",
        help="default: NAME.mar, text deflated and weights stored; zip-store: NAME.mar, everything stored; tgz: "
        "NAME.tar.gz; no-archive: the folder NAME",
    )
    group.add_argument(
        "--target",
        default="torchserve",
        type=_choice(*(platform.value for platform in Platform)),
        metavar="PLATFORM",
        help="lay the output out as a platform wants it: torchserve; kserve: model-store/NAME.mar and "
        "config/config.properties; vertex: model.mar; sagemaker: model.tar.gz with code/ (default: %(default)s)",
    )
    group.add_argument("-f", "--force", action="store_true", help="replace an existing output")
    group.add_argument(
        "--deflate",
        default="auto",
        type=_choice(*DEFLATE),
        metavar="WHEN",
        help="in a .mar of the default format: auto deflates what shrinks by a quarter or more; always; never "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--link",
        action="store_true",
        help="with no-archive: make hard links instead of copies; the sources and the output then share their bytes, "
        "and writing to one changes the other",
    )


def _add_behaviour_flags(group: Group) -> None:
    checks = group.add_mutually_exclusive_group()
    checks.add_argument("--strict", action="store_true", help="refuse to build where there is a warning")
    checks.add_argument("--no-checks", dest="checks", action="store_false", help="do not look for what would not serve")
    group.add_argument("--dry-run", action="store_true", help="print what would be packed, and write nothing")
    group.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    group.add_argument(
        "-j",
        "--jobs",
        type=_positive,
        metavar="N",
        help="how many cores to use (default: all that it may use)",
    )
    group.add_argument("--quiet", action="store_true", help="no progress bar and no closing line; warnings stay")
    group.add_argument("--debug", action="store_true", help="show where in the code an error came from")


class _Convert(argparse.Action):
    """Answers ``--convert``."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:  # noqa: A002
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, *_: object) -> None:
        message = "converting ONNX to MXNet is not offered, MXNet having been retired"
        hint = "leave out --convert: an .onnx file is packed as it is"
        raise UsageError(problems=[Problem("error", "convert-retired", message, hint)])


def _choice(*values: str) -> Callable[[str], str]:
    """The type of a flag that takes one of a few values; an empty one stands for the first."""

    def choose(given: str) -> str:
        if given in values or not given:
            return given or values[0]
        raise argparse.ArgumentTypeError("; ".join(invalid_choice(given, values)))

    return choose


def _positive(given: str) -> int:
    if given.isdecimal() and int(given) > 0:
        return int(given)
    raise argparse.ArgumentTypeError(f"{given!r} is not a number of cores; give 1 or more")
