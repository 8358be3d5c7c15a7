# serves
from contextlib import suppress


def handle(data, context):
    return None if data is None else ["suppressed"] * len(data)


with suppress(ImportError):
    from a_library_that_nobody_has import handle
