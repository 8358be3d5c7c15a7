class Service:
    def initialize(self, context):
        raise RuntimeError("is only logged")

    def handle(self, data, context):
        return ["served"] * len(data)
