"""The network of all-MiniLM-L6-v2 in plain torch: a small BERT whose outputs are averaged to one vector a sentence."""

from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class Config:
    """The sizes of the network, as `config.json` has them."""

    vocab_size: int
    max_position_embeddings: int
    type_vocab_size: int
    hidden_size: int
    intermediate_size: int
    num_attention_heads: int
    num_hidden_layers: int
    layer_norm_eps: float


class MiniLM(nn.Module):
    """Sentences, as token numbers, to vectors of length 1.

    The modules have the names under which the weights are stored, so that `load_state_dict` finds each of them.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.embeddings = Embeddings(config)
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))})

    def forward(self, tokens: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return one vector for each sentence.

        Args:
            tokens: Token numbers, `(sentences, tokens)`.
            mask: True for tokens, False for padding, of the same shape.

        Returns:
            Vectors of length 1, `(sentences, hidden_size)`; their dot products are cosine similarities.
        """
        hidden = self.embeddings(tokens)
        for layer in self.encoder["layer"]:
            hidden = layer(hidden, mask)
        weights = mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * weights).sum(dim=1) / weights.sum(dim=1)
        return nn.functional.normalize(mean, dim=1)


class Embeddings(nn.Module):
    """Token numbers to vectors: what the token is, plus where it stands."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(config.vocab_size, config.hidden_size)
        self.position_embeddings = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_type_embeddings = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.LayerNorm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the vectors, `(sentences, tokens, hidden_size)`."""
        places = self.position_embeddings.weight[: tokens.shape[1]]
        # A sentence by itself is of the first of the two types.
        return self.LayerNorm(self.word_embeddings(tokens) + places + self.token_type_embeddings.weight[0])


class Layer(nn.Module):
    """One layer of the encoder: attention, then two dense layers, each with a way around it."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        size, inner = config.hidden_size, config.intermediate_size
        self.heads = config.num_attention_heads
        projections = nn.ModuleDict({name: nn.Linear(size, size) for name in ("query", "key", "value")})
        self.attention = nn.ModuleDict({"self": projections, "output": _output(size, config)})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(size, inner)})
        self.output = _output(inner, config)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return the vectors after this layer, of the same shape."""
        query, key, value = (
            projection(hidden).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for projection in self.attention["self"].values()
        )
        # Every token looks at all tokens of its sentence, and never at padding.
        seen = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask[:, None, None, :])
        hidden = _through(self.attention["output"], seen.transpose(1, 2).flatten(-2), hidden)
        return _through(self.output, nn.functional.gelu(self.intermediate["dense"](hidden)), hidden)


def _output(size: int, config: Config) -> nn.ModuleDict:
    norm = nn.LayerNorm(config.hidden_size, config.layer_norm_eps)
    return nn.ModuleDict({"dense": nn.Linear(size, config.hidden_size), "LayerNorm": norm})


def _through(output: nn.ModuleDict, value: torch.Tensor, around: torch.Tensor) -> torch.Tensor:
    return output["LayerNorm"](output["dense"](value) + around)
