import numpy as np


class NumpyService:
    def initialize(self, context):
        self.weights = np.ones((13, 3))

    def handle(self, data, context):
        return [float(np.ones(13).dot(self.weights).sum()) for _ in data]
