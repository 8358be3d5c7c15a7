"""Train the network of the wine example and write it, code and weights, as TorchScript beside this file."""

from pathlib import Path

import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import train_test_split
from torch import nn

SEED = 0
STEPS = 300
SCRIPTED = Path(__file__).with_name("wine.pt")


class WineNet(nn.Module):
    """Thirteen measurements of a wine, in their own units, to the probability of each of three cultivars.

    Scaling and softmax are a part of it, so that whoever serves the file needs no code besides.
    """

    def __init__(self, mean: torch.Tensor, scale: torch.Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.layers = nn.Sequential(nn.Linear(13, 16), nn.ReLU(), nn.Linear(16, 3))

    def scores(self, wines: torch.Tensor) -> torch.Tensor:
        """Return the scores before softmax, `(n, 3)`."""
        return self.layers((wines - self.mean) / self.scale)

    def forward(self, wines: torch.Tensor) -> torch.Tensor:
        """Return the probabilities, `(n, 3)`, for wines of `(n, 13)` measurements."""
        return self.scores(wines).softmax(dim=1)


def load_split() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return training wines, test wines, training cultivars and test cultivars; a third is for the test."""
    wine = load_wine()
    wines = torch.tensor(wine.data, dtype=torch.float32)
    cultivars = torch.tensor(wine.target)
    train, test = train_test_split(range(len(wines)), test_size=1 / 3, random_state=SEED, stratify=wine.target)
    return wines[train], wines[test], cultivars[train], cultivars[test]


def train(wines: torch.Tensor, cultivars: torch.Tensor) -> WineNet:
    """Return a trained network, the same one at every call."""
    torch.manual_seed(SEED)
    net = WineNet(wines.mean(dim=0), wines.std(dim=0))
    optimizer = torch.optim.AdamW(net.parameters(), lr=0.01)
    for _ in range(STEPS):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net.scores(wines), cultivars).backward()
        optimizer.step()
    return net.eval()


def main() -> None:
    """Train, write the scripted network, report the accuracy of what was written on wines it has not seen."""
    # One thread adds up in one order: the same weights whatever the number of cores.
    torch.set_num_threads(1)
    train_wines, test_wines, train_cultivars, test_cultivars = load_split()
    torch.jit.script(train(train_wines, train_cultivars)).save(SCRIPTED)
    with torch.inference_mode():
        named = torch.jit.load(SCRIPTED)(test_wines).argmax(dim=1)
    accuracy = (named == test_cultivars).float().mean().item()
    print(f"test accuracy: {accuracy:.2%} of {len(test_cultivars)} wines")
    print(f"wrote {SCRIPTED.name}, {SCRIPTED.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
