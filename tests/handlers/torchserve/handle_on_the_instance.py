# serves
class Handler:
    def __init__(self):
        self.handle = self._run
        self.initialize = lambda context: None

    def _run(self, data, context):
        return ["instance"] * len(data)
