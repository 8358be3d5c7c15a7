# serves
from typing import Generic, List, TypeVar

Row = TypeVar("Row")
Rows = List[Row]


class Handler(Generic[Row]):
    def initialize(self, context):
        pass

    def handle(self, data: "Rows", context):
        return ["generic"] * len(data)
