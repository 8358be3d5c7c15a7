# fails: handler-class
class Handler:
    def initialize(self, context):
        pass

    async def handle(self, data, context):
        return ["x"] * len(data)
