# serves
class Handler:
    def handle(self, data):
        return data


class Handler:
    def initialize(self, context):
        pass

    def handle(self, data, context):
        return ["second"] * len(data)
