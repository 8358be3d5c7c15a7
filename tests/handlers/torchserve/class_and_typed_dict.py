# fails: handler-entry
import typing


class Answer(typing.TypedDict):
    label: str


class Handler:
    def initialize(self, context):
        pass

    def handle(self, data, context) -> typing.List[Answer]:
        return [{"label": "x"}] * len(data)
