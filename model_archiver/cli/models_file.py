"""A file that lists models: each is a command line of packaging, whose flags are the keys of a mapping."""

from __future__ import annotations

import argparse
import os
import re
from contextlib import suppress
from pathlib import Path

import yaml

from model_archiver.cli.flags import valid
from model_archiver.core.codes import ignored_codes
from model_archiver.core.manifest import MAR_INF
from model_archiver.core.problems import ModelArchiverError, Problem, ProblemList, as_seen, error, raise_errors
from model_archiver.core.request import ArchiveFormat, ModelArchiverConfig, Platform
from model_archiver.core.text import did_you_mean, listed
from model_archiver.planning.gathering import rebased, status_of
from model_archiver.planning.platforms import LAYOUTS, format_for
from model_archiver.planning.target import choose_target
from model_archiver.planning.yaml_file import TAG, compose_file, is_absent, line_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from model_archiver.cli.flags import FlagParser

    Listed = tuple[int, ModelArchiverConfig]  # the line of a model, and what is to be built
    Pairs = dict[str, tuple[yaml.Node, yaml.Node]]  # key and value by the flag

_CODE = "build-file"
_OF_RUN = {"--help", "--tool-version", "--json", "--output-format", "--quiet", "--debug", "--dry-run", "--jobs"}
_OF_RUN |= {"--convert"}
_MOST_VALUES = 1_000_000  # with what aliases repeat
# TorchServe's ts_scripts/mar_config.json. Its marsgen.py downloads the first, or runs the second to make it.
_REMOTE, _GENERATOR = "--serialized-file-remote", "--gen-scripted-file-path"
# KServe's docs/samples/v1beta1/torchserve/model-archiver/model-store/properties.json: the script that reads it enters
# these in the server's configuration, and looks for files in the folder of each model.
SETTINGS = {"--min-workers": "minWorkers", "--max-workers": "maxWorkers", "--batch-size": "batchSize"}
SETTINGS |= {"--max-batch-delay": "maxBatchDelay", "--response-timeout": "responseTimeout"}


def read_models(parser: FlagParser, args: argparse.Namespace) -> list[Listed]:
    """Return the models of `args.file` that are to be built: those of `args.names`, or all if there are none.

    The keys are the flags of a parser of packaging, which is changed. The paths of the file start in `args.root`. The
    flags of packaging that `args` has override those of the file.

    Raises:
        ModelArchiverError: everything that is wrong with the file; a UsageError if a name is not there.
    """
    if args.root and not Path(args.root).is_dir():
        raise error(
            "usage-invalid", "is not a folder (--root)", "name the one where paths of the file start", args.root
        )
    missing = ProblemList()
    status_of(Path(args.file), "the file of models", missing)
    missing.raise_errors(strict=False)
    reader = _Reader(parser, args)
    models = reader.models(compose_file(args.file, _CODE))
    first: dict[Path, int] = {}
    for line, request in models:
        platform, unused = Platform(request.target), ProblemList()
        with suppress(OSError):  # of the export path: the build reports it
            archive_format = format_for(platform, ArchiveFormat(request.archive_format), unused)
            path = choose_target(request, platform, archive_format, unused).path
            if path in first and all(problem.code != "name-invalid" for problem in unused):
                message = f"{request.model_name} is written to {as_seen(path)}, as is the model in line {first[path]}"
                keys = " export-path" if LAYOUTS[platform].fixed_name else " model-name or export-path"
                reader.error(line, message, f"give one of them a different{keys}")
            first.setdefault(path, line)
    for path, line in first.items():
        for folder in [folder for folder in path.parents if folder in first]:
            message = (
                f"{as_seen(path)} is in {as_seen(folder)}, which is the output of the model in line {first[folder]}"
            )
            reader.error(line, message, "give one of them a different export-path")
    problems = sorted(reader.problems, key=lambda problem: problem.line or 0)
    for name in [name for name in args.names if name not in reader.names]:
        hint = did_you_mean(name, reader.names, f"choose from {listed([*reader.names])}" if reader.names else "")
        problems.append(Problem("error", "usage-invalid", f"has no model {name}", hint, args.file))
    raise_errors(problems)
    return models


