# serves with :predict
def predict(data, context):
    return None if data is None else ["named"] * len(data)


def helper():
    return 1
