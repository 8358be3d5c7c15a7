"""The flags of the commands that look into an archive."""

from __future__ import annotations

import argparse

from model_archiver.cli.parser import FlagParser
from model_archiver.commands import COMMANDS
from model_archiver.core.problems import Problem, UsageError
from model_archiver.core.text import did_you_mean, parse_size

_ARCHIVE = "a .mar, a .tar.gz or a model's folder, of whatever tool"


def command_parser(prog: str, name: str) -> FlagParser:
    """The flags of one command.

    Args:
        prog: the program that it is a command of.
        name: what was given as the command.

    Raises:
        UsageError: there is no such command.
    """
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS, f"see {prog} --help")
        raise UsageError(problems=[Problem("error", "command-unknown", f"there is no command {name}", hint)])
    what = COMMANDS[name]
    parser = FlagParser(prog=f"{prog} {name}", description=f"{what[0].upper()}{what[1:]}.")
    if name == "diff":
        parser.add_argument("a", type=_archive, metavar="A", help=_ARCHIVE)
        parser.add_argument("b", type=_archive, metavar="B", help="another one, of any format")
    else:
        parser.add_argument("archive", type=_archive, metavar="ARCHIVE", help=_ARCHIVE)
    if name == "extract":
        parser.add_argument("--to", metavar="DIR", help="the folder to unpack it to (default: the model's name)")
        parser.add_argument("-f", "--force", action="store_true", help="replace an existing folder")
    else:
        parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    if name == "verify":
        parser.add_argument("--strict", action="store_true", help="make an error of every warning")
    parser.add_argument(
        "--max-size",
        type=_size,
        metavar="SIZE",
        help="how much it may unpack to, such as 20G (default: 1G or 100 times its size, whichever is more)",
    )
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no closing line; warnings stay")
    parser.add_argument("--debug", action="store_true", help="show where in the code an error came from")
    return parser


def _archive(given: str) -> str:
    if not given:  # else it would mean the working directory
        raise argparse.ArgumentTypeError("it is empty; name a .mar, a .tar.gz or a model's folder")
    return given


def _size(given: str) -> int:
    try:
        return parse_size(given)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{given!r} is no size; give one such as 500M or 20G") from None
