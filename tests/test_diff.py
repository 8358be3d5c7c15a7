"""``diff``: what differs between two archives, whatever their formats."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from tests.archives import FORMATS, MANIFEST
from tests.conftest import Command
from tests.foreign import HONEST, Raw, honest_members, manifest_bytes, mar, tar_bytes, tgz
from tests.packing import build


def _packed(run: Command, *words: object, archive_format: str = "default", to: str = "a") -> Path:
    return build(run, "--handler", "handler.py", *words, archive_format=archive_format, to=to)


def test_the_same_content_is_the_same_in_every_format_and_at_every_time(model, run: Command, monkeypatch) -> None:
    archives = []
    for epoch, archive_format in enumerate(FORMATS):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", str(1_700_000_000 + 86400 * epoch))
        archives.append(_packed(run, "--serialized-file", "model.pt", archive_format=archive_format, to=archive_format))
    for one, other in combinations(archives, 2):
        result = run("diff", one, other)
        assert (result.status, result.out, result.err) == (0, f"{one} and {other} have identical contents\n", "")


def test_the_tool_and_its_version_do_not_count(work, run: Command) -> None:
    newer = manifest_bytes(archiverVersion="9.9", createdOn="01/01/2030 00:00:00")
    one, other = mar(), mar(HONEST[0], Raw(MANIFEST.encode(), newer), path="n.mar")
    assert run("diff", one, other).status == 0
    assert run("diff", one, tgz(tar_bytes(honest_members()))).status == 0


def test_all_differences_are_shown(model, run: Command) -> None:
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
    report = json.loads(result.out)
    assert list(report) == ["schema", "command", "status", "problems", "same", "a", "b", "manifest", "files"]
    assert (report["same"], report["manifest"]) == (False, [])
    assert (report["a"]["archive"], report["b"]["format"]) == ("m.mar", "mar")
    changes = [(file["path"], file["change"]) for file in report["files"]]
    assert changes == [("handler.py", "changed"), ("new", "added")]
    assert report["files"][1]["a"] is None
    assert report["files"][1]["b"]["size"] == 1
    assert report["files"][0]["a"]["sha256"] != report["files"][0]["b"]["sha256"]


@pytest.mark.parametrize("order", [1, -1])
def test_trouble_has_its_own_status(work, run: Command, order: int) -> None:
    mar()
    Path("none").write_text("no archive")
    mar(replace(HONEST[0], crc32=7), HONEST[1], path="damaged.mar")
    for trouble in ("gone.mar", "none", "damaged.mar"):
        result = run("diff", *["m.mar", trouble][::order])
        assert (result.status, result.out) == (2, "")
        assert len(result.errors) == 1
    assert run("diff", "m.mar").status == 2


def test_a_field_that_is_there_and_null_differs_from_none(work, run: Command) -> None:
    null = manifest_bytes(license=None)
    result = run("diff", mar(), mar(HONEST[0], Raw(MANIFEST.encode(), null), path="n.mar"))
    assert (result.status, result.out.splitlines()[0]) == (1, "~ license: - -> -")


@pytest.fixture
def packed(model: Path, run: Command) -> Path:
    """An archive of ours, and the folder that it unpacks to beside it."""
    archive = _packed(run, "--serialized-file", "model.pt")
    assert run("extract", archive).status == 0
    return archive


def test_an_edited_folder_differs_from_the_archive_it_came_from(packed, run: Command) -> None:
    digest = json.loads(run("inspect", "m", "--json").out)["digest"]
    assert run("diff", packed, "m").status == 0
    Path("m/handler.py").write_text("edited")
    assert run("diff", packed, "m").out.startswith("~ handler.py")
    assert json.loads(run("inspect", "m", "--json").out)["digest"] != digest


def test_a_file_that_a_zip_tool_put_into_an_archive_is_seen(packed, run: Command) -> None:
    digest = json.loads(run("inspect", packed, "--json").out)["digest"]
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile("edited.mar", "w") as new:
        for name in old.namelist():
            new.writestr(name, b"edited" if name == "handler.py" else old.read(name))
    assert json.loads(run("inspect", "edited.mar", "--json").out)["digest"] != digest
    for one, other in ((packed, "edited.mar"), ("edited.mar", packed), ("m", "edited.mar")):
        assert (run("diff", one, other).status, run("diff", one, other).out[:12]) == (1, "~ handler.py")


def test_an_edit_that_recorded_sums_hide_is_seen(packed, run: Command) -> None:
    with zipfile.ZipFile(packed) as old, zipfile.ZipFile("edited.mar", "w") as new:
        for info in old.infolist():  # as one that hides the edit does: the stamps are the old ones
            content = old.read(info)
            new.writestr(info, content.upper() if info.filename == "handler.py" else content)
    result = run("diff", packed, "edited.mar")
    assert (result.status, result.out[:12]) == (1, "~ handler.py")
    assert run("diff", packed, "m").status == 0
    assert run("diff", "edited.mar", "m").status == 1
