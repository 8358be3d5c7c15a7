# fails: unnamed
try:
    import a_library_that_nobody_has
except ImportError:

    class Model:
        pass

else:

    class Model(a_library_that_nobody_has.Model):
        pass


class Handler:
    def initialize(self, context):
        self.model = Model()

    def handle(self, data, context):
        return ["x"] * len(data)
