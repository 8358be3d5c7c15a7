# serves
import json
import os

MODEL = None
LABELS = {}


def load(context):
    global MODEL, LABELS
    MODEL = str.upper
    LABELS = json.loads('{"0": "zero"}')


def handle(data, context):
    if MODEL is None:
        load(context)
    if data is None:
        return None
    return [MODEL(os.path.basename("a/b"))] * len(data)
