"""Shortened flags: what upstream's parsers take for a flag is the same flag here."""

from __future__ import annotations

import argparse

import pytest

from model_archiver.cli.parser import FlagParser, mms_parser, torch_parser
from model_archiver.core.problems import UsageError
from tests.packing import MODEL

UPSTREAM_TORCH = """
    --model-name --serialized-file --model-file --handler --extra-files --runtime --export-path --archive-format
    --force --version --requirements-file --config-file --help
"""
UPSTREAM_MMS = """
    --model-name --model-path --handler --runtime --export-path --archive-format --force --convert --help
"""
VALUES = {"--runtime": "python2", "--archive-format": "tgz"}
SWITCHES = ("--force", "--help", "--convert")
MMS_WORDS = ("--model-name", "m", "--model-path", "m", "--handler", "m")


def _resolved_prefixes(upstream: str) -> dict[str, str]:
    """Every prefix of three letters or more that means one of the flags and no other."""
    flags = upstream.split()
    prefixes = {flag[:length] for flag in flags for length in range(5, len(flag) + 1)}
    meanings = {prefix: [flag for flag in flags if flag.startswith(prefix)] for prefix in prefixes}
    return {prefix: prefix if prefix in flags else found[0] for prefix, found in meanings.items() if len(found) == 1}


TORCH = sorted(_resolved_prefixes(UPSTREAM_TORCH).items())
MMS = sorted(_resolved_prefixes(UPSTREAM_MMS).items())


def _changed(parser: FlagParser, words: list[str], base: tuple[str, ...]) -> dict[str, object]:
    """What words change in the arguments that the base ones make."""
    before, after = vars(parser.parse_args(base)), vars(parser.parse_args([*base, *words]))
    return {name: value for name, value in after.items() if value != before[name]}


def test_the_lists_hold_what_callers_use() -> None:
    assert {"--serialized", "--extra", "--export", "--arch", "--config", "--requirements", "--req"} < dict(TORCH).keys()
    assert {"--run", "--hand", "--ver", "--force"} < dict(TORCH).keys()
    assert "--model" not in dict(TORCH)
    assert len(TORCH) > 60
    assert len(MMS) > 40


CASES = [
    *((torch_parser, MODEL, *pair) for pair in TORCH if pair[1] != "--help"),
    *((mms_parser, MMS_WORDS, *pair) for pair in MMS if pair[1] not in ("--help", "--convert")),
]


@pytest.mark.parametrize(("parser", "base", "prefix", "flag"), CASES)
def test_a_prefix_of_upstreams_flags_is_the_same_flag(parser, base: tuple[str, ...], prefix: str, flag: str) -> None:
    words = [prefix] if flag in SWITCHES else [prefix, VALUES.get(flag, "given")]
    changed = _changed(parser(), words, base)
    assert list(changed) == [flag.lstrip("-").replace("-", "_")]
    assert changed == _changed(parser(), [flag, *words[1:]], base)


@pytest.mark.parametrize("prefix", [prefix for prefix, flag in MMS if flag == "--convert"])
def test_a_prefix_of_convert_is_answered_as_convert(prefix: str) -> None:
    with pytest.raises(UsageError, match="convert-retired"):
        mms_parser().parse_args([*MMS_WORDS, prefix])


@pytest.mark.parametrize("parser", [torch_parser(), mms_parser()], ids=["torch", "mms"])
@pytest.mark.parametrize("prefix", [prefix for prefix, flag in TORCH if flag == "--help"])
def test_a_prefix_of_help_prints_the_help(capsys, parser: argparse.ArgumentParser, prefix: str) -> None:
    with pytest.raises(SystemExit) as done:
        parser.parse_args([prefix])
    assert done.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: {parser.prog} ")
