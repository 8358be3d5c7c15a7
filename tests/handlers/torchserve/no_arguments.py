# fails: handler-entry
def handle():
    return ["x"]
