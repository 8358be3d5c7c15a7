# serves
from pathlib import Path

import numpy as np


class OnnxHandler:
    session = None

    def initialize(self, context):
        self.path = Path(context.system_properties["model_dir"]) / "model.onnx"
        if self.path.is_file():
            import onnxruntime

            self.session = onnxruntime.InferenceSession(str(self.path))

    def handle(self, data, context):
        rows = np.array([row["body"] for row in data], dtype=np.float32)
        return rows.sum(axis=1).tolist()
