"""Multi Model Server service of the iris example: JSON measurements in, the flower's class and probabilities out.

TorchServe calls it in the same way. It keeps to the syntax of Python 3.8 and needs numpy alone.
"""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

FEATURES = ("sepal length", "sepal width", "petal length", "petal width")
LONGEST = 100


class Classifier:
    """Softmax regression on standardised measurements, read from the model's folder.

    Args:
        folder: Holds `iris.npz` and `classes.json`.
    """

    def __init__(self, folder: Path) -> None:
        with np.load(folder / "iris.npz") as arrays:
            self.mean, self.scale = arrays["mean"], arrays["scale"]
            self.weights, self.bias = arrays["weights"], arrays["bias"]
        self.classes: list[str] = json.loads((folder / "classes.json").read_text(encoding="utf-8"))

    def probabilities(self, flowers: np.ndarray) -> np.ndarray:
        """Return the probability of each class, `(n, 3)`, for flowers of `(n, 4)` centimetres."""
        scores = (flowers - self.mean) / self.scale @ self.weights + self.bias
        # The largest score becomes 0, so that no exponential overflows.
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares: np.ndarray = odds / odds.sum(axis=1, keepdims=True)
        return shares


def handle(data: list[dict[str, Any]] | None, context: Any) -> list[Any] | None:
    """Answer a batch of requests, each in its own place.

    The server may put requests of strangers into one batch, so a bad one is answered with status 400 and
    the reason, while the others get their flowers.

    Args:
        data: The requests; None when the server loads the model.
        context: The server's context, which knows the model's folder.

    Returns:
        As many answers as there are requests; None at load time.
    """
    classifier = _load(context.system_properties["model_dir"])
    if data is None:
        # Multi Model Server parses JSON before it calls a service, and text that is not JSON ends the worker.
        # The worker asks this variable at every request: the text now comes here, where a mistake is answered.
        os.environ["MMS_DECODE_INPUT_REQUEST"] = "false"
        return None
    answers = []
    for index, request in enumerate(data):
        status, phrase, answer = _answer(classifier, request)
        context.set_response_status(status, phrase, index)
        context.set_response_content_type(index, "application/json")
        answers.append(answer)
    return answers


@lru_cache
def _load(model_dir: str) -> Classifier:
    return Classifier(Path(model_dir))


def _answer(classifier: Classifier, request: dict[str, Any]) -> tuple[int, str, Any]:
    """Return status, phrase and answer: an object for one flower, a list of objects for a list of flowers."""
    try:
        features = _features(_body(request))
    except ValueError as error:
        return 400, "Bad Request", {"error": str(error)}
    rows = features if isinstance(features[0], list) else [features]
    named = [_name(classifier.classes, row) for row in classifier.probabilities(np.array(rows)).tolist()]
    return 200, "OK", named if rows is features else named[0]


def _name(classes: list[str], probabilities: list[float]) -> dict[str, Any]:
    best = max(range(len(classes)), key=probabilities.__getitem__)
    return {
        "class": classes[best],
        "probabilities": {name: round(probabilities[index], 4) for index, name in enumerate(classes)},
    }


def _body(request: dict[str, Any]) -> Any:
    """Return the JSON value that was sent, which the server may or may not have parsed."""
    body = request.get("body")
    if body is None:
        body = request.get("data")
    if body is None:
        raise ValueError("no features: send them as the request body with Content-Type: application/json")
    if not isinstance(body, (str, bytes, bytearray)):
        return body
    try:
        return json.loads(body)
    # Brackets nested by the thousand exhaust the parser's recursion.
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the request is not JSON: {error}") from error


def _features(body: Any) -> list[Any]:
    """Return the measurements in `body` as they were sent: those of one flower, or a list of such lists."""
    if isinstance(body, dict):
        if "features" not in body:
            raise ValueError('the JSON object has no "features"')
        body = body["features"]
    if not isinstance(body, list) or not body:
        raise ValueError("the features are not a list of numbers or of such lists")
    for row in body if isinstance(body[0], list) else [body]:
        if not isinstance(row, list) or len(row) != len(FEATURES):
            raise ValueError(f"a flower is a list of {len(FEATURES)} numbers: {', '.join(FEATURES)}")
        # `type` and not `isinstance`, because a bool is an int; NaN fails the comparison.
        if not all(type(value) in (int, float) and 0 <= value <= LONGEST for value in row):
            raise ValueError(f"a measurement is a number of centimetres from 0 to {LONGEST}")
    return body
