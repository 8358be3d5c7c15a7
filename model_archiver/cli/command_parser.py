"""The flags of the commands that read archives."""

from __future__ import annotations

import argparse
import math
import re

from model_archiver.cli.parser import FlagParser, HelpFormatter, add_common_flags
from model_archiver.commands import COMMANDS
from model_archiver.core.problems import Problem, UsageError
from model_archiver.core.text import did_you_mean, parse_size

_ARCHIVE = "a .mar, a .tar.gz or a model's folder, made by any tool"

_TEST_NOTES = """\
This runs the code of the archive, with your rights.

The interpreter needs the package of the server, but not Java:
  pip install torchserve torch pyyaml    or    pip install multi-model-server
An archive of model-archiver is tried with Multi Model Server, any other with
TorchServe. If the interpreter has only one of them, that one is used.

example:
  torch-model-archiver test digits.mar --input sample.json"""


def command_parser(program: str, name: str) -> FlagParser:
    """Return the parser of one command of a program.

    Raises:
        UsageError: there is no such command.
    """
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS, f"see {program} --help")
        raise UsageError(problems=[Problem("error", "command-unknown", f"unknown command {name}", hint)])
    description = COMMANDS[name]
    parser = FlagParser(
        prog=f"{program} {name}",
        description=f"{description[0].upper()}{description[1:]}.",
        epilog=_TEST_NOTES if name == "test" else None,
        formatter_class=HelpFormatter,
    )
    if name == "diff":
        parser.add_argument("a", type=_archive, metavar="A", help=_ARCHIVE)
        parser.add_argument("b", type=_archive, metavar="B", help="another one, of any format")
    else:
        parser.add_argument("archive", type=_archive, metavar="ARCHIVE", help=_ARCHIVE)
    if name == "extract":
        parser.add_argument("--to", metavar="DIR", help="the folder to unpack to (default: the model's name)")
        parser.add_argument("-f", "--force", action="store_true", help="replace an existing folder")
    if name == "verify":
        parser.add_argument("--strict", action="store_true", help="treat warnings as errors")
    if name == "test":
        _add_request_flags(parser)
        _add_worker_flags(parser)
    parser.add_argument(
        "--max-size",
        type=_size,
        metavar="SIZE",
        help="unpacked size limit, such as 20G (default: 1G or 100 times the archive, whichever is more)",
    )
    add_common_flags(parser)
    return parser


def _add_request_flags(parser: FlagParser) -> None:
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="FILE",
        help="send the file as one request; - is stdin; may be repeated",
    )
    parser.add_argument(
        "--form",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="send a request with several parts, one for each --form, as curl does: NAME=VALUE or NAME=@FILE, either "
        "with ;type=TYPE",
    )
    parser.add_argument(
        "--content-type",
        metavar="TYPE",
        help="the content type of every --input (default: guessed from the file's name)",
    )
    parser.add_argument(
        "--expect",
        action="append",
        default=[],
        metavar="FILE",
        help="the expected answer, one for each request, in their order: a .json file is compared by value, any other "
        "byte by byte",
    )
    parser.add_argument(
        "--tolerance",
        type=_tolerance,
        default=0.0,
        metavar="X",
        help="how much numbers of --expect may differ (default: 0)",
    )
    parser.add_argument(
        "--cases",
        metavar="FILE",
        help="requests and expected answers, a JSON list of objects as in TorchServe's own tests",
    )


def _add_worker_flags(parser: FlagParser) -> None:
    parser.add_argument(
        "--python",
        metavar="PATH",
        help="the interpreter that has the server's package, or the folder of a virtual environment (default: the "
        "one that runs this)",
    )
    parser.add_argument(
        "--batch-size",
        type=_batch_size,
        metavar="N",
        help="send up to so many requests together, after each was sent alone (default: the archive's, or 1)",
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="how long loading, and each answer, may take (default: the archive's, or 120)",
    )
    parser.add_argument("--device", type=_device, help="cpu, cuda or cuda:N (default: the archive's, or cpu)")
    parser.add_argument(
        "--envelope", default="", metavar="NAME", help="TorchServe's service envelope: json, body, kserve or kservev2"
    )
    parser.add_argument(
        "--install-requirements",
        action="store_true",
        help="install what the archive requires into its private folder first, as a server can",
    )
    parser.add_argument("--log", action="store_true", help="show all that the worker writes, not only after a failure")


def _archive(given: str) -> str:
    if not given:  # an empty path would mean the current folder
        raise argparse.ArgumentTypeError("the value is empty; name a .mar, a .tar.gz or a model's folder")
    return given


def _size(given: str) -> int:
    try:
        return parse_size(given)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{given!r} is not a size; give one such as 500M or 20G") from None


def _batch_size(given: str) -> int:
    if re.fullmatch("0*[1-9][0-9]{0,4}", given):
        return int(given)
    raise argparse.ArgumentTypeError(f"{given!r} is not a batch size; give 1 or more")


def _seconds(given: str) -> float:
    number = _number(given)
    if 0 < number < math.inf:
        return number
    raise argparse.ArgumentTypeError(f"{given!r} is not a number of seconds; give one such as 30 or 0.5")


def _tolerance(given: str) -> float:
    number = _number(given)
    if 0 <= number < math.inf:
        return number
    raise argparse.ArgumentTypeError(f"{given!r} is not a tolerance; give a number such as 0.001")


def _number(given: str) -> float:
    try:
        return float(given)
    except ValueError:
        return math.nan  # which is neither greater nor less than anything


def _device(given: str) -> str:
    if re.fullmatch(r"cpu|cuda(:[0-9]{1,3})?", given):
        return given
    raise argparse.ArgumentTypeError(f"{given!r} is not a device; give cpu, cuda or cuda:N, such as cuda:0")
