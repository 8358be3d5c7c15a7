"""The flags of the commands, which a first word without a dash names."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence

from model_archiver.cli import flags
from model_archiver.cli.flags import FlagParser, valid
from model_archiver.cli.parser import MMS, mms_parser, torch_parser
from model_archiver.commands import COMMANDS
from model_archiver.core.problems import error
from model_archiver.core.text import did_you_mean, expand_home, parse_size

SHELLS = ("bash", "zsh", "fish")
_ARCHIVE = "a .mar, .tar.gz or model folder, made by any tool"
_EXAMPLES = {
    "inspect": "examples:\n  {0} digits.mar\n  {0} digits.mar --json",
    "verify": "examples:\n  {0} digits.mar\n  {0} model-store/*.mar --strict\n  {0} digits.mar --output-format github",
    "extract": "example:\n  {0} digits.mar --to unpacked",
    "diff": "example:\n  {0} old/digits.mar new/digits.mar",
    "test": """\
This runs the code of the archive, with your rights. Java is not needed, but the
Python of --python (default: that of this tool) must have the server's package.

examples:
  {0} digits.mar --input sample.json --expect answer.json
  {0} iris.mar --python serving --input sample.json""",
    "build": """\
All flags of packaging can be given too; they override those of the file.
See {1} help --all.

