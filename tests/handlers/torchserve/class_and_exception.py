# fails: handler-entry
class BadInput(ValueError):
    pass


class Handler:
    def initialize(self, context):
        pass

    def handle(self, data, context):
        if not data:
            raise BadInput("nothing")
        return ["x"] * len(data)
