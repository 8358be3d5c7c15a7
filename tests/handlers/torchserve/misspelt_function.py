# fails: handler-entry
def hanlde(data, context):
    return ["x"] * len(data or [])
