# fails: handler-entry
from typing import Protocol


class Model(Protocol):
    def predict(self, row): ...


class Handler:
    def initialize(self, context):
        pass

    def handle(self, data, context):
        return ["x"] * len(data)
