"""The flags of ``model-archiver``: those of Multi Model Server's archiver, and the ones that both commands share."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_archiver.cli.parser import mms_parser
from tests.archives import FORMATS, manifest, members, output
from tests.conftest import Command
from tests.packing import HANDLER, make

WORDS = ("--model-name", "m", "--model-path", "d", "--handler", "svc:handle")


@pytest.fixture(autouse=True)
def _folder(work: Path) -> None:
    """A model's folder."""
    make("d/svc.py", text=HANDLER)
    make("d/pkg/labels.txt", "more.txt")


@pytest.mark.parametrize("archive_format", FORMATS)
def test_a_folder_is_packed_with_its_tree_in_every_format(run_mms: Command, archive_format: str) -> None:
    result = run_mms(*WORDS, "--archive-format", archive_format)
    assert (result.status, result.out) == (0, "")
    assert result.err.startswith("model-archiver: wrote m")
    assert members(output("m", archive_format)) == {"svc.py", "pkg/labels.txt"}
    assert manifest(output("m", archive_format))["model"]["handler"] == "svc:handle"


@pytest.mark.parametrize("runtime", ["python", "python2", "python3"])
def test_every_runtime_of_mms_is_without_a_warning(run_mms: Command, runtime: str) -> None:
    result = run_mms(*WORDS, "--runtime", runtime)
    assert (result.status, result.warnings) == (0, [])
    assert manifest(output("m"))["runtime"] == runtime


def test_export_path_and_force(run_mms: Command) -> None:
    words = [*WORDS, "--export-path", "store"]
    assert run_mms(*words).status == 0
    assert "target-exists" in run_mms(*words).errors[0]
    assert run_mms(*words, "-f").status == 0
    assert run_mms(*words, "--force").status == 0


def test_the_flags_that_both_commands_share(run_mms: Command) -> None:
    shared = ["--version", "2", "--include", "more.txt", "--exclude", "pkg", "--strict", "--quiet"]
    result = run_mms(*WORDS, *shared, "--deflate", "never", "--jobs", "1", "--json")
    assert (result.status, result.err) == (0, "")
    assert json.loads(result.out)["manifest"]["model"]["modelVersion"] == "2"
    assert members(output("m")) == {"svc.py", "more.txt"}


def test_a_dry_run_writes_nothing(run_mms: Command) -> None:
    result = run_mms(*WORDS, "--dry-run", "--no-checks")
    assert result.status == 0
    assert "--model-path d/svc.py" in result.out
    assert not output("m").exists()


@pytest.mark.parametrize(
    "words", [["--extra-files", "x"], ["--serialized-file", "x"], ["--model-file", "x"], ["-r", "x"], ["-v", "1"]]
)
def test_torchserves_file_flags_are_refused(run_mms: Command, words) -> None:
    result = run_mms(*WORDS, *words)
    assert (result.status, result.out) == (2, "")
    assert words[0] in result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize("missing", ["--model-name", "--model-path", "--handler"])
def test_name_folder_and_handler_are_required(run_mms: Command, missing: str) -> None:
    at = WORDS.index(missing)
    result = run_mms(*WORDS[:at], *WORDS[at + 2 :])
    assert result.status == 2
    assert f"required: {missing}" in result.err


def test_lsp_is_not_a_runtime_of_mms(run_mms: Command) -> None:
    assert run_mms(*WORDS, "--runtime", "LSP").status == 2


@pytest.mark.parametrize("flag", ["-c", "--convert"])
def test_convert_is_answered_with_what_to_do(run_mms: Command, flag: str) -> None:
    result = run_mms(*WORDS, flag)
    assert result.status == 2
    assert "leave out --convert" in result.errors[0]
    assert not output("m").exists()


def test_help_names_every_flag(run_mms: Command) -> None:
    result = run_mms("--help")
    assert (result.status, result.err) == (0, "")
    assert result.out.startswith("usage: model-archiver ")
    assert all(flag in result.out for flag in mms_parser()._option_string_actions)


def test_tool_version(run_mms: Command) -> None:
    assert run_mms("--tool-version").out.startswith("model-archiver ")
