# fails: handler-class
class Handler:
    def initialize(self, context):
        pass

    def handle(self, data):
        return ["x"] * len(data)
