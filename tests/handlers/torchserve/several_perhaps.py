# fails: unnamed
import os

if os.environ.get("HOME", "") is not None:

    class Settings:
        pass


class Handler:
    def initialize(self, context):
        pass

    def handle(self, data, context):
        return ["x"] * len(data)
