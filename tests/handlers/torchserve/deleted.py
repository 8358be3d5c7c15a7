# fails: unnamed
def handle(data, context):
    return None if data is None else ["x"]


run = handle
del handle
