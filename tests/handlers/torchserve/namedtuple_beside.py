# serves
from collections import namedtuple

Box = namedtuple("Box", ["left", "top", "right", "bottom"])


def handle(data, context):
    return None if data is None else [Box(0, 0, 1, 1)._asdict() for _ in data]
