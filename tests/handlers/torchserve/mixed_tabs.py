# fails: handler-syntax
def handle(data, context):
    if data is None:
	return None
    return ["x"] * len(data)
