# fails: handler-syntax
def handle(data, context):
    return None if data is None else ["grün"] * len(data)
