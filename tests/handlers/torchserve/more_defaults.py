# serves
def handle(data, context=None, threshold=0.5, *, verbose=False):
    return None if data is None else [threshold] * len(data)
