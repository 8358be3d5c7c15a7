"""The flags of the commands that read archives."""

from __future__ import annotations

from model_archiver.cli.parser import NUMBER, FlagParser, HelpFormatter, add_common_flags, add_worker_flags, valid
from model_archiver.commands import COMMANDS
from model_archiver.core.problems import error
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
        raise error("command-unknown", f"unknown command {name}", hint)
    description = COMMANDS[name]
    parser = FlagParser(
        prog=f"{program} {name}",
        description=f"{description[0].upper()}{description[1:]}.",
        epilog=_TEST_NOTES if name == "test" else None,
        formatter_class=HelpFormatter,
    )
    flag = parser.add_argument
    archive = valid(str, "an archive; name a .mar, a .tar.gz or a model's folder", "(?s:.+)")
    if name == "diff":
        flag("a", type=archive, metavar="A", help=_ARCHIVE)
        flag("b", type=archive, metavar="B", help="another one, of any format")
    else:
        flag("archive", type=archive, metavar="ARCHIVE", help=_ARCHIVE)
    if name == "extract":
        flag("--to", metavar="DIR", help="the folder to unpack to (default: the model's name)")
        flag("-f", "--force", action="store_true", help="replace an existing folder")
    if name == "verify":
        flag("--strict", action="store_true", help="treat warnings as errors")
    if name == "test":
        _add_trial_flags(parser)
    size = valid(parse_size, "a size; give one such as 500M or 20G")
    limit = "unpacked size limit, such as 20G (default: 1G or 100 times the archive, whichever is more)"
    flag("--max-size", type=size, metavar="SIZE", help=limit)
    add_common_flags(parser, has_checks=name in ("verify", "test"))
    return parser


def _add_trial_flags(parser: FlagParser) -> None:
    tolerance = valid(float, "a tolerance; give a number such as 0.001", NUMBER)
    batch_size = valid(int, "a batch size; give 1 or more", "0*[1-9][0-9]{0,4}")
    device = valid(str, "a device; give cpu, cuda or cuda:N, such as cuda:0", "cpu|cuda(:[0-9]{1,3})?")
    for name, metavar, text in (
        ("--input", "FILE", "send the file as one request; - is stdin; may be repeated"),
        ("--form", "NAME=VALUE", "one part of a multipart request, as in curl: NAME=VALUE or NAME=@FILE;type=TYPE"),
        ("--expect", "FILE", "the expected answer, one for each request: *.json by value, any other byte by byte"),
    ):
        parser.add_argument(name, action="append", default=[], metavar=metavar, help=text)
    for name, metavar, convert, text in (
        ("--content-type", "TYPE", str, "the content type of every --input (default: guessed from the file's name)"),
        ("--tolerance", "X", tolerance, "how much numbers of --expect may differ (default: 0)"),
        ("--cases", "FILE", str, "requests and expected answers: a JSON list, as in TorchServe's own tests"),
        ("--batch-size", "N", batch_size, "how many requests to send together (default: from the configuration, or 1)"),
        ("--device", "DEVICE", device, "cpu, cuda or cuda:N (default: from the configuration, or cpu)"),
        ("--envelope", "NAME", str, "TorchServe's service envelope: json, body, kserve or kservev2"),
    ):
        parser.add_argument(name, type=convert, metavar=metavar, help=text)
    parser.set_defaults(tolerance=0.0, envelope="")
    add_worker_flags(parser)
    parser.add_argument("--log", action="store_true", help="show what the worker writes, not only after a failure")
