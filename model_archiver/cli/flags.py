"""The parser of flags, the answer to a mistyped one, and the flags that several commands share."""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys

from model_archiver.cli.terminal import columns_of, print_result
from model_archiver.commands import COMMANDS
from model_archiver.core.problems import Problem, error, raise_errors
from model_archiver.core.text import did_you_mean, expand_home, invalid_choice, shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any, NoReturn

NUMBER = r"[0-9]{0,9}\.?[0-9]{1,9}(e-?[0-9]{1,2})?"
_SECONDS = r"(?=[0.]*[1-9])([0-9]{1,9}(\.[0-9]{0,9})?|\.[0-9]{1,9})"  # more than 0


class FlagParser(argparse.ArgumentParser):
    """A parser that raises its errors, and that suggests the flag that was likely meant."""

    short_help = ""  # what --help prints instead of all flags

    def format_help(self) -> str:
        """Return what --help prints."""
        return self.short_help or super().format_help()

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override] # noqa: ANN401
        """Return the arguments as a namespace; raise a UsageError if a flag or its value is not valid."""
        given = sys.argv[1:] if args is None else list(args)
        raise_errors([*map(self._unknown_flag, filter(self._is_unknown, given[: [*given, "--"].index("--")]))])
        self._values: dict[str, object] = {}  # the last value of each flag that takes one
        self.repeated: list[Problem] = []  # a warning for each value that does not count
        several = any(action.nargs == "*" for action in self._get_positional_actions())
        parse = self.parse_known_intermixed_args if several else self.parse_known_args  # flags between words
        parsed, rest = parse(given, namespace)
        if rest:
            hint = f"see {self.prog} --help"
            if rest[0] in COMMANDS:
                hint = "a command is the first word"
            elif "--extra-files" in self._option_string_actions and not rest[0].startswith("-"):
                hint = "put a pattern, or a value with spaces, into quotes; separate --extra-files with commas"
            raise error("usage-invalid", f"unrecognized arguments: {shortened(' '.join(rest))}", hint)
        given_format = getattr(parsed, "output_format", None)
        parsed.output_format = "json" if parsed.json else given_format or "text"
        if parsed.json and given_format not in (None, "", "json"):
            raise error("usage-invalid", f"--json and --output-format {given_format} exclude each other")
        return parsed

    def error(self, message: str) -> NoReturn:
        """Raise what is wrong with the command line."""
        message, _, hint = message.partition("; ")  # some types of flags bring a hint
        raise error("usage-invalid", message, hint or f"see {self.prog} --help")

    def _print_message(self, message: str, file: object = None) -> None:  # noqa: ARG002 - --help goes to stdout
        print_result(message.removesuffix("\n"))

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


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Help of the terminal's width, without importing shutil, which argparse does for every flag."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=26, width=terminal_columns() - 2)


def terminal_columns() -> int:
    """Return the width of the terminal, or what the variable COLUMNS says, or 80 if neither is known."""
    given = os.environ.get("COLUMNS", "")
    is_number = given.isdecimal() and int(given[:9]) > 0  # Python reads no number of many digits
    return int(given[:9]) if is_number else columns_of(sys.__stdout__)


def add_worker_flags(group: argparse._ActionsContainer, prefix: str = "") -> None:
    """Add the flags that say how the server's worker runs; `prefix` goes before the names that packaging could mean."""
    flag = group.add_argument
    text = "the Python, or virtual environment, with the server"
    flag(f"--{prefix}python", type=expand_home, metavar="PATH", help=text)
    seconds = valid(float, "a number of seconds; give one such as 30 or 0.5", _SECONDS)
    flag(f"--{prefix}timeout", type=seconds, metavar="SECONDS", help="time limit of loading, and of each answer")
    flag("--install-requirements", action="store_true", help="first install the model's requirements, privately")


def add_common_flags(group: argparse._ActionsContainer, *, has_checks: bool = True) -> None:
    """Add the flags that all commands have, and those of commands that check a model."""
    flag = group.add_argument
    if has_checks:
        flag("--ignore", action="append", metavar="CODES", help="ignore warnings with these codes, comma-separated")
        text = "what to print: text, json or github (annotations)"
        flag("--output-format", type=Choice("text", "json", "github"), metavar="FORMAT", help=text)
    flag("--json", action="store_true", help="print the result as JSON on stdout")
    flag("--quiet", action="store_true", help="no progress bar and no summary; warnings stay")
    flag("--debug", action="store_true", help="show where in the code an error came from")


class Choice:
    """Converts the value of a flag that takes one of a few; an empty value means the default."""

    def __init__(self, *choices: str) -> None:
        self.choices = choices

    def __call__(self, given: str) -> str:
        """Return the value."""
        if given in self.choices or not given:
            return given
        raise argparse.ArgumentTypeError("; ".join(invalid_choice(given, self.choices)))


def valid(convert: Callable[[str], float | str], expected: str, pattern: str = "(?s:.*)") -> Callable[[str], object]:
    """Return the converter of a flag; a value that does not match the pattern is rejected as not `expected`."""

    def check(given: str) -> object:
        with contextlib.suppress(ValueError):
            if re.fullmatch(pattern, given):
                return convert(given)
        raise argparse.ArgumentTypeError(f"{given!r} is not {expected}")

    return check


JOBS = valid(int, "a number of cores; give 1 or more", "0*[1-9][0-9]{0,8}")


def _long(flag: str) -> str:
    return f"--{flag.lstrip('-').replace('_', '-')}"
