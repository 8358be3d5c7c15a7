import json
import os


class ModelHandler(object):
    """Loads a network lazily, as the templates for MXNet have it."""

    def __init__(self):
        self.error = None
        self._context = None
        self._batch_size = 0
        self.initialized = False

    def initialize(self, context):
        self._context = context
        self._batch_size = context.system_properties["batch_size"]
        signature = os.path.join(context.system_properties.get("model_dir"), "signature.json")
        self.signature = json.load(open(signature)) if os.path.isfile(signature) else {}
        self.initialized = True

    def preprocess(self, batch):
        return batch

    def inference(self, model_input):
        return ["mxnet"] * len(model_input)

    def postprocess(self, inference_output):
        return inference_output

    def handle(self, data, context):
        return self.postprocess(self.inference(self.preprocess(data)))
