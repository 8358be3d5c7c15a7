# serves
import sys


def _answer(data, context):
    return None if data is None else ["set"] * len(data)


setattr(sys.modules[__name__], "handle", _answer)
