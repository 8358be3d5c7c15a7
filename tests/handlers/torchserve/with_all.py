# serves
__all__ = ["handle"]
__version__ = "0.1.0"
__author__ = "somebody"


def handle(data, context):
    return None if data is None else [__version__] * len(data)
