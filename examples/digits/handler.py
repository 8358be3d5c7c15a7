"""TorchServe handler of the digits example: a JSON image in, the digit's name and probabilities out."""

import json
from typing import Any

import torch
from ts.torch_handler.base_handler import BaseHandler
from ts.utils.util import map_class_to_label

SIDE = 8
INK = 16


class DigitsHandler(BaseHandler):
    """Name the digit in each image of a batch.

    A request is `{"image": rows}` or the rows themselves: 8 lists of 8 numbers from 0 (paper) to 16 (ink).
    TorchServe may put requests of strangers into one batch, so a bad one becomes a `ValueError` that
    travels in its own place and is answered with status 400, while the others get their digits.
    """

    def preprocess(self, data: list[dict[str, Any]]) -> list[torch.Tensor | ValueError]:
        """Return the image of each request, or what is wrong with it."""
        return [_read(request) for request in data]

    def inference(self, data: list[torch.Tensor | ValueError]) -> list[list[float] | ValueError]:
        """Return the ten probabilities of each image, from one pass through the network."""
        images = [image for image in data if isinstance(image, torch.Tensor)]
        rows = iter(super().inference(torch.stack(images)).softmax(dim=1).tolist() if images else ())
        return [next(rows) if isinstance(image, torch.Tensor) else image for image in data]

    def postprocess(self, data: list[list[float] | ValueError]) -> list[dict[str, Any]]:
        """Return the answer to each request."""
        answers: list[dict[str, Any]] = []
        for index, result in enumerate(data):
            if isinstance(result, ValueError):
                self.context.set_response_status(code=400, phrase="Bad Request", idx=index)
                answers.append({"error": str(result)})
            else:
                [probabilities] = map_class_to_label([result], self.mapping)
                answers.append(
                    {
                        "digit": max(probabilities, key=probabilities.get),
                        "probabilities": {name: round(p, 4) for name, p in probabilities.items()},
                    }
                )
        return answers


def _read(request: dict[str, Any]) -> torch.Tensor | ValueError:
    try:
        return _image(_body(request))
    except ValueError as error:
        return error


def _body(request: dict[str, Any]) -> Any:
    """Return the JSON value that was sent; TorchServe parses it only if the content type says JSON."""
    body = request.get("body")
    if body is None:
        body = request.get("data")
    if body is None:
        raise ValueError("no image: send it as the request body with Content-Type: application/json")
    if not isinstance(body, (str, bytes, bytearray)):
        return body
    try:
        return json.loads(body)
    # Brackets nested by the thousand exhaust the parser's recursion.
    except (ValueError, RecursionError) as error:
        raise ValueError(f"the request is not JSON: {error}") from error


def _image(body: Any) -> torch.Tensor:
    if isinstance(body, dict):
        if "image" not in body:
            raise ValueError('the JSON object has no "image"')
        body = body["image"]
    if not _is_list(body) or not all(_is_list(row) for row in body):
        raise ValueError(f"the image is not a list of {SIDE} rows of {SIDE} numbers")
    # `type` and not `isinstance`, because a bool is an int; NaN fails the comparison.
    if not all(type(value) in (int, float) and 0 <= value <= INK for row in body for value in row):
        raise ValueError(f"the image holds something else than numbers from 0 to {INK}")
    return torch.tensor(body, dtype=torch.float32)


def _is_list(value: object) -> bool:
    return isinstance(value, list) and len(value) == SIDE
