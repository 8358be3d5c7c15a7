# serves
def handle(*args, **kwargs):
    data, *_ = args
    return None if data is None else ["any"] * len(data)
