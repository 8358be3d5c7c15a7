# serves
try:
    from a_library_that_nobody_has import handle
except ImportError:

    def handle(data, context):
        return None if data is None else ["fallback"] * len(data)
