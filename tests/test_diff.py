"""``diff``: what differs between two archives, whatever their formats."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from model_archiver.commands.diff import diff
from tests.archives import FORMATS, MANIFEST, output
from tests.conftest import Command
from tests.foreign import HONEST, Raw, honest_members, manifest_bytes, mar, tar_bytes, tgz


def _packed(run: Command, *words: object, archive_format: str = "default", to: str = "a") -> Path:
    place = ["--archive-format", archive_format, "--export-path", to]
    assert run("--model-name", "m", "--handler", "handler.py", *place, *words).status == 0
    return output("m", archive_format, Path(to))


def test_the_same_content_is_the_same_in_every_format_and_at_every_time(model, run: Command, monkeypatch) -> None:
    archives = []
    for epoch, archive_format in enumerate(FORMATS):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(1_700_000_000 + 86400 * epoch))
        archives.append(_packed(run, "--serialized-file", "model.pt", archive_format=archive_format, to=archive_format))
    for one, other in combinations(archives, 2):
        result = run("diff", one, other)
        assert (result.status, result.out, result.err) == (0, f"{one} and {other} hold the same\n", "")


def test_the_tool_and_its_version_do_not_count(work, run: Command) -> None:
    newer = manifest_bytes(archiverVersion="9.9", createdOn="01/01/2030 00:00:00")
    one, other = mar(), mar(HONEST[0], Raw(MANIFEST.encode(), newer), path="n.mar")
    assert run("diff", one, other).status == 0
    assert run("diff", one, tgz(tar_bytes(honest_members()))).status == 0


def test_everything_that_differs_is_told(model, run: Command) -> None:
    one = _packed(run, "--serialized-file", "model.pt", "--extra-files", "model.py")
    (model / "model.pt").write_bytes(b"smaller")
    other = _packed(run, "--serialized-file", "model.pt", "--extra-files", "index_to_name.json", "-v", "2", to="b")
    result = run("diff", one, other)
    assert (result.status, result.err) == (1, "")
    assert result.out == (
        "~ model.modelVersion: 1.0 -> 2\n"
        "+ index_to_name.json  13\n"
        "~ model.pt            2,048 -> 7\n"
        "- model.py            20\n"
        "a/m.mar and b/m.mar differ\n"
    )


def test_json_is_the_difference(work, run: Command) -> None:
    one, other = mar(), mar(replace(HONEST[0], content=b"x"), Raw(b"new", b"y"), HONEST[1], path="n.mar")
    result = run("diff", one, other, "--json")
    assert result.status == 1
    told = json.loads(result.out)
    assert list(told) == ["schema", "same", "a", "b", "manifest", "files"]
    assert (told["same"], told["manifest"]) == (False, [])
    assert (told["a"]["archive"], told["b"]["format"]) == ("m.mar", "mar")
    changes = [(file["path"], file["change"]) for file in told["files"]]
    assert changes == [("handler.py", "changed"), ("new", "added")]
    assert told["files"][1]["a"] is None
    assert told["files"][1]["b"]["size"] == 1
    assert told["files"][0]["a"]["sha256"] != told["files"][0]["b"]["sha256"]


@pytest.mark.parametrize("order", [1, -1])
def test_trouble_has_a_status_of_its_own(work, run: Command, order: int) -> None:
    mar()
    Path("none").write_text("no archive")
    mar(replace(HONEST[0], crc32=7), HONEST[1], path="damaged.mar")
    for trouble in ("gone.mar", "none", "damaged.mar"):
        result = run("diff", *["m.mar", trouble][::order])
        assert (result.status, result.out) == (2, "")
        assert len(result.errors) == 1
    assert run("diff", "m.mar").status == 2


def test_nothing_is_unpacked_where_sums_are_known(model, run: Command) -> None:
    (model / "large.bin").write_bytes(bytes(range(256)) * 40_000)
    archive = _packed(run, "--serialized-file", "large.bin")
    told: list[int] = []
    assert diff(archive, archive, progress=told.append).same
    assert sum(told) < 20_000


def test_a_field_that_is_there_and_null_differs_from_none(work, run: Command) -> None:
    null = manifest_bytes(license=None)
    result = run("diff", mar(), mar(HONEST[0], Raw(MANIFEST.encode(), null), path="n.mar"))
    assert (result.status, result.out.splitlines()[0]) == (1, "~ license: - -> -")
