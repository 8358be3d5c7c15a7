# serves
from functools import partial


def answer(text, data, context):
    return None if data is None else [text] * len(data)


handle = partial(answer, "partial")
