"""The flags of packaging, and its help."""

from __future__ import annotations

import argparse

from model_archiver._version import __version__
from model_archiver.cli.flags import JOBS, Choice, FlagParser, HelpFormatter, add_common_flags, add_worker_flags
from model_archiver.commands import COMMANDS
from model_archiver.core.problems import error
from model_archiver.core.request import DEFLATE, ArchiveFormat, Platform

TORCH = "torch-model-archiver"
MMS = "model-archiver"

_BY_NAME = ("completion", "help", "version")  # the commands that --help only names
_COMMANDS = "commands, each with its own --help:\n"
_COMMANDS += "".join(f"  {name:<9} {text}\n" for name, text in COMMANDS.items() if name not in _BY_NAME)
_COMMANDS += f"  {', '.join(_BY_NAME)}"

# What --help prints, on one screen; `help --all` prints every flag.
_TORCH_HELP = f"""\
usage: torch-model-archiver --model-name NAME [flags]
       torch-model-archiver COMMAND [flags]

Package a trained model as one archive that TorchServe can serve.

model:
  --model-name NAME             its name on the server (required)
  --serialized-file FILE        the weights: state_dict, TorchScript, ONNX, ...
  --model-file FILE             the Python file that defines the model's class
  --handler HANDLER             a built-in handler, or a Python file
  --extra-files PATHS           comma-separated files and folders
  -r, --requirements-file FILE  the model's Python requirements
  -c, --config-file FILE        the model's configuration, YAML
  -v, --version VERSION         the model's version (default: 1.0)

output:
  --export-path DIR             the output's folder (default: current folder)
  --archive-format FORMAT       default, zip-store, tgz or no-archive
  -f, --force                   replace existing output
  --dry-run                     print what would be packed, and write nothing
  --test                        run the model first; write it only if it works

{_COMMANDS}

examples:
  torch-model-archiver --model-name digits --model-file model.py \\
      --serialized-file digits.pt --handler handler.py
  torch-model-archiver --model-name net --serialized-file torchscript.pt -f
  torch-model-archiver test digits.mar --input sample.json

All flags: torch-model-archiver help --all
"""

_MMS_HELP = f"""\
usage: model-archiver --model-name NAME --model-path DIR --handler H [flags]
       model-archiver COMMAND [flags]

Package a model's folder as one archive that Multi Model Server can serve.

model:
  --model-name NAME        its name on the server (required)
  --model-path DIR         the folder to pack, with its tree (required)
  --handler HANDLER        a module of the folder: module:function (required)
  --runtime RUNTIME        python, python2 or python3 (default: python)
  -v, --version VERSION    the model's version (default: 1.0)

output:
  --export-path DIR        the output's folder (default: current folder)
  --archive-format FORMAT  default, zip-store, tgz or no-archive
  -f, --force              replace existing output
  --dry-run                print what would be packed, and write nothing
  --test                   run the model first; write it only if it works

{_COMMANDS}

examples:
  model-archiver --model-name iris --model-path iris --handler service:handle
  model-archiver --model-name iris --model-path iris --handler service -f --test
  model-archiver verify iris.mar

All flags: model-archiver help --all
"""


def torch_parser() -> FlagParser:
    """Return the parser of ``torch-model-archiver``."""
    return _program(TORCH, _TORCH_HELP)


def mms_parser() -> FlagParser:
    """Return the parser of ``model-archiver``."""
    return _program(MMS, _MMS_HELP)


def _program(name: str, short_help: str) -> FlagParser:
    usage = short_help.partition("\n")[0].removeprefix("usage: ")
    parser = FlagParser(prog=name, usage=usage, formatter_class=HelpFormatter)
    parser.short_help = short_help
    parser._optionals.title = "flags"
    version = f"{name} {__version__}"
    parser.add_argument("--tool-version", action="version", version=version, help="print this tool's version and exit")
    is_mms = name == MMS
    _add_model_flags(parser.add_argument_group("model"), is_mms=is_mms)
    _add_content_flags(parser.add_argument_group("other contents"), is_mms=is_mms)
    _add_output_flags(parser.add_argument_group("output"))
    behavior = parser.add_argument_group("behavior")
    _add_behavior_flags(behavior)
    if is_mms:
        parser.set_defaults(server="mms")
        behavior.add_argument("-c", "--convert", action=_Convert, nargs=0, help=argparse.SUPPRESS)
    return parser


