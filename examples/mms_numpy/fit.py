"""Fit the model of the iris example and write its weights into the model's folder."""

from pathlib import Path

import numpy as np
from iris.iris_service import Classifier
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

SEED = 0
STEPS = 40_000
LEARNING_RATE = 0.5
PENALTY = 1e-3
WEIGHTS = Path(__file__).with_name("iris") / "iris.npz"


def load_split() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return training flowers, test flowers, training classes and test classes; a third is for the test."""
    iris = load_iris()
    train, test = train_test_split(
        np.arange(len(iris.target)), test_size=1 / 3, random_state=SEED, stratify=iris.target
    )
    return iris.data[train], iris.data[test], iris.target[train], iris.target[test]


def fit(flowers: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, scale, weights and bias of a softmax regression, fitted by gradient descent from zero.

    The penalty gives the loss a single lowest point and the steps suffice to reach it, so every machine
    arrives at the same place.
    """
    mean, scale = flowers.mean(axis=0), flowers.std(axis=0)
    inputs = (flowers - mean) / scale
    targets = np.eye(classes.max() + 1)[classes]
    weights = np.zeros((inputs.shape[1], targets.shape[1]))
    bias = np.zeros(targets.shape[1])
    for _ in range(STEPS):
        odds = np.exp(inputs @ weights + bias)
        slope = (odds / odds.sum(axis=1, keepdims=True) - targets) / len(inputs)
        weights -= LEARNING_RATE * (inputs.T @ slope + PENALTY * weights)
        bias -= LEARNING_RATE * slope.sum(axis=0)
    return mean, scale, weights, bias


def main() -> None:
    """Fit, write the weights, report the accuracy of the service's own code on flowers the fit has not seen."""
    train_flowers, test_flowers, train_classes, test_classes = load_split()
    # Rounding takes away the last bits, in which machines differ. numpy dates every member of an .npz 1980,
    # so the same numbers give the same file.
    mean, scale, weights, bias = (array.round(4).astype("<f4") for array in fit(train_flowers, train_classes))
    np.savez(WEIGHTS, mean=mean, scale=scale, weights=weights, bias=bias)
    right = Classifier(WEIGHTS.parent).probabilities(test_flowers).argmax(axis=1) == test_classes
    print(f"test accuracy: {right.mean():.2%} of {len(right)} flowers")
    print(f"wrote {WEIGHTS.name}, {WEIGHTS.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
