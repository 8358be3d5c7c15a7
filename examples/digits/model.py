"""The network of the digits example."""

import torch
from torch import nn


class DigitsNet(nn.Module):
    """A small convolutional network that tells the ten digits apart.

    TorchServe calls the one class of this file without arguments and loads the weights into it,
    so every size stands here.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(16, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 32, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(32 * 2 * 2, 10))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return one score for each digit.

        Args:
            images: Batch of images, `(n, 8, 8)`, with the data set's own values from 0 (paper) to 16 (ink).

        Returns:
            The scores before softmax, `(n, 10)`.
        """
        # Scaled here and nowhere else, so that training and serving cannot drift apart.
        scores: torch.Tensor = self.classifier(self.features(images.unsqueeze(1) / 16))
        return scores
