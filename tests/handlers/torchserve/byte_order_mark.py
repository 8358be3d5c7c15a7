# serves
def handle(data, context):
    return None if data is None else ['bom'] * len(data)
