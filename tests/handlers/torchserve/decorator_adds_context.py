# serves
def with_context(function):
    def wrapper(data, context):
        return None if data is None else function(data)

    return wrapper


@with_context
def handle(data):
    return ["one argument"] * len(data)
