# serves
class _Registry:
    pass


registry = _Registry.__name__
del _Registry


class Handler:
    def initialize(self, context):
        pass

    def handle(self, data, context):
        return [registry] * len(data)
