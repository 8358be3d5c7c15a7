# serves
import torch
from ts.torch_handler import base_handler


class Handler(base_handler.BaseHandler):
    def initialize(self, context):
        properties = context.system_properties
        self.model_dir = properties.get("model_dir")
        base_handler.BaseHandler.initialize(self, context)

    def preprocess(self, data):
        return torch.tensor([row["body"] for row in data])
