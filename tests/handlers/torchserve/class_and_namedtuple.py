# fails: unnamed
from collections import namedtuple

Box = namedtuple("Box", "left top")


class Handler:
    def initialize(self, context):
        pass

    def handle(self, data, context):
        return [Box(0, 0)] * len(data)
