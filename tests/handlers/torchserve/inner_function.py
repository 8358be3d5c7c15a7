# fails: handler-entry
def main():
    def handle(data, context):
        return ["x"] * len(data)

    return handle
