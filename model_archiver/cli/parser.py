"""The flags of packaging."""

from __future__ import annotations

import argparse

from model_archiver._version import __version__
from model_archiver.cli.flags import JOBS, Choice, FlagParser, HelpFormatter, add_common_flags, add_worker_flags
from model_archiver.cli.help import MMS_HELP, TORCH_HELP
from model_archiver.core.problems import error
from model_archiver.core.request import DEFLATE, ArchiveFormat, Platform

TORCH = "torch-model-archiver"
MMS = "model-archiver"


def torch_parser() -> FlagParser:
    """Return the parser of ``torch-model-archiver``."""
    return _program(TORCH, TORCH_HELP)


def mms_parser() -> FlagParser:
    """Return the parser of ``model-archiver``."""
    return _program(MMS, MMS_HELP)


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
    group.add_argument("-v", "--version", metavar="VERSION", help="the model's version (default: 1.0)")
    if not is_mms:
        group.add_argument("-r", "--requirements-file", metavar="FILE", help="the model's Python requirements")
        text = "the model's configuration for the server, YAML (batchSize, ...)"
        group.add_argument("-c", "--config-file", metavar="FILE", help=text)
    runtimes = ["python", "python2", "python3", *([] if is_mms else ["LSP"])]
    text = f"the runtime of the handler: {', '.join(runtimes)} (default: %(default)s)"
    group.add_argument("--runtime", default="python", type=Choice(*runtimes), metavar="RUNTIME", help=text)


def _add_content_flags(group: argparse._ActionsContainer, *, is_mms: bool) -> None:
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


def _add_output_flags(group: argparse._ActionsContainer) -> None:
    text = "the folder for the output, created if missing (default: current folder)"
    group.add_argument("--export-path", metavar="DIR", help=text)
    text = "default: NAME.mar, text deflated and weights stored; zip-store: NAME.mar, everything stored; tgz: "
    text += "NAME.tar.gz; no-archive: the folder NAME"
    formats = Choice(*(archive_format.value for archive_format in ArchiveFormat))
    group.add_argument("--archive-format", default="default", type=formats, metavar="FORMAT", help=text)
    text = "lay the output out for a platform: torchserve; kserve: model-store/NAME.mar and config/config.properties; "
    text += "vertex: model.mar; sagemaker: model.tar.gz with code/ (default: %(default)s)"
    platforms = Choice(*(platform.value for platform in Platform))
    group.add_argument("--target", default="torchserve", type=platforms, metavar="PLATFORM", help=text)
    group.add_argument("-f", "--force", action="store_true", help="replace existing output")
    text = "in a .mar of the default format: auto (files that shrink by a quarter or more), always or never "
    text += "(default: %(default)s)"
    group.add_argument("--deflate", default="auto", type=Choice(*DEFLATE), metavar="WHEN", help=text)
    text = "with no-archive: make hard links instead of copies; sources and output then share their bytes, and "
    text += "writing to one changes the other"
    group.add_argument("--link", action="store_true", help=text)


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
