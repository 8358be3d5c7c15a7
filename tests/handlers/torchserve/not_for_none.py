# fails: unnamed
def handle(data, context):
    return ["x"] * len(data)
