# fails: handler-class
class Handler:
    def __init__(self, model_dir, device="cpu"):
        self.model_dir = model_dir

    def initialize(self, context):
        pass

    def handle(self, data, context):
        return ["x"] * len(data)
