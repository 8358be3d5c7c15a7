"""``MAR-INF/MANIFEST.json`` and the digest that identifies what an archive holds."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

import model_archiver
from model_archiver import ModelArchiverError
from model_archiver.core.manifest import Model
from model_archiver.manifest_components.manifest import Manifest
from model_archiver.model_packaging_utils import ModelExportUtils
from tests.archives import FORMATS, MANIFEST, manifest
from tests.conftest import Command
from tests.packing import MODEL, build, built, make, refused

ALL = (
    *("--model-file", "model.py", "--serialized-file", "model.pt", "--handler", "handler.py", "--version", "3"),
    *("-r", "requirements.txt", "-c", "config.yaml"),
)


@pytest.mark.parametrize("archive_format", FORMATS)
def test_the_fields_are_upstreams_in_upstreams_order(inputs, run: Command, archive_format: str) -> None:
    fields = manifest(build(run, *ALL, archive_format=archive_format))
    assert list(fields) == ["createdOn", "runtime", "model", "archiverVersion"]
    assert fields["archiverVersion"] == model_archiver.__version__
    assert list(fields["model"].items()) == [
        ("modelName", "m"),
        ("serializedFile", "model.pt"),
        ("handler", "handler.py"),
        ("modelFile", "model.py"),
        ("modelVersion", "3"),
        ("requirementsFile", "requirements.txt"),
        ("configFile", "config.yaml"),
    ]


def test_a_files_field_is_its_base_name(inputs, run: Command) -> None:
    make("deep/down/net.pt")
    words = ("--serialized-file", Path("deep/down/net.pt").absolute(), "--model-file", "../here/model.py")
    fields = manifest(build(run, *words))["model"]
    assert (fields["serializedFile"], fields["modelFile"]) == ("net.pt", "model.py")


def test_the_time_is_now_in_local_time(work, run: Command, monkeypatch) -> None:
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    before = int(time.time())
    text = manifest(build(run))["createdOn"]
    assert re.fullmatch(r"\d\d/\d\d/\d{4} \d\d:\d\d:\d\d", text)
    assert before <= time.mktime(time.strptime(text, "%d/%m/%Y %H:%M:%S")) <= time.time()


@pytest.mark.parametrize(
    ("epoch", "text"),
    [
        ("0", "01/01/1970 00:00:00"),
        ("1700000000", "14/11/2023 22:13:20"),
        (" 1700000000\n", "14/11/2023 22:13:20"),
        ("4102444800", "01/01/2100 00:00:00"),
        ("253402300799", "31/12/9999 23:59:59"),
    ],
)
def test_source_date_epoch_is_the_time_in_utc(work, run: Command, monkeypatch, epoch: str, text: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    built(run)
    monkeypatch.undo()
    time.tzset()
    assert manifest(work / "m.mar")["createdOn"] == text


def test_an_empty_source_date_epoch_is_none(work, run: Command, monkeypatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "")
    assert str(time.localtime().tm_year) in manifest(build(run))["createdOn"]


@pytest.mark.parametrize("epoch", ["yesterday", "1.5", "1e9", "9" * 30, "1_0", "+5", "-1", "\u0661", "253402300800"])
def test_a_source_date_epoch_that_is_not_a_moment_is_refused(work, run: Command, monkeypatch, epoch: str) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    [error] = refused(run)
    assert error.startswith(f"SOURCE_DATE_EPOCH is {epoch!r}, which is not a number of seconds")
    assert "epoch-invalid" in error
    with pytest.raises(ModelArchiverError, match="epoch-invalid"):
        ModelExportUtils.generate_manifest_json(model_archiver.ModelArchiverConfig(model_name="m"))


def test_it_is_utf_8_without_a_byte_order_mark(work, run: Command) -> None:
    Path("größe.pt").write_bytes(b"w")
    data = built(run, "--serialized-file", "größe.pt", "--version", "ü")[MANIFEST]
    assert data.startswith(b"{")
    assert data.endswith(b"}\n")
    assert "größe.pt".encode() in data
    assert json.loads(data)["model"]["modelVersion"] == "ü"


def test_a_manifest_as_a_string_has_its_fields() -> None:
    text = str(Manifest("python", Model("m", "m.pt", "base_handler")))
    assert json.loads(text)["model"] == {"modelName": "m", "serializedFile": "m.pt", "handler": "base_handler"}


def _digest(run: Command, *words: object) -> str:
    result = run(*MODEL, "-f", "--json", *words)
    assert result.status == 0, result.err
    return json.loads(result.out)["digest"]


def test_the_digest_differs_by_contents_names_and_manifest(model, run: Command) -> None:
    make("other/model.py", text="other = 1\n")
    Path("renamed.py").write_bytes(Path("model.py").read_bytes())
    words = [
        ["--extra-files", "model.py"],
        ["--extra-files", "other/model.py"],
        ["--extra-files", "renamed.py"],
        ["--extra-files", "model.py", "--version", "2"],
        ["--model-file", "model.py"],
        ["--extra-files", "model.py", "--runtime", "python3"],
    ]
    assert len({_digest(run, *each) for each in words}) == len(words)
