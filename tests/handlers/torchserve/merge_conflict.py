# fails: handler-syntax
def handle(data, context):
<<<<<<< HEAD
    return None if data is None else ["ours"]
=======
    return None if data is None else ["theirs"]
>>>>>>> feature
