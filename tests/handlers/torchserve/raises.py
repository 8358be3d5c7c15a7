# fails: unnamed
def handle(data, context):
    return None if data is None else ["x"]


raise RuntimeError("not on this machine")
