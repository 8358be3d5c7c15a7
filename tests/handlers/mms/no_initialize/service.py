class Service:
    def handle(self, data, context):
        return ["x"] * len(data)
