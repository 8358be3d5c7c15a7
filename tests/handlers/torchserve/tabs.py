# serves
def handle(data, context):
	return None if data is None else ['tabs'] * len(data)
