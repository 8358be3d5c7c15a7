"""Train the network of the digits example and write its weights beside this file."""

from pathlib import Path

import torch
from model import DigitsNet
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import nn

SEED = 0
EPOCHS = 60
BATCH_SIZE = 64
WEIGHTS = Path(__file__).with_name("digits.pt")


def load_split() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return training images, test images, training labels and test labels; a fifth is for the test."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32)
    labels = torch.tensor(digits.target)
    train, test = train_test_split(range(len(labels)), test_size=0.2, random_state=SEED, stratify=labels)
    return images[train], images[test], labels[train], labels[test]


def train(images: torch.Tensor, labels: torch.Tensor) -> DigitsNet:
    """Return a network trained on `images`, the same one at every call."""
    torch.manual_seed(SEED)
    net = DigitsNet()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3)
    batches_per_epoch = -(-len(images) // BATCH_SIZE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=EPOCHS * batches_per_epoch)
    net.train()
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images)).split(BATCH_SIZE):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images[batch]), labels[batch]).backward()
            optimizer.step()
            schedule.step()
    return net


@torch.inference_mode()
def accuracy(net: DigitsNet, images: torch.Tensor, labels: torch.Tensor) -> float:
    """Return the share of `images` that `net` names rightly."""
    net.eval()
    return (net(images).argmax(1) == labels).float().mean().item()


def main() -> None:
    """Train, report the accuracy on images the network has not seen, write the weights."""
    # One thread adds up in one order: the same weights whatever the number of cores.
    torch.set_num_threads(1)
    train_images, test_images, train_labels, test_labels = load_split()
    net = train(train_images, train_labels)
    print(f"test accuracy: {accuracy(net, test_images, test_labels):.2%} of {len(test_labels)} images")
    torch.save(net.state_dict(), WEIGHTS)
    print(f"wrote {WEIGHTS.name}, {WEIGHTS.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