def _add_model_flags(group: argparse._ActionsContainer, *, is_mms: bool) -> None:
    flag = group.add_argument
    text = "the model's name on the server, and the name of the output: letters, digits, '_', '-' and '.'"
    flag("--model-name", required=True, metavar="NAME", help=text)
    if is_mms:
        flag("--model-path", required=True, metavar="DIR", help="the folder to pack, with its tree")
        text = "the handler, a module of the folder: module, module:function, module.py, package.module:function or "
        text += "dir/module.py:function"
    else:
        text = "the weights: a state_dict (with --model-file), TorchScript, ONNX, or whatever the handler loads"
        flag("--serialized-file", metavar="FILE", help=text)
        flag("--model-file", metavar="FILE", help="the Python file that defines the model's class")
        text = "what answers requests: a built-in handler such as image_classifier; a Python file; or a module of a "
        text += "packed folder; each with an optional :function (default: base_handler)"
    flag("--handler", required=is_mms, help=text)
    flag("-v", "--version", metavar="VERSION", help="the model's version (default: 1.0)")
    if not is_mms:
        flag("-r", "--requirements-file", metavar="FILE", help="the model's Python requirements")
        text = "the model's configuration for the server, YAML (batchSize, ...)"
        flag("-c", "--config-file", metavar="FILE", help=text)
    runtimes = ["python", "python2", "python3", *([] if is_mms else ["LSP"])]
    text = f"the runtime of the handler: {', '.join(runtimes)} (default: %(default)s)"
    flag("--runtime", default="python", type=Choice(*runtimes), metavar="RUNTIME", help=text)


def _add_content_flags(group: argparse._ActionsContainer, *, is_mms: bool) -> None:
    flag = group.add_argument
    if not is_mms:
        text = "comma-separated files, folders and patterns; files and the contents of folders go to the archive's "
        text += "root; may be repeated"
        flag("--extra-files", action="append", metavar="PATHS", help=text)
        flag("--model-path", metavar="DIR", help="a folder whose tree goes to the archive's root")
    text = "a file or folder to pack under its own name, so that `import helpers` works; may be repeated"
    flag("--include", action="append", metavar="PATH", help=text)
    text = "inside folders, skip what has this name or relative path, such as 'tests' or '*.log'; "
    text += "hidden files, caches, compiled Python and archives are always left out; may be repeated"
    flag("--exclude", action="append", metavar="PATTERN", help=text)
    text = "requests and expected answers, a JSON list as for `test --cases`, to pack as the archive's own test"
    flag("--samples", metavar="FILE", help=text)


def _add_output_flags(group: argparse._ActionsContainer) -> None:
    flag = group.add_argument
    flag("--export-path", metavar="DIR", help="the folder for the output, created if missing (default: current folder)")
    text = "default: NAME.mar, text deflated and weights stored; zip-store: NAME.mar, everything stored; tgz: "
    text += "NAME.tar.gz; no-archive: the folder NAME"
    formats = Choice(*(archive_format.value for archive_format in ArchiveFormat))
    flag("--archive-format", default="default", type=formats, metavar="FORMAT", help=text)
    text = "lay the output out for a platform: torchserve; kserve: model-store/NAME.mar and config/config.properties; "
    text += "vertex: model.mar; sagemaker: model.tar.gz with code/ (default: %(default)s)"
    platforms = Choice(*(platform.value for platform in Platform))
    flag("--target", default="torchserve", type=platforms, metavar="PLATFORM", help=text)
    flag("-f", "--force", action="store_true", help="replace existing output")
    text = "in a .mar of the default format: auto (files that shrink by a quarter or more), always or never "
    text += "(default: %(default)s)"
    flag("--deflate", default="auto", type=Choice(*DEFLATE), metavar="WHEN", help=text)
    text = "with no-archive: make hard links instead of copies; sources and output then share their bytes, and "
    text += "writing to one changes the other"
    flag("--link", action="store_true", help=text)


def _add_behavior_flags(group: argparse._ActionsContainer) -> None:
    checks = group.add_mutually_exclusive_group()
    checks.add_argument("--strict", action="store_true", help="do not build if there is a warning")
    checks.add_argument("--no-checks", dest="checks", action="store_false", help="skip the checks of the model")
    text = "first run the archive with its samples in the server's own worker, and write it only if it serves; with "
    text += "--dry-run, run what would be packed"
    group.add_argument("--test", action="store_true", help=text)
    add_worker_flags(group, "test-")
    group.add_argument("--dry-run", action="store_true", help="print what would be packed, and write nothing")
    group.add_argument("-j", "--jobs", type=JOBS, metavar="N", help="how many cores to use (default: all available)")
    add_common_flags(group)


class _Convert(argparse.Action):
    """Answers ``--convert``."""

    def __call__(self, *_: object) -> None:
        message = "ONNX models can no longer be converted to MXNet, because MXNet has been retired"
        hint = "leave out --convert: an .onnx file is packed as it is"
        raise error("convert-retired", message, hint)
