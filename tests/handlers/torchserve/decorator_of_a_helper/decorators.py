def handler(cls):
    class Adapter(cls):
        def __init__(self):
            super().__init__("adapted")

        def initialize(self, context):
            pass

        def handle(self, data, context):
            return [self.run()] * len(data)

    Adapter.__module__ = cls.__module__
    return Adapter
