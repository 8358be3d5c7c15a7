"""Sentences to vectors, from the files of all-MiniLM-L6-v2 in one folder. It needs no network and no server."""

import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import torch
from minilm import Config, MiniLM
from safetensors.torch import load_file
from tokenizers import Tokenizer

LONGEST = 256


class Embedder:
    """Tokenizer and network.

    Args:
        folder: Holds `config.json`, `tokenizer.json` and the weights.
        weights: The name of the weights.
    """

    def __init__(self, folder: Path, weights: str = "model.safetensors") -> None:
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        # What a sentence has beyond this many tokens, the network was never trained on.
        self.tokenizer.enable_truncation(LONGEST)
        self.tokenizer.enable_padding()
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.network = MiniLM(Config(**{field.name: settings[field.name] for field in fields(Config)})).eval()
        stored = load_file(folder / weights)
        # Stored too: the pooler, which sentence vectors do not use, and the numbers of the positions.
        self.network.load_state_dict({name: stored[name] for name in self.network.state_dict()})

    @torch.inference_mode()
    def embed(self, sentences: Sequence[str]) -> torch.Tensor:
        """Return a vector of length 1 for each sentence, `(n, 384)`."""
        encoded = self.tokenizer.encode_batch(list(sentences))
        tokens = torch.tensor([sentence.ids for sentence in encoded])
        mask = torch.tensor([sentence.attention_mask for sentence in encoded], dtype=torch.bool)
        return self.network(tokens, mask)
