# fails: handler-class
from abc import ABC


class Handler(ABC):
    def predict(self, data, context):
        return ["x"] * len(data)
