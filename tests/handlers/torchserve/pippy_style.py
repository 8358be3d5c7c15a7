# serves
try:
    from ts.torch_handler.distributed.base_pippy_handler import BasePippyHandler
except Exception:
    BasePippyHandler = object


class LargeModelHandler(BasePippyHandler):
    def initialize(self, ctx):
        self.initialized = True

    def handle(self, data, context):
        return ["large"] * len(data)
