"""What the checks say of many handlers and model files, measured against the loaders of the real servers' workers."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.collection import EXAMPLES, Sample, samples

from . import environments
from .archives import mms_archive, torch_archive
from .conftest import ENVIRONMENTS

if TYPE_CHECKING:
    from tests.conftest import Command

pytestmark = pytest.mark.servers

LOADING = Path(__file__).with_name("loading.py")
SERVERS = {"ts": environments.TORCHSERVE, "mms": environments.MMS}
ROW = [0.5] * 13
DATA = {"torchserve": [{"body": ROW}], "mms": [{"body": ROW}]}
TIMEOUT = 300
NOT_INSTALLED = ("PIL", "captum", "nvidia", "pippy", "tensorrt_llm", "torchvision", "transformers", "vllm")
BELOW = {"request_envelope": ".request_envelope"}


@dataclass(frozen=True)
class Measured:
    """A sample, and what became of it."""

    sample: Sample
    loads: bool  # in the real loader
    answers: bool  # a request, as the server wants it
    why: str  # not
    codes: frozenset[str]  # of the errors that the checks gave

    @property
    def serves(self) -> bool:
        return self.loads and (self.answers or self.sample.kind not in DATA)


def measured(
    server: str, items: list[Sample], folder: Path, run: Command, run_mms: Command, stand_ins: tuple[str, ...] = ()
) -> list[Measured]:
    jobs = [job(sample, folder / f"{number:03}") for number, sample in enumerate(items)]
    said = [codes(sample, run, run_mms) for sample in items]
    outcomes = load(server, jobs, stand_ins)
    return [
        Measured(sample, codes=said_of_it, **outcome)
        for sample, outcome, said_of_it in zip(items, outcomes, said, strict=True)
    ]


def job(sample: Sample, folder: Path) -> dict[str, object]:
    """Package a sample whatever the checks say, and return how its worker would be started."""
    archive = mms_archive if sample.kind == "mms" else torch_archive
    packed = archive(folder, "m", *sample.flags, "--no-checks", archive_format="no-archive")
    handler = json.loads((packed / "MAR-INF" / "MANIFEST.json").read_text("utf-8"))["model"]["handler"]
    module, colon, _ = handler.partition(":")
    below = [str((packed / module).parent)] if colon and "/" in module else []
    return {"folder": str(packed), "path": [str(packed), *below], "handler": handler, "data": DATA.get(sample.kind)}


def codes(sample: Sample, run: Command, run_mms: Command) -> frozenset[str]:
    result = (run_mms if sample.kind == "mms" else run)("--model-name", "m", *sample.flags, "--dry-run")
    return frozenset(re.search(r"\[([a-z-]+)\]$", line)[1] for line in result.errors)


def load(server: str, jobs: list[dict[str, object]], stand_ins: tuple[str, ...]) -> list[dict[str, object]]:
    python = SERVERS[server].python(ENVIRONMENTS)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        [python, LOADING, server, *stand_ins],
        input="".join(f"{json.dumps(job)}\n" for job in jobs),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT,
        check=False,
        env=environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def figures(results: list[Measured]) -> str:
    failing = [result for result in results if not result.serves]
    named = [result for result in failing if result.codes]
    return (
        f"{len(results)} samples: {len(results) - len(failing)} serve, {len(failing)} fail, {len(named)} of them named"
    )


@pytest.mark.parametrize(("server", "kinds"), [("ts", ("torchserve", "model_files")), ("mms", ("mms",))])
def test_the_collection_is_what_it_says(server, kinds, tmp_path, run, run_mms, record_property) -> None:
    results = measured(server, [sample for sample in samples() if sample.kind in kinds], tmp_path, run, run_mms)

    record_property("figures", figures(results))
    print(figures(results))  # noqa: T201 - the figures are what this measures
    wrong = [result for result in results if result.serves == bool(result.sample.code)]
    assert [(result.sample.name, result.why) for result in wrong] == []
    assert [result.sample.name for result in results if result.serves and result.codes] == []
    named = {result.sample.name: set(result.codes) for result in results if not result.serves}
    expected = {result.sample.name: {result.sample.code} - {"unnamed"} for result in results if result.sample.code}
    assert named == expected


@pytest.mark.parametrize(("server", "kind"), [("ts", "mms"), ("mms", "torchserve")])
def test_what_the_other_server_takes_raises_no_alarm_either(
    server: str, kind: str, tmp_path: Path, run: Command, run_mms: Command, record_property
) -> None:
    results = measured(server, [sample for sample in samples() if sample.kind == kind], tmp_path, run, run_mms)

    record_property("figures", figures(results))
    assert [result.sample.name for result in results if result.serves and result.codes] == []


def test_the_servers_own_handlers_are_custom_handlers_without_an_alarm(tmp_path, run, run_mms, record_property) -> None:
    own = own_handlers(tmp_path)
    theirs = [Sample(file, "examples", "", "") for file in sorted(EXAMPLES.glob("*/*handler*.py"))]

    results = measured("ts", own + theirs, tmp_path / "packed", run, run_mms, NOT_INSTALLED)

    record_property("figures", figures(results))
    print(figures(results))  # noqa: T201
    assert [(result.sample.name, result.codes) for result in results if result.loads and result.codes] == []
    assert sum(result.loads for result in results) >= 5


def own_handlers(folder: Path) -> list[Sample]:
    """Return copies of the server's own handlers under other names, with the imports that a file of its own needs."""
    package = environments.TORCHSERVE.python(ENVIRONMENTS).parents[1]
    (config := folder / "config.yaml").write_text("asyncCommunication: true\n", encoding="utf-8")
    found = []
    for file in sorted(package.glob("lib/python3*/site-packages/ts/torch_handler/**/*.py")):
        if file.name != "__init__.py" and "unit_tests" not in file.parts:
            copy = folder / f"own_{file.parent.name}_{file.name}"
            text = file.read_text("utf-8").replace("from ..", "from ts.")
            copy.write_text(text.replace("from .", f"from ts.torch_handler{BELOW.get(file.parent.name, '')}."), "utf-8")
            found.append(Sample(copy, "own", "", "", ("--config-file", str(config))))
    return found
