"""Many handlers and model files in the styles that people use: what serves is let through, what does not is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.collection import EXAMPLES, SCRIPTED, Sample, samples
from tests.conftest import Command

SAMPLES = samples()


def codes(lines: list[str]) -> set[str]:
    return {re.search(r" \[([a-z-]+)\]$", line)[1] for line in lines}


def command(sample: Sample, run: Command, run_mms: Command) -> Command:
    return run_mms if sample.kind == "mms" else run


def test_the_collection_is_large_enough() -> None:
    serving = [sample for sample in SAMPLES if not sample.code]
    named = [sample for sample in SAMPLES if sample.code not in ("", "unnamed")]
    assert (len(serving) >= 45, len(named) >= 40) == (True, True)


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if not sample.code], ids=lambda sample: sample.name)
def test_what_serves_is_packaged_without_a_word(sample: Sample, work: Path, run: Command, run_mms: Command) -> None:
    result = command(sample, run, run_mms)("--model-name", "m", *sample.flags, "--strict")
    assert (result.status, result.errors, result.warnings) == (0, [], [])


@pytest.mark.parametrize("sample", [sample for sample in SAMPLES if sample.code], ids=lambda sample: sample.name)
def test_what_does_not_serve_is_named(sample: Sample, work: Path, run: Command, run_mms: Command) -> None:
    result = command(sample, run, run_mms)("--model-name", "m", *sample.flags)
    named = set() if sample.code == "unnamed" else {sample.code}
    assert (result.status, codes(result.errors), result.warnings) == (1 if named else 0, named, []), result.err


@pytest.mark.parametrize("handler", sorted(EXAMPLES.glob("*/handler.py")), ids=lambda handler: handler.parent.name)
def test_the_handlers_of_the_examples_have_no_error(handler: Path, work: Path, run: Command) -> None:
    result = run("--model-name", "m", "--handler", handler, "--serialized-file", SCRIPTED)
    assert codes(result.errors).isdisjoint({"handler-syntax", "handler-entry", "handler-class"})
