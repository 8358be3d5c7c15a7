"""TorchServe handler of the sentence embedding example: sentences in, vectors or similarities out."""

import json
from pathlib import Path
from typing import Any

from embedder import Embedder

MOST = 100


class SentenceHandler:
    """Embed the sentences of all requests of a batch in one pass through the network.

    A request is `{"sentences": [...]}`, answered with a vector for each, or has a `"query"` too, and is answered
    with how similar each sentence is to it. A bad request gets status 400 while the others get their answers.

    It is the one class of this file, as TorchServe wants it.
    """

    def initialize(self, context: Any) -> None:
        """Load the model from the folder that the server unpacked."""
        folder = Path(context.system_properties["model_dir"])
        self.embedder = Embedder(folder, context.manifest["model"]["serializedFile"])

    def handle(self, data: list[dict[str, Any]], context: Any) -> list[dict[str, Any]]:
        """Return the answer to each request."""
        questions = [_read(request) for request in data]
        texts = [text for question in questions if isinstance(question, dict) for text in _texts(question)]
        vectors = iter(self.embedder.embed(texts) if texts else ())
        answers = []
        for index, question in enumerate(questions):
            if isinstance(question, dict):
                answers.append(_answer(question, [next(vectors) for _ in _texts(question)]))
            else:
                context.set_response_status(code=400, phrase="Bad Request", idx=index)
                answers.append({"error": str(question)})
        return answers


def _texts(question: dict[str, Any]) -> list[str]:
    """Return everything that needs a vector, the query last."""
    return [*question["sentences"], *([question["query"]] if "query" in question else [])]


def _answer(question: dict[str, Any], vectors: list[Any]) -> dict[str, Any]:
    if "query" not in question:
        return {"embeddings": [vector.tolist() for vector in vectors]}
    *sentences, query = vectors
    return {"similarities": [round(float(sentence @ query), 4) for sentence in sentences]}


def _read(request: dict[str, Any]) -> dict[str, Any] | ValueError:
    body = request.get("body", request.get("data"))
    try:
        # TorchServe parses the body itself if the content type says JSON.
        return _question(json.loads(body) if isinstance(body, (str, bytes, bytearray)) else body)
    except (ValueError, RecursionError) as error:
        return ValueError(str(error))


def _question(body: Any) -> dict[str, Any]:
    if not isinstance(body, dict) or not isinstance(body.get("sentences"), list):
        raise ValueError('send {"sentences": [...]}, with a "query" or without')
    if not 1 <= len(body["sentences"]) <= MOST:
        raise ValueError(f"send 1 to {MOST} sentences")
    if not all(isinstance(text, str) for text in _texts(body)):
        raise ValueError("a sentence is a text, and so is the query")
    return body
