from singleton import Singleton


class Handler(metaclass=Singleton):
    def initialize(self, context):
        pass

    def handle(self, data, context):
        return ["single"] * len(data)
