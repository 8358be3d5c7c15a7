# fails: handler-entry with :Service
class Service:
    def __init__(self, data, context):
        self.data = data

    def initialize(self, context):
        pass

    def handle(self, data, context):
        return ["x"] * len(data)
