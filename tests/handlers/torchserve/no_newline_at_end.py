# serves
def handle(data, context):
    return None if data is None else ['end'] * len(data)