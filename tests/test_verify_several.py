"""``verify`` of several archives: each in turn, and a line that counts them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Command
from tests.foreign import HONEST, Raw, mar


@pytest.fixture
def archives(work: Path) -> list[str]:
    """One that is OK, one with a warning, one that is damaged, and one that does not exist."""
    mar(*HONEST).rename("ok.mar")
    mar(Raw(b"x", b"1"), Raw(b"x", b"2"), *HONEST).rename("warned.mar")
    mar(Raw(b"broken.bin", b"x", crc32=1), *HONEST).rename("damaged.mar")
    return ["ok.mar", "warned.mar", "damaged.mar", "gone.mar"]


def test_each_has_a_verdict_and_the_last_line_counts_them(archives: list[str], run: Command) -> None:
    result = run("verify", *archives)
    assert result.status == 1
    lines = result.out.splitlines()
    single = [run("verify", name) for name in archives]
    assert lines[:3] == [each.out.rstrip() for each in single[:3]]
    assert lines[3:] == ["gone.mar: rejected, 1 error", "4 archives: 2 OK, 2 rejected"]
    assert [each.status for each in single] == [0, 0, 1, 1]
    assert [warning.split(": ")[:2] for warning in result.warnings] == [["warned.mar", "x"]]
    assert [error.split(": ")[0] for error in result.errors] == ["damaged.mar", "gone.mar"]
    assert result.errors[0] == f"damaged.mar: {single[2].errors[0]}"
    assert result.errors[1] == single[3].errors[0]


def test_all_of_them_must_be_ok(archives: list[str], run: Command) -> None:
    result = run("verify", "ok.mar", "warned.mar", "ok.mar")
    assert result.status == 0
    assert result.out.splitlines()[-1] == "3 archives: 3 OK, 0 rejected"
    assert run("verify", "ok.mar", "warned.mar", "--strict").status == 1
    assert run("verify", "ok.mar", "warned.mar", "--strict", "--ignore", "entry-duplicate").status == 0
    assert "note: 1 warning ignored" in run("verify", "ok.mar", "warned.mar", "--ignore", "entry-duplicate").err


def test_quiet_leaves_the_problems(archives: list[str], run: Command) -> None:
    result = run("verify", *archives, "--quiet")
    assert (result.status, result.out) == (1, "")
    assert len(result.errors) == 2
    assert len(result.err.splitlines()) == 3


def test_json_has_a_report_for_each(archives: list[str], run: Command) -> None:
    result = run("verify", *archives, "--json")
    document = json.loads(result.out)
    assert list(document) == ["schema", "command", "status", "problems", "archives"]
    assert (document["status"], document["problems"]) == (1, [])
    reports = document["archives"]
    assert [report["archive"] for report in reports] == archives
    assert [report["status"] for report in reports] == [0, 0, 1, 1]
    assert [[each["code"] for each in report["problems"]] for report in reports] == [
        [],
        ["entry-duplicate"],
        ["entry-damaged"],
        ["file-missing"],
    ]
    for report, name in zip(reports[:3], archives, strict=False):
        alone = json.loads(run("verify", name, "--json").out)
        assert {**alone, "schema": 2} == {"schema": 2, "command": "verify", **report}


def test_one_archive_is_reported_as_ever(archives: list[str], run: Command) -> None:
    document = json.loads(run("verify", "ok.mar", "--json").out)
    assert document["archive"] == "ok.mar"
    assert "archives" not in document
    assert "rejected" not in run("verify", "ok.mar").out


def test_an_unknown_code_to_ignore_is_one_usage_error(archives: list[str], run: Command) -> None:
    result = run("verify", *archives, "--ignore", "nothing-like-it")
    assert (result.status, result.out) == (2, "")
    assert len(result.errors) == 1


def test_a_warning_about_the_command_line_is_that_of_the_whole(archives: list[str], run: Command) -> None:
    result = run("verify", "ok.mar", "damaged.mar", "--max-size", "1M", "--max-size", "2M", "--json")
    document = json.loads(result.out)
    assert [problem["code"] for problem in document["problems"]] == ["flag-repeated"]
    assert [len(report["problems"]) for report in document["archives"]] == [0, 1]
