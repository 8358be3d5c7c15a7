# serves
def _initialize(self, context):
    self.ready = True


def _handle(self, data, context):
    return ["typed"] * len(data)


Dynamic = type("Dynamic", (), {"initialize": _initialize, "handle": _handle})
