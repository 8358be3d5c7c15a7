"""``inspect``: what an archive is, read no further than it takes."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from model_archiver.commands.inspect import inspect
from tests.archives import FORMATS, MANIFEST, SUMS, contents, output
from tests.conftest import Command
from tests.foreign import DEFLATED, HONEST, Raw, honest_members, mar, tar_bytes, tgz
from tests.packing import build

TABLE = r"""name     m
version  2\.1
handler  handler\.py
runtime  python
created  14/11/2023 22:13:20
archiver 1\.0\.0
format   mar
size     [\d.]+ KiB, unpacked 2\.5 KiB
digest   sha256:[0-9a-f]{64}

path                   bytes  compressed  role
handler\.py                43          43  handler
model\.pt               2,048 +\d+  weights
MAR-INF/SHA256SUMS       240 +\d+  sums
MAR-INF/MANIFEST\.json    223 +\d+  manifest
"""


FILES = ("--serialized-file", "model.pt", "--handler", "handler.py")


@pytest.fixture
def packed(model: Path, run: Command, monkeypatch) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    for archive_format in FORMATS:
        build(run, *FILES, "--version", "2.1", archive_format=archive_format, to=archive_format)
    return model


def _json(run: Command, archive: object) -> dict:
    result = run("inspect", archive, "--json")
    assert (result.status, result.err) == (0, "")
    return json.loads(result.out)


def test_a_table_says_what_an_archive_is(packed, run: Command) -> None:
    result = run("inspect", "default/m.mar")
    assert (result.status, result.err) == (0, "")
    assert re.fullmatch(TABLE, result.out), result.out


@pytest.mark.parametrize("archive_format", FORMATS)
def test_json_says_what_packaging_said(model, run: Command, archive_format: str) -> None:
    said = json.loads(run("--model-name", "m", *FILES, "--archive-format", archive_format, "--json").out)
    found = _json(run, output("m", archive_format))
    assert Path(found.pop("archive")).resolve() == Path(said.pop("archive"))
    if archive_format == "no-archive":
        found["files"].sort(key=lambda file: file["path"])
        said["files"].sort(key=lambda file: file["path"])
    assert (found.pop("command"), said.pop("command")) == ("inspect", "package")
    assert found == said


def test_json_has_the_shape_that_is_promised(work, run: Command) -> None:
    found = _json(run, mar())
    assert list(found) == [
        *("schema", "command", "status", "problems"),
        *("archive", "format", "size", "digest", "manifest", "files"),
    ]
    assert (found["schema"], found["status"], found["archive"], found["format"]) == (2, 0, "m.mar", "mar")
    assert found["size"] == Path("m.mar").stat().st_size
    assert sorted(found["files"][0]) == ["compressed_size", "path", "role", "sha256", "size"]
    assert found["files"][0]["sha256"] == hashlib.sha256(HONEST[0].content).hexdigest()


def test_the_digest_is_that_of_the_content_alone(packed, run: Command, monkeypatch) -> None:
    digests = {_json(run, output("m", form, Path(form)))["digest"] for form in FORMATS}
    assert len(digests) == 1
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1")
    words = [*FILES, "--version", "2.1", "--deflate", "always", "-f"]
    assert _json(run, build(run, *words))["digest"] in digests
    (packed / "model.pt").write_bytes(b"other")
    assert _json(run, build(run, *words))["digest"] not in digests


def test_the_digest_is_computed_as_the_design_says(work, run: Command) -> None:
    found = _json(run, mar())
    fields = {name: value for name, value in found["manifest"].items() if name not in ("createdOn", "archiverVersion")}
    canonical = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    handler = hashlib.sha256(HONEST[0].content).hexdigest()
    expected = hashlib.sha256(f"{handler}  handler.py\n{canonical}".encode()).hexdigest()
    assert found["digest"] == f"sha256:{expected}"


def test_an_archive_of_another_tool_has_the_same_digest_in_each_format(work, run: Command) -> None:
    digests = {_json(run, mar())["digest"], _json(run, tgz(tar_bytes(honest_members())))["digest"]}
    assert run("extract", "m.mar").status == 0
    digests.add(_json(run, "m")["digest"])
    assert len(digests) == 1


def test_no_more_is_read_than_it_takes(model, run: Command) -> None:
    (model / "large.pt").write_bytes(bytes(range(256)) * 40_000)
    archive = build(run, "--serialized-file", "large.pt", "--deflate", "never")
    counts: list[int] = []
    report = inspect(archive, progress=counts.append)
    assert 0 < sum(counts) < 10_000
    large = contents(archive)["large.pt"]
    assert report.files[0].sha256 == hashlib.sha256(large).hexdigest()


def test_a_damaged_archive_is_shown_as_far_as_it_can_be_read(work, run: Command) -> None:
    archive = mar(replace(HONEST[0], crc32=7), HONEST[1])
    result = run("inspect", archive)
    assert result.status == 1
    assert result.errors[0].startswith("handler.py: CRC-32 or size mismatch: the content is damaged")
    assert "digest   -" in result.out
    [file, _] = json.loads(run("inspect", archive, "--json").out)["files"]
    assert (file["path"], file["sha256"]) == ("handler.py", None)


def test_roles_are_those_of_the_manifest(inputs, run: Command) -> None:
    words = ("--model-file", "model.py", *FILES, "-r", "requirements.txt", "-c", "config.yaml")
    assert {file["path"]: file["role"] for file in _json(run, build(run, *words))["files"]} == {
        "config.yaml": "config",
        "handler.py": "handler",
        "model.pt": "weights",
        "model.py": "model file",
        "requirements.txt": "requirements",
        MANIFEST: "manifest",
        SUMS: "sums",
    }


def test_a_name_that_is_there_twice_is_a_warning(work, run: Command) -> None:
    result = run("inspect", mar(Raw(b"handler.py", b"one", DEFLATED), *HONEST), "--json")
    assert result.status == 0
    assert [file["path"] for file in json.loads(result.out)["files"]] == ["handler.py", "handler.py", MANIFEST]
    assert result.warnings == [
        "handler.py: appears twice, and servers use the last one; package the model again [entry-duplicate]"
    ]


def _with_sums(*entries: Raw) -> Path:
    """An archive whose every file has a sum, stamped as ours are."""
    files = (*entries, *HONEST)
    sums = "".join(f"{hashlib.sha256(raw.content).hexdigest()}  {raw.name.decode()}\n" for raw in files)
    return mar(*files, Raw(SUMS.encode(), sums.encode()))


@pytest.mark.parametrize("name", [".", "../x", "a\\b", "/x", "a\x1b[31mb"])
def test_a_name_that_no_server_takes_is_an_error_though_its_sum_is_recorded(work, run: Command, name: str) -> None:
    archive = _with_sums(Raw(name.encode(), b"x"))
    for command in ("inspect", "verify"):
        result = run(command, archive, "--json")
        assert result.status == 1
        assert "path-invalid" in {issue["code"] for issue in json.loads(result.out)["problems"]}


def test_an_impossible_size_is_an_error(work, run: Command) -> None:
    archive = _with_sums(Raw(b"w", b"x" * 9, DEFLATED, size=900_000_000))
    result = run("inspect", archive)
    assert result.status == 1
    assert result.errors[0].startswith("w: CRC-32 or size mismatch: ")