class _Reader:
    """Turns nodes into models, and collects everything that is wrong with them."""

    def __init__(self, parser: FlagParser, args: argparse.Namespace) -> None:
        self.problems = ProblemList()
        self.names: dict[str, None] = {}  # of all models of the file, before flags override them
        self._mappings: dict[int, Pairs] = {}  # by the node, however many aliases refer to it
        self._parser, self._args = parser, args
        self._root = args.root or os.path.dirname(args.file) or "."  # noqa: PTH120 - as it was written
        with suppress(OSError):  # it is missing, as the problems of its files will say
            self._root = "" if Path(self._root).samefile(Path.cwd()) else self._root  # paths stay as they are written
        fields = ModelArchiverConfig._fields
        self._overrides = {name: value for name, value in vars(args).items() if name in fields and value is not None}
        parser.prog += " build"
        for flag in _OF_RUN:  # no model has a key of this name
            parser._option_string_actions.pop(flag, None)
        self._flags = [*parser._option_string_actions]  # of packaging: what is short means these first
        for action in parser._actions:
            action.required = action.required and action.dest not in self._overrides
        for flag, name in SETTINGS.items():
            least, pattern = (0, "[0-9]{1,9}") if "delay" in flag else (1, "0*[1-9][0-9]{0,8}")
            number = valid(int, f"a number of {least} or more; give a whole number", pattern)
            parser.add_argument(flag, dest=name, type=number, default=argparse.SUPPRESS)
        for flag in (_REMOTE, _GENERATOR) if "--serialized-file" in self._flags else ():
            parser.add_argument(flag, default=argparse.SUPPRESS)

    def error(self, line: int, message: str, hint: str = "") -> None:
        """Add an error in a line."""
        self.problems.add(Problem("error", _CODE, message, hint, self._args.file, line))

    def models(self, root: yaml.Node | None) -> list[Listed]:
        """Return the models of the file that are to be built."""
        top = self._pairs(root) if isinstance(root, yaml.MappingNode) else {}
        if unknown := [key for flag, (key, _) in top.items() if flag not in ("--defaults", "--models")]:
            names = listed([key.value for key in unknown])
            hint = "put it below defaults:, or into a model below models:"
            hint = hint if "--models" in top else "begin each model with a dash (-)"
            self.error(line_of(unknown[0]), f"unknown key {names}", hint)
            return []
        _, defaults = top.get("--defaults", (None, None))
        _, models = top.get("--models", (root, root))
        common = {} if is_absent(defaults) else self._pairs(defaults, "defaults")
        if isinstance(models, yaml.MappingNode) and models is not root:
            self.error(line_of(models), "models must be a list, not a mapping", "begin each model with a dash (-)")
            return []
        if not isinstance(models, yaml.SequenceNode) or not models.value:
            self.error(line_of(root), "has no list of models", "write a list of mappings, or one below models:")
            return []
        drafts = [(node, {**common, **self._pairs(node)}) for node in models.value]
        values = [value for _, pairs in drafts for _, value in pairs.values()]
        if sum(len(value.value) if isinstance(value, yaml.SequenceNode) else 1 for value in values) > _MOST_VALUES:
            self.error(line_of(models), f"its aliases (*name) expand to more than {_MOST_VALUES:,} values")
            return []
        return [model for draft in drafts if (model := self._model(*draft))]

    def _model(self, node: yaml.Node, pairs: Pairs) -> Listed | None:
        """Return a model, or None if it has an error or is not to be built."""
        for flag in ("--strict", "--no-checks") if {"strict", "checks"} & self._overrides.keys() else ():
            pairs.pop(flag, None)  # they exclude each other
        parsed = self._parsed(node, pairs) if isinstance(node, yaml.MappingNode) else None
        if parsed is None:
            return None
        self.names[parsed.model_name or ""] = None  # which a flag may give
        if self._args.names and parsed.model_name not in self._args.names:
            return None
        base, keys = Path(self._root, parsed.model_name or ""), {key.value for key, _ in pairs.values()}
        is_kserve = "--min-workers" in pairs or "requirements" in keys
        is_output = (base / MAR_INF).exists()  # of a previous build: its files are copies
        folder = str(base) if is_kserve and base.is_dir() and not is_output else self._root
        if (url := getattr(parsed, "serialized_file_remote", None)) and "serialized_file" not in self._overrides:
            parsed.serialized_file, line = url.rpartition("/")[2], line_of(pairs[_REMOTE][0])
            if not parsed.serialized_file:
                self.error(line, f"{url} does not end with the name of a file", "give the whole URL")
            elif not (path := Path(folder, parsed.serialized_file)).is_file():
                self.error(line, f"{path} does not exist", f"download {url} to there, or make it")
        settings = {name: value for name, value in vars(parsed).items() if name in SETTINGS.values()}
        least = settings.get("minWorkers")
        if least and least > settings.setdefault("maxWorkers", least):
            line = line_of(pairs["--min-workers"][0])
            self.error(
                line, f"min-workers is {least}, but max-workers is {settings['maxWorkers']}", "give more of those"
            )
        own = rebased(ModelArchiverConfig.from_args(parsed), folder, self._root).as_dict()
        fields = {**own, "server_settings": settings, **self._overrides}
        return line_of(node), ModelArchiverConfig.from_args(argparse.Namespace(**fields))

    def _parsed(self, node: yaml.Node, pairs: Pairs) -> argparse.Namespace | None:
        """Return what the parser makes of a model. Each of its problems gets the line of the key that it names."""
        words = {flag: self._words(flag, *pair) for flag, pair in pairs.items()}
        while True:
            try:
                parsed = self._parser.parse_args([word for own in words.values() for word in own])
                ModelArchiverConfig.from_args(parsed)
                ignored_codes(parsed.ignore)
            except ModelArchiverError as failure:
                wrong = set()
                for problem in failure.problems:
                    message = f"{problem.path} {problem.message}".lstrip()
                    found = {flag: re.search(rf"{re.escape(flag)}(?![\w-])", message) for flag in words}
                    places = {match.start(): flag for flag, match in found.items() if match}
                    self.error(line_of(pairs[places[min(places)]][0] if places else node), message, problem.hint)
                    wrong |= {places[min(places)]} if places else set()
                if not wrong:
                    return None
                words = {flag: own for flag, own in words.items() if flag not in wrong}
            else:
                return parsed  # type: ignore[no-any-return]

    def _pairs(self, node: yaml.Node | None, what: str = "a model") -> Pairs:
        """Return the pairs of a mapping, with those that it merges (``<<``) and does not have itself."""
        if not isinstance(node, yaml.MappingNode):
            self.error(line_of(node), f"{what} must be a mapping", "write each flag as key: value")
            return {}
        if id(node) in self._mappings:
            return self._mappings[id(node)]
        self._mappings[id(node)] = {}  # where it merges itself
        own: Pairs = {}
        merged: Pairs = {}
        for key, value in node.value:
            if key.tag == f"{TAG}merge":
                for other in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                    merged = {**self._pairs(other, "a merged value (<<)"), **merged}
            elif not isinstance(key, yaml.ScalarNode):
                self.error(line_of(key), "a key must be the name of a flag")
            elif (flag := self._flag(key.value)) in own:
                message = f"the key {key.value!r} repeats {own[flag][0].value!r} of line {line_of(own[flag][0])}"
                self.error(line_of(key), message, "remove one of them")
            else:
                own[flag] = key, value
        self._mappings[id(node)] = {**merged, **own}
        return self._mappings[id(node)]

    def _flag(self, key: str) -> str:
        """Return the flag that a key means; unknown ones too."""
        flag = f"--{key.replace('_', '-')}".replace("--serialized-file-local", "--serialized-file")
        known = self._parser._option_string_actions
        found = [each for each in self._flags if each.startswith(flag)] or [
            each for each in known if each.startswith(flag)
        ]
        return found[0] if len(found) == 1 and flag not in known else flag

    def _words(self, flag: str, key: yaml.Node, value: yaml.Node) -> list[str]:
        """Return the words of a command line that a pair stands for."""
        if flag in _OF_RUN or flag in ("--root", "--if-changed", "--keep-going", "--dask"):
            self.error(line_of(key), f"{flag} is for the whole run", "give it on the command line")
            return []
        if (action := self._parser._option_string_actions.get(flag)) is None:
            return [flag.replace("=", " ")]  # no parser takes it
        takes_list, is_switch = isinstance(action, argparse._AppendAction), action.nargs == 0
        parts = value.value if takes_list and isinstance(value, yaml.SequenceNode) else [value]
        parts = [part for part in parts if not is_absent(part)]
        if is_switch and all(part.tag == f"{TAG}bool" for part in parts):
            return [flag for part in parts if part.value.lower() in ("true", "yes", "on")]
        if not is_switch and all(isinstance(part, yaml.ScalarNode) and part.tag.startswith(TAG) for part in parts):
            return [f"{flag}={part.value}" for part in parts]
        expected = "true or false" if is_switch else "a string or a list of strings" if takes_list else "a string"
        self.error(line_of(key), f"{flag} must be {expected}")
        return [f"{flag}="] if action.required else []
