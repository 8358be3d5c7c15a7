# fails: handler-entry
def handle(data, *, context=None):
    return ["x"] * len(data)
