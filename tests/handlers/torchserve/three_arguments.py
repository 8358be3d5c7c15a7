# fails: handler-entry with :predict
def predict(model, data, context):
    return ["x"] * len(data)
