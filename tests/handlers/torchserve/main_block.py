# serves
import json


class Handler:
    def initialize(self, context):
        pass

    def handle(self, data, context):
        return ["main"] * len(data)


if __name__ == "__main__":

    class FakeContext:
        manifest = {}

    handler = Handler()
    handler.initialize(FakeContext())
    print(json.dumps(handler.handle([{}], FakeContext())))
