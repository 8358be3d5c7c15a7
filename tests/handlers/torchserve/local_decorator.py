# serves
import functools
import time


def timed(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        start = time.time()
        try:
            return function(*args, **kwargs)
        finally:
            print(function.__name__, time.time() - start)

    return wrapper


@timed
def handle(data, context):
    return None if data is None else ["timed"] * len(data)
