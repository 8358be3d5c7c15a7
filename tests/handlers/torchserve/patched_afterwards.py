# serves
class Handler:
    pass


def _initialize(self, context):
    pass


def _handle(self, data, context):
    return ["patched"] * len(data)


Handler.initialize = _initialize
Handler.handle = _handle
