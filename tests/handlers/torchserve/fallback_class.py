# serves
try:
    import a_library_that_nobody_has as library
except ImportError:
    library = None

if library is None:

    class Handler:
        def initialize(self, context):
            pass

        def handle(self, data, context):
            return ["without"] * len(data)

else:

    class Handler:
        def initialize(self, context):
            library.load(context)

        def handle(self, data, context):
            return library.run(data)
