"""Both servers serve an archive that carries samples as they serve it without."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_archiver import inspect

from .archives import DIGITS_FLAGS, FORMATS, GREETING, SAMPLE, mms_archive, torch_archive
from .mms import MultiModelServer
from .torchserve import TorchServe

pytestmark = pytest.mark.servers


@pytest.fixture
def samples(work: Path) -> Path:
    Path("cat.jpg").write_bytes(b"a cat")
    Path("handler.py").write_text("raise SystemExit('a sample, and not the handler')\n")
    cases = [{"file": "cat.jpg"}, {"file": "handler.py"}, {"body": SAMPLE, "expected": {}}]
    Path("samples.json").write_text(json.dumps(cases))
    return Path("samples.json")


@pytest.mark.parametrize("archive_format", FORMATS)
def test_torchserve_serves_it(torchserve: TorchServe, samples: Path, archive_format: str) -> None:
    pytest.importorskip("torch")
    plain, archive = (
        torch_archive(Path(to), "sampled", *DIGITS_FLAGS, *flags, archive_format=archive_format)
        for to, flags in (("plain", ()), ("sampled", ("--samples", samples)))
    )
    assert inspect(plain).digest == inspect(archive).digest
    with torchserve.serving(archive, "sampled") as ask:
        assert ask(SAMPLE)["digit"] == "seven"


@pytest.mark.parametrize("archive_format", ["default", "zip-store", "no-archive"])
def test_multi_model_server_serves_it(mms: MultiModelServer, samples: Path, archive_format: str) -> None:
    Path("model").mkdir()
    Path("model/service.py").write_text(GREETING)
    flags = ("--model-path", "model", "--handler", "service:handle", "--samples", samples)
    archive = mms_archive(Path("out"), "sampled", *flags, archive_format=archive_format)
    with mms.serving(archive, "sampled"):
        assert mms.predict("sampled") == b"hello"
