# serves
from enum import Enum

Colour = Enum("Colour", "RED GREEN")


def handle(data, context):
    return None if data is None else [Colour.RED.name] * len(data)
