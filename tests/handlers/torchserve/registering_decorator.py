# serves
def register(cls):
    cls.initialize = lambda self, context: None
    cls.handle = lambda self, data, context: ["registered"] * len(data)
    return cls


@register
class Handler:
    pass
