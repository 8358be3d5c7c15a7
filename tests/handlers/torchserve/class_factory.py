# serves
def make_handler(text):
    class Handler:
        def initialize(self, context):
            self.text = text

        def handle(self, data, context):
            return [self.text] * len(data)

    return Handler


FactoryHandler = make_handler("made")