examples:
  {0} --example > models.yaml
  {0} models.yaml --if-changed
  {0} models.yaml digits --export-path model_store -f""",
    "explain": "examples:\n  {0} file-missing\n  {0}",
    "completion": """examples (the lines for ~/.bashrc, ~/.zshrc and config.fish):
  eval "$({0} bash)"
  autoload -Uz compinit; compinit; eval "$({0} zsh)"
  {0} fish | source""",
    "help": "examples:\n  {0} --all\n  {0} test",
    "version": "example:\n  {0}",
}


def command_parser(program: str, name: str, words: Sequence[str] = ()) -> FlagParser:
    """Return the parser of one command of a program, which `words` follow.

    Raises:
        UsageError: there is no such command.
    """
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS, f"see {program} --help")
        is_named_so = name.lower().endswith((".mar", ".tar.gz", ".tgz")) and "*" not in name
        if not words and (is_named_so or os.path.isdir(f"{name}/MAR-INF")):  # noqa: PTH112 - no pathlib
            import shlex  # noqa: PLC0415 - only for this mistake

            hint = f"did you mean {program} inspect {shlex.quote(name)}?"
        raise error("command-unknown", f"unknown command {name if name.strip() else repr(name)}", hint)
    what, call = COMMANDS[name], f"{program} {name}"
    description, epilog = f"{what[0].upper()}{what[1:]}.", _EXAMPLES[name].format(call, program)
    parser = FlagParser(prog=call, description=description, epilog=epilog, formatter_class=flags.HelpFormatter)
    parser._positionals.title, parser._optionals.title = "arguments", "flags"
    if name == "build":
        _add_build_flags(parser, program)
    _add_arguments(parser, name)
    positional = [action for action in parser._actions if not action.option_strings]
    parser.usage = " ".join([call, *(_usage(action) for action in positional), "[flags]"])
    flags.add_common_flags(parser, has_checks=name in ("verify", "test", "build"))
    if name == "build":
        parser.short_help = parser.format_help()
        _add_packaging_flags(parser, program)
    return parser


def _add_packaging_flags(parser: FlagParser, program: str) -> None:
    """Add the flags of packaging that the parser lacks; without a default, to know those that are given."""
    packaging = mms_parser() if program == MMS else torch_parser()
    own = {*parser._option_string_actions, "--tool-version", "--convert"}
    for action in packaging._actions:
        if own.isdisjoint(action.option_strings):
            action.help = str(action.help) % {"default": action.default}
            action.required, action.default = False, argparse.SUPPRESS
            parser._add_action(action)
    parser._mutually_exclusive_groups += packaging._mutually_exclusive_groups


def _add_arguments(parser: FlagParser, name: str) -> None:
    flag = parser.add_argument
    archive = valid(expand_home, "an archive; name a .mar, a .tar.gz or a model's folder", "(?s:.+)")
    if name == "diff":
        flag("a", type=archive, metavar="A", help=_ARCHIVE)
        flag("b", type=archive, metavar="B", help="another one, of any format")
    elif name == "verify":
        flag("archives", type=archive, metavar="ARCHIVE", nargs="+", help=_ARCHIVE)
        flag("--strict", action="store_true", help="treat warnings as errors")
    elif name in ("inspect", "extract", "test"):
        flag("archive", type=archive, metavar="ARCHIVE", help=_ARCHIVE)
    elif name == "explain":
        flag("code", nargs="?", metavar="CODE", help="the word in brackets at the end of an error or warning")
    elif name == "completion":
        shell = valid(str, "a shell; choose bash, zsh or fish", "|".join(SHELLS))
        flag("shell", type=shell, metavar="SHELL", help="bash, zsh or fish")
    elif name == "help":
        flag("about", nargs="?", metavar="COMMAND", help="the command to show the help of")
        flag("--all", action="store_true", help="show all flags of packaging")
    if name == "extract":
        flag("--to", type=expand_home, metavar="DIR", help="the folder to unpack to (default: the model's name)")
        flag("-f", "--force", action="store_true", help="replace an existing folder")
    if name == "test":
        _add_trial_flags(parser)
    if name in ("inspect", "verify", "extract", "diff", "test"):
        size = valid(parse_size, "a size; give one such as 500M or 20G")
        limit = "unpacked size limit (default: 1G or 100 times its size, whichever is more)"
        flag("--max-size", type=size, metavar="SIZE", help=limit)


def _add_build_flags(parser: FlagParser, program: str) -> None:
    example = os.path.join(os.path.dirname(__file__), "models.yaml")  # noqa: PTH118, PTH120 - no pathlib
    flag = parser.add_argument
    existing = valid(expand_home, "a file that lists models", "(?s:.+)")
    flag("file", type=existing, metavar="FILE", help="the file that lists models; --example prints one")
    flag("names", nargs="*", default=[], metavar="NAME", help="the models to build (default: all)")
    flag("--root", type=expand_home, metavar="DIR", help="where relative paths of the file start (default: its folder)")
    flag("--if-changed", action="store_true", help="do not rebuild an archive whose contents are up to date")
    flag("--keep-going", action="store_true", help="after a failure, build the other models too")
    flag("--dask", metavar="ADDRESS", help="build on the workers of this Dask scheduler")
    with open(example, encoding="utf-8") as file:  # noqa: PTH123
        shown = file.read().split("---\n")[program == "model-archiver"]  # a YAML document for each program
    flag("--example", action="version", version=shown, help="print a commented file of models, and exit")
    flag("--dry-run", action="store_true", help="print what would be packed, and write nothing")
    flag("-j", "--jobs", type=flags.JOBS, metavar="N", help="how many cores to use in all (default: all available)")


def _form_part(given: str) -> str:
    name, is_file, path = given.partition("=@")
    return f"{name}=@{expand_home(path)}" if is_file else given


def _usage(action: argparse.Action) -> str:
    shown = str(action.metavar)
    return {"+": f"{shown}...", "?": f"[{shown}]", "*": f"[{shown}...]"}.get(str(action.nargs), shown)


def _add_trial_flags(parser: FlagParser) -> None:
    tolerance = valid(float, "a tolerance; give a number such as 0.001", flags.NUMBER)
    batch_size = valid(int, "a batch size; give 1 or more", "0*[1-9][0-9]{0,4}")
    device = valid(str, "a device; give cpu, cuda or cuda:N, such as cuda:0", "cpu|cuda(:[0-9]{1,3})?")
    flag = parser.add_argument
    for name, metavar, expand, text in (
        ("--input", "FILE", expand_home, "one request; - is stdin; may be repeated"),
        ("--form", "NAME=VALUE", _form_part, "a part of a multipart request: a value or @FILE"),
        ("--expect", "FILE", expand_home, "the expected answer; one for each request"),
    ):
        flag(name, action="append", type=expand, default=[], metavar=metavar, help=text)
    flag("--content-type", metavar="TYPE", help="the type of every --input (default: by its suffix)")
    flag("--tolerance", type=tolerance, default=0.0, metavar="X", help="how much numbers of --expect may differ")
    flag("--cases", type=expand_home, metavar="FILE", help="a JSON list of requests and expected answers")
    flag("--batch-size", type=batch_size, metavar="N", help="how many requests to send together")
    flag("--device", type=device, metavar="DEVICE", help="cpu, cuda or cuda:N (default: as configured)")
    flag("--envelope", default="", metavar="NAME", help="TorchServe's: json, body, kserve or kservev2")
    flags.add_worker_flags(parser)
    flag("--log", action="store_true", help="show all that the worker writes")
