"""The example for Multi Model Server, served by both servers and compared with numpy in this process."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model_archiver import try_archive
from model_archiver.cli import mms_main

np = pytest.importorskip("numpy")
pytestmark = pytest.mark.servers

EXAMPLE = Path(__file__).parents[2] / "examples" / "mms_numpy"


@pytest.mark.parametrize("server", ["mms", "torchserve"])
def test_the_iris_example_answers_as_numpy_does(server: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    words = ["--model-name", "iris", "--model-path", str(EXAMPLE / "iris"), "--handler", "iris_service:handle"]
    words += ["--samples", str(EXAMPLE / "samples.json")]
    assert mms_main([*words, "--export-path", str(tmp_path)]) == 0
    sample = (EXAMPLE / "sample.json").read_bytes()
    running = request.getfixturevalue(server)
    with running.serving(tmp_path / "iris.mar", "iris"):
        answer = json.loads(running.predict("iris", sample, "application/json"))
    python = request.getfixturevalue(f"{server}_python")
    assert [result.status for result in try_archive(tmp_path / "iris.mar", python=python).results] == [200, 400]
    expected = probabilities(json.loads(sample))
    names = json.loads((EXAMPLE / "iris" / "classes.json").read_text())
    assert answer["class"] == names[int(np.argmax(expected))]
    assert [answer["probabilities"][name] for name in names] == pytest.approx(expected, abs=1e-3)


def probabilities(sample: object) -> list[float]:
    features = sample["features"] if isinstance(sample, dict) else sample
    with np.load(EXAMPLE / "iris" / "iris.npz") as weights:
        names = dict(weights)
    standard = (np.ravel(features) - names["mean"]) / names["scale"]
    scores = standard @ names["weights"] + names["bias"]
    shares = np.exp(scores - scores.max())
    return (shares / shares.sum()).tolist()
