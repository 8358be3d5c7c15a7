# fails: unnamed
class Handler:
    def initialize(self, context):
        self.model = context.no_such_thing["model"]

    def handle(self, data, context):
        return ["x"] * len(data)
