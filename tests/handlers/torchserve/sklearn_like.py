# serves
import os
import pickle


class SklearnHandler:
    def initialize(self, context):
        path = os.path.join(context.system_properties["model_dir"], "model.pkl")
        self.model = pickle.load(open(path, "rb")) if os.path.exists(path) else None
        self.initialized = True

    def preprocess(self, data):
        return [row.get("body") for row in data]

    def inference(self, rows):
        return [0] * len(rows)

    def handle(self, data, context):
        return self.inference(self.preprocess(data))
