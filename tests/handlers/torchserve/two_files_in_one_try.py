# serves
try:
    import a_library_that_nobody_has
except ImportError as error:
    reason = str(error)
else:

    class Fast:
        pass

finally:
    done = True


class Handler:
    def initialize(self, context):
        pass

    def handle(self, data, context):
        return [reason] * len(data)
