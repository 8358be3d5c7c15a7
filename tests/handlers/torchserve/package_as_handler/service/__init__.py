from .impl import Service as _Service

_service = _Service()


def handle(data, context):
    return _service.handle(data, context)
