import sys


def publish(name):
    def decorate(function):
        setattr(sys.modules[function.__module__], name, function)
        return function

    return decorate
