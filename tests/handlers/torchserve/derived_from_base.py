# serves
import torch
from ts.torch_handler.base_handler import BaseHandler


class WineHandler(BaseHandler):
    """Takes rows of numbers."""

    labels = ("first", "second", "third")

    def preprocess(self, data):
        return torch.tensor([row.get("data") or row.get("body") for row in data], dtype=torch.float32)

    def postprocess(self, output):
        return [self.labels[int(row.argmax()) % 3] for row in output]
