# fails: handler-entry
def handle(data):
    return ["x"] * len(data)
