def handle(data, context):
    return [x for x in data
